// docs/protocol.md and the model in test/protocol/ name each other: a rule shows its scenarios, a scenario has its rule.
// So do its promises and the tests that show them.

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";

const model = fileURLToPath(new URL("../protocol/run.mjs", import.meta.url));
const page = new URL("../../docs/protocol.md", import.meta.url);

const runModel = async (...options: string[]): Promise<string> =>
  (await promisify(execFile)(process.execPath, [model, ...options])).stdout;

interface Rule {
  readonly name: string;
  readonly text: string;
  /** Scenario ids and kinds, as in "`wal-crash` (clean)". */
  readonly shownBy: ReadonlyMap<string, string>;
}

/** A rule begins with "**R1 " at the start of a paragraph and ends with it. */
function rulesOf(markdown: string): Rule[] {
  return markdown.split(/\n{2,}/).flatMap((text) => {
    const name = /^\*\*(R\d+) /.exec(text)?.[1];
    const named = text.matchAll(/`([a-z0-9-]+)`\s\((clean|planted)/g);
    return name
      ? [{ name, text, shownBy: new Map([...named].map(([, id, kind]) => [id!, kind!])) }]
      : [];
  });
}

/** Promises such as P1 of a page, each with the test files it names. */
function promisesOf(markdown: string): [promise: string, files: string[]][] {
  return markdown.split(/^- (?=\*\*P\d)/m).flatMap((text) => {
    const name = /^\*\*(P\d)\*\*/.exec(text)?.[1];
    const files = text.split("\n\n")[0]!.matchAll(/`(test\/[^`]+)`/g);
    return name ? [[name, [...files].map(([, file]) => file!)]] : [];
  });
}

describe("docs/protocol.md", () => {
  const kindOf = new Map<string, string>();
  let markdown = "";
  let rules: Rule[] = [];

  beforeAll(async () => {
    for (const line of (await runModel("--list")).trim().split("\n")) {
      const [kind, id] = line.split("\t");
      kindOf.set(id!, kind!);
    }
    markdown = await readFile(page, "utf8");
    rules = rulesOf(markdown);
  });

  test("numbers its rules from 1 without a gap", () => {
    expect(rules.map(({ name }) => name)).toEqual(rules.map((_, index) => `R${index + 1}`));
    expect(rules.length).toBeGreaterThan(40);
  });

  test("every rule names a scenario or says that it is not modelled", () => {
    const silent = rules.filter(
      ({ text, shownBy }) => shownBy.size === 0 && !/not\s+modelled/i.test(text),
    );
    expect(silent.map(({ name }) => name)).toEqual([]);
  });

  test("every scenario that a rule names exists and is of that kind", () => {
    const named = rules.flatMap(({ shownBy }) => [...shownBy]);
    expect(named.filter(([id, kind]) => kindOf.get(id) !== kind)).toEqual([]);
  });

  test("every scenario is named by a rule", () => {
    const named = new Set(rules.flatMap(({ shownBy }) => [...shownBy.keys()]));
    expect([...kindOf.keys()].filter((id) => !named.has(id))).toEqual([]);
  });

  test("every promise names tests, whose headers name the promise", async () => {
    const promises = promisesOf(markdown);
    expect(promises.filter(([, files]) => files.length === 0).map(([name]) => name)).toEqual([]);
    expect(promises.map(([name]) => name).join(" ")).toBe("P1 P2 P3 P4 P5 P6 P7 P8");
    for (const [name, files] of promises) {
      for (const file of files) {
        const text = await readFile(new URL(`../../${file}`, import.meta.url), "utf8");
        expect(text.slice(0, text.indexOf("*/")), file).toMatch(new RegExp(`\\b${name}\\b`));
      }
    }
  });

  test("the table from rule to code names scenarios and rules that exist", () => {
    const rows = markdown.split("\n").filter((line) => /^\| R\d+(–R\d+)? /.test(line));
    const covered = rows.flatMap((row) => {
      const [, first, last] = /^\| R(\d+)(?:–R(\d+))? /.exec(row)!;
      const count = Number(last ?? first) - Number(first) + 1;
      return Array.from({ length: count }, (_, index) => `R${Number(first) + index}`);
    });
    expect(covered).toEqual(rules.map(({ name }) => name));
    const ids = rows.flatMap((row) => [...row.split("|")[2]!.matchAll(/`([^`]+)`/g)]);
    expect(ids.map(([, id]) => id!).filter((id) => !kindOf.has(id))).toEqual([]);
  });
});

test("the model exhausts a small clean scenario and finds planted damage", async () => {
  const ids = ["sweep-by-floors", "load-seq-first", "acknowledged-out-of-order"];
  const output = await runModel(...ids.flatMap((id) => ["--only", id]));
  expect(output).toMatch(/clean +sweep-by-floors +exhausted/);
  expect(output).toMatch(/planted load-seq-first +violated/);
  expect(output).toContain("3 passed, 0 failed");
});
