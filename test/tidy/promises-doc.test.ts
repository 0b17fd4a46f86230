/** Promises 1 to 58 of docs/protocol.md and the tests that show them name each other, and what is named is there. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const promiseCount = 58;
/** Promises that do not hold yet; the page says why. */
const notYet: readonly number[] = [];
const root = new URL("../../", import.meta.url);
const page = readFileSync(new URL("docs/protocol.md", root), "utf8");

interface Row {
  readonly promise: number;
  readonly text: string;
  readonly tests: readonly { readonly file: string; readonly title: string }[];
}

interface FileRow {
  readonly file: string;
  readonly promises: readonly number[];
  readonly rules: readonly string[];
}

function sectionOf(markdown: string): string {
  const section = markdown.split(/^(?=## )/m).filter((text) => /^## Promises and/.test(text));
  return section.join("");
}

/** | 7 | What holds. | `file`: "title", "title"; `file`: "title" | */
function rowsOf(section: string): Row[] {
  const rows = section.matchAll(/^\| (\d+) \| (.*) \| ([^|]*) \|$/gm);
  return [...rows].map(([, promise, text, cell]) => {
    const files = cell!.matchAll(/`([^`]+)`: ("[^"]+"(?:, "[^"]+")*)/g);
    const tests = [...files].flatMap(([, file, titles]) =>
      [...titles!.matchAll(/"([^"]+)"/g)].map(([, title]) => ({ file: file!, title: title! })),
    );
    return { promise: Number(promise), text: text!, tests };
  });
}

/** | `file` | 1, 2 | R3, R4 | */
function fileRowsOf(section: string): FileRow[] {
  const rows = section.matchAll(/^\| `([^`]+)` \| ([^|]*) \|(?: ([^|]*))? \|$/gm);
  const listOf = (text: string | undefined): string[] => text?.match(/R?\d+/g) ?? [];
  return [...rows].map(([, file, promises, rules]) => ({
    file: file!,
    promises: listOf(promises).map(Number),
    rules: listOf(rules),
  }));
}

/** The file without its comments, in which titles do not count; undefined when it is not there. */
function codeOf(file: string): string | undefined {
  return sourceOf(file)?.replace(/^\s*(\/\*|\*|\/\/).*$/gm, "");
}

function sourceOf(file: string): string | undefined {
  try {
    return readFileSync(new URL(file, root), "utf8");
  } catch {
    return undefined;
  }
}

function problemsOf(markdown: string): string[] {
  const section = sectionOf(markdown);
  const rows = rowsOf(section);
  const fileRows = fileRowsOf(section);
  return [...countProblems(rows), ...titleProblems(rows), ...backProblems(rows, fileRows)];
}

function countProblems(rows: readonly Row[]): string[] {
  const problems: string[] = [];
  for (let promise = 1; promise <= promiseCount; promise++) {
    const own = rows.filter((row) => row.promise === promise);
    if (own.length !== 1) problems.push(`promise ${promise} has ${own.length} rows`);
  }
  for (const { promise, text, tests } of rows) {
    if (promise < 1 || promise > promiseCount) problems.push(`there is no promise ${promise}`);
    const waits = notYet.includes(promise);
    if (waits !== text.startsWith("*Not yet:* ")) {
      problems.push(`promise ${promise} ${waits ? "says it holds" : "says it does not hold"}`);
    }
    if (waits !== (tests.length === 0)) {
      problems.push(`promise ${promise} has ${tests.length} tests`);
    }
  }
  return problems;
}

function titleProblems(rows: readonly Row[]): string[] {
  return rows.flatMap(({ promise, tests }) =>
    tests.flatMap(({ file, title }) => {
      const code = codeOf(file);
      if (code === undefined) return [`promise ${promise}: there is no ${file}`];
      return code.includes(title) ? [] : [`promise ${promise}: ${file} has no "${title}"`];
    }),
  );
}

/** Both tables say the same, and the rules of a file are those that it names. */
function backProblems(rows: readonly Row[], fileRows: readonly FileRow[]): string[] {
  const pairs = rows.flatMap(({ promise, tests }) =>
    tests.map(({ file }) => `${file} shows promise ${promise}`),
  );
  const forth = new Set(pairs);
  const back = fileRows.flatMap(({ file, promises }) =>
    promises.map((promise) => `${file} shows promise ${promise}`),
  );
  const problems = [
    ...[...forth].filter((pair) => !back.includes(pair)).map((pair) => `not told back: ${pair}`),
    ...back.filter((pair) => !forth.has(pair)).map((pair) => `told only back: ${pair}`),
    ...back.filter((pair, i) => back.indexOf(pair) !== i).map((pair) => `told twice: ${pair}`),
  ];
  for (const { file, rules } of fileRows) {
    const named = new Set(sourceOf(file)?.match(/\bR[1-9]\d?\b/g));
    for (const rule of rules) if (!named.has(rule)) problems.push(`${file} does not name ${rule}`);
    for (const rule of named) if (!rules.includes(rule)) problems.push(`${file} names ${rule}`);
  }
  return problems;
}

describe("docs/protocol.md", () => {
  test("has one row for each promise, whose tests exist and name their promises back", () => {
    expect(problemsOf(page)).toEqual([]);
    expect(rowsOf(sectionOf(page)).length).toBe(promiseCount);
  });

  test("names rules for files that name rules", () => {
    expect(fileRowsOf(sectionOf(page)).flatMap(({ rules }) => rules).length).toBeGreaterThan(5);
  });
});

describe("a planted mistake is found:", () => {
  const flushOrder = "test/unit/flush/flush-order.test.ts";
  const title = "a table is retired only when its rows are durable in the log";
  const rowOf = (promise: number): RegExp => new RegExp(`^\\| ${promise} \\|.*\\n`, "m");
  const fileRow = /^\| `test\/unit\/flush\/flush-order.test.ts` \|.*\n/m;

  test.each<[string, (markdown: string) => string, string]>([
    [
      "a title that is in no test",
      (markdown) => markdown.replace(title, "a table is retired too early"),
      `promise 4: ${flushOrder} has no "a table is retired too early"`,
    ],
    [
      "a title that is only in a comment",
      (markdown) => markdown.replace(title, "Each write fills a MemTable of its own."),
      `promise 4: ${flushOrder} has no "Each write fills a MemTable of its own."`,
    ],
    [
      "a file that is not there",
      (markdown) => markdown.replace(flushOrder, "test/unit/flush/order.test.ts"),
      "promise 1: there is no test/unit/flush/order.test.ts",
    ],
    [
      "a row that is missing",
      (markdown) => markdown.replace(rowOf(17), ""),
      "promise 17 has 0 rows",
    ],
    [
      "a row that is there twice",
      (markdown) => markdown.replace(rowOf(17), (row) => row + row),
      "promise 17 has 2 rows",
    ],
    [
      "a number that is no promise",
      (markdown) => markdown.replace("| 58 |", "| 59 |"),
      "there is no promise 59",
    ],
    [
      "a row without a test",
      (markdown) => markdown.replace(/^(\| 32 \|.*\| )`.*$/m, "$1nothing |"),
      "promise 32 has 0 tests",
    ],
    [
      "a promise that is said not to hold",
      (markdown) => markdown.replace("| 32 | ", "| 32 | *Not yet:* "),
      "promise 32 says it does not hold",
    ],
    [
      "a promise that is not told back",
      (markdown) => markdown.replace(fileRow, ""),
      `not told back: ${flushOrder} shows promise 4`,
    ],
    [
      "a promise that is told back alone",
      (markdown) => markdown.replace(fileRow, (row) => row.replace("| 1,", "| 1, 33,")),
      `told only back: ${flushOrder} shows promise 33`,
    ],
    [
      "a rule that the file does not name",
      (markdown) => markdown.replace(fileRow, (row) => row.replace(/ \|\n$/, " R1 |\n")),
      `${flushOrder} does not name R1`,
    ],
  ])("%s", (_, plant, problem) => {
    const planted = plant(page);
    expect(planted).not.toBe(page);
    expect(problemsOf(planted)).toContainEqual(expect.stringContaining(problem));
  });
});
