import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { exitCodes } from "../../../src/cli/exit-code.js";
import { settingsTable } from "../../../src/db/settings.js";
import * as moraine from "../../../src/index.js";

const read = (path: string): string =>
  readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");

/** Rows of the table whose first heading is `heading`, as cells. */
function tableAfter(document: string, heading: string): string[][] {
  const lines = document.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${heading} |`));
  const end = lines.findIndex((line, i) => i > start && !line.startsWith("|"));
  const cells = (line: string): string[] =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
  return lines.slice(start + 2, end).map(cells);
}

const MiB = 1024 * 1024;
const units: [string, number][] = [
  ["days", 86_400_000],
  ["MiB", MiB],
  ["KiB", 1024],
];

/** A default as people read it: `64 MiB`, `30 days`, `60,000`. */
function shown(name: string, value: number): string {
  for (const [unit, size] of units) {
    if (unit !== "days" && !name.includes("Bytes")) continue;
    if (value >= size && value % size === 0) return `${value / size} ${unit}`;
  }
  return value.toLocaleString("en");
}

describe("documents say what the code says", () => {
  it("README.md has every setting with its default and the handles that heed it", () => {
    const expected = Object.entries(settingsTable).map(
      ([name, { handles, ...setting }]) =>
        `\`${name}\` ${shown(name, setting.default)} ${handles.replace(/\w+/g, "`$&`")}`,
    );
    const rows = tableAfter(read("README.md"), "Setting");
    expect(rows.map((row) => `${row[0]} ${row[1]} ${row[2]}`)).toEqual(expected);
  });

  it("README.md has the exit code of every kind", () => {
    const rows = tableAfter(read("README.md"), "Code");
    for (const [kind, code] of Object.entries(exitCodes)) {
      expect(rows.map((row) => `${row[0]} ${row[1]}`)).toContainEqual(
        expect.stringMatching(new RegExp(`^${code} \`${kind}\``)),
      );
    }
  });

  it("docs/errors.md has a heading for every error class, with its kind", () => {
    const sections = new Map(
      read("docs/errors.md")
        .split(/^## /m)
        .slice(1)
        .map((section) => [section.slice(0, section.indexOf("\n")), section]),
    );
    const classes = Object.keys(moraine).filter((name) => /^[A-Z].*Error$/.test(name));
    expect([...sections.keys()].sort()).toEqual(classes.sort());
    for (const [name, section] of sections) {
      if (name === "MoraineError" || name === "StoreError") continue;
      expect(section).toMatch(/^Kind `[a-z-]+`/m);
      expect(section).toContain("**What to do:**");
    }
  });
});
