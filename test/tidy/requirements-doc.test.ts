/** The requirements in docs/points-in-time.md: each number has one row, and what it names as its test is there. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const root = new URL("../../", import.meta.url);
const page = readFileSync(new URL("docs/points-in-time.md", root), "utf8");
const numbers = [
  ...Array.from({ length: 88 }, (_, i) => `S${i + 1}`),
  ...Array.from({ length: 40 }, (_, i) => `C${i + 1}`),
];

interface Row {
  readonly number: string;
  readonly text: string;
  /** `file` › title · title<br>`file` › title; of "n/a" the reason. */
  readonly cell: string;
}

function rowsOf(markdown: string): Row[] {
  const section = markdown.split(/^(?=## )/m).find((text) => text.startsWith("## Requirements\n"));
  const rows = (section ?? "").matchAll(/^\| ([A-Z]\d+) \| (.+?) \| (.+) \|$/gm);
  return [...rows].map(([, number, text, cell]) => ({ number: number!, text: text!, cell: cell! }));
}

/** The file without its comments, in which titles do not count; undefined when it is not there. */
function codeOf(file: string): string | undefined {
  try {
    const source = readFileSync(new URL(file, root), "utf8");
    return source.replace(/^\s*(\/\*|\*|\/\/).*$/gm, "");
  } catch {
    return undefined;
  }
}

function cellProblems({ number, text, cell }: Row): string[] {
  if (text === "n/a") return /›|`test\//.test(cell) ? [`${number} is n/a and has a test`] : [];
  return cell.split("<br>").flatMap((part) => {
    const [, file, titles] = /^`(test\/[^`]+)` › (.+)$/.exec(part) ?? [];
    if (file === undefined) return [`${number} names no test in "${part}"`];
    const code = codeOf(file);
    if (code === undefined) return [`${number}: there is no ${file}`];
    // As a whole, so that the beginning of a title is not taken for it.
    const isThere = (title: string): boolean =>
      [`"${title}"`, `'${title}'`].some((quoted) => code.includes(quoted));
    const missing = titles!.split(" · ").filter((title) => !isThere(title));
    return missing.map((title) => `${number}: ${file} has no "${title}"`);
  });
}

function problemsOf(markdown: string): string[] {
  const rows = rowsOf(markdown);
  const counts = numbers.flatMap((number) => {
    const { length } = rows.filter((row) => row.number === number);
    return length === 1 ? [] : [`${number} has ${length} rows`];
  });
  const unknown = rows.filter(({ number }) => !numbers.includes(number));
  return [
    ...counts,
    ...unknown.map(({ number }) => `there is no ${number}`),
    ...rows.flatMap(cellProblems),
  ];
}

test("docs/points-in-time.md has one row for each requirement, whose tests exist", () => {
  expect(problemsOf(page)).toEqual([]);
  expect(rowsOf(page)).toHaveLength(128);
});

describe("a planted mistake is found:", () => {
  const file = "test/unit/manifest/checkpoint-expiry.test.ts";
  const rowOf = (number: string): RegExp => new RegExp(`^\\| ${number} \\|.*\\n`, "m");

  test.each<[string, (markdown: string) => string, string]>([
    ["a row that is missing", (text) => text.replace(rowOf("S17"), ""), "S17 has 0 rows"],
    [
      "a row that is there twice",
      (text) => text.replace(rowOf("C17"), (row) => row + row),
      "C17 has 2 rows",
    ],
    ["a number that is none", (text) => text.replace("| C40 |", "| C41 |"), "there is no C41"],
    [
      "a title that is in no test",
      (text) => text.replace("in every forest of 5, any", "in every forest, any"),
      `S3: ${file} has no "in every forest, any`,
    ],
    [
      "half a title",
      (text) => text.replace(", then any others, leave what counting references leaves", ""),
      `S3: ${file} has no "in every forest of 5, any ends at once"`,
    ],
    [
      "a file that is not there",
      (text) => text.replace(file, "test/unit/expiry.test.ts"),
      "S3: there is no test/unit/expiry.test.ts",
    ],
    [
      "a row without a test",
      (text) => text.replace(/^(\| S88 \| .*? \| ).*$/m, "$1yes |"),
      'S88 names no test in "yes"',
    ],
  ])("%s", (_, plant, problem) => {
    const planted = plant(page);
    expect(planted).not.toBe(page);
    expect(problemsOf(planted)).toContainEqual(expect.stringContaining(problem));
  });
});
