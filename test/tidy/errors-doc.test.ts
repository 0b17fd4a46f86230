/** Every error that a user can meet is explained: cause, and what to do. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as moraine from "../../src/index.js";

const page = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
const sections = page.split(/^(?=#{1,6} )/m);

const classes = Object.entries(moraine)
  .filter(
    ([, value]) => typeof value === "function" && value.prototype instanceof moraine.MoraineError,
  )
  .map(([name]) => name);

test("there are error classes to explain", () => {
  expect(classes.length).toBeGreaterThan(10);
});

describe("docs/errors.md", () => {
  test.each(classes)("has a heading for %s, with something below it", (name) => {
    const section = sections.find((text) => text.split("\n", 1)[0]!.includes(name));
    expect(section?.split("\n").slice(1).join(" ").trim().length ?? 0).toBeGreaterThan(40);
  });

  test("explains no error that there is not", () => {
    const named = sections.flatMap((text) => text.split("\n", 1)[0]!.match(/\w+Error\b/g) ?? []);
    expect(named.filter((name) => !(name in moraine))).toEqual([]);
  });
});
