/** Each source file says in its first sentence what it is for, and is about one thing. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const src = fileURLToPath(new URL("../../src/", import.meta.url));
const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .sort();
/** Longer than 400 lines for a reason that stands in the file's header. */
const longer: readonly string[] = [];

test("every source file begins with a comment, after the shebang of a command", () => {
  const bare = files.filter((name) => {
    const text = readFileSync(src + name, "utf8").replace(/^#!.*\n/, "");
    return !/^(\/\*\*\s|\/\/ )/.test(text);
  });
  expect(files.length).toBeGreaterThan(80);
  expect(bare).toEqual([]);
});

test("no source file has more than 400 lines", () => {
  const long = files.filter((name) => readFileSync(src + name, "utf8").split("\n").length > 401);
  expect(long.filter((name) => !longer.includes(name))).toEqual([]);
});
