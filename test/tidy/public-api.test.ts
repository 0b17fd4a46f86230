/** What users can import. Adding a name is a decision; so is removing one. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import * as moraine from "../../src/index.js";
import * as s3 from "../../src/object-store/s3.js";
import * as testing from "../../src/testing/index.js";

test("moraine", () => {
  expect(Object.keys(moraine).sort()).toMatchInlineSnapshot(`
    [
      "BlockCache",
      "ClosedError",
      "CompactionFilterError",
      "CorruptionError",
      "Db",
      "DbReader",
      "ExistsError",
      "FencedError",
      "FileObjectStore",
      "InternalError",
      "InvalidArgumentError",
      "MemoryObjectStore",
      "MergeError",
      "MoraineError",
      "NotFoundError",
      "SnapshotGoneError",
      "StoreError",
      "TransactionConflictError",
      "TruncatedError",
      "UnknownOutcomeError",
      "UnsupportedError",
      "UnsupportedStoreError",
      "bytesAppend",
      "bytesMax",
      "bytesMin",
      "decodeSet",
      "decodeUint64",
      "delimitedPrefix",
      "encodeSet",
      "encodeUint64",
      "fixedPrefix",
      "isMoraineError",
      "jsonMergePatch",
      "setUnion",
      "settingsTable",
      "uint64Add",
      "uint64Max",
      "uint64Min",
    ]
  `);
});

test("moraine/s3", () => {
  expect(Object.keys(s3).sort()).toMatchInlineSnapshot(`
    [
      "S3ObjectStore",
      "s3StoreFromUrl",
    ]
  `);
});

test("moraine/testing", () => {
  expect(Object.keys(testing).sort()).toMatchInlineSnapshot(`
    [
      "CountingObjectStore",
      "FaultyObjectStore",
      "ManualClock",
      "MemoryObjectStore",
      "objectStoreSuite",
      "seededRandom",
    ]
  `);
});

/** Everything that a module loads when it is imported: imports and re-exports of values, but not `import()`. */
function loadedBy(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const text = readFileSync(file, "utf8");
  for (const [, kind, name] of text.matchAll(
    /^(import|export)\b(?! type\b)[^;]*?from "([^"]+)";/gms,
  )) {
    if (kind === undefined || name === undefined) continue;
    if (!name.startsWith(".")) seen.add(name);
    else loadedBy(resolve(dirname(file), name.replace(/\.js$/, ".ts")), seen);
  }
  return seen;
}

const source = (path: string): string =>
  fileURLToPath(new URL(`../../src/${path}`, import.meta.url));
const packages = (path: string): string[] =>
  [...loadedBy(source(path))].filter((name) => !name.startsWith("/")).sort();

test("the core loads no cloud SDK, and hardly a package, before the first open", () => {
  expect(packages("index.ts")).toMatchInlineSnapshot(`
    [
      "node:fs",
      "node:fs/promises",
      "node:path",
    ]
  `);
});

test("what an open loads beside it is what a writer, or a reader, needs", () => {
  const ofReaders = ["db/open-reader.ts", "db/start-reader.ts"];
  const ofWriters = ["db/open-writer.ts", "db/start-writer.ts"];
  const loaded = new Set([...ofReaders, ...ofWriters].flatMap(packages));
  expect([...loaded].sort()).toMatchInlineSnapshot(`
    [
      "@bufbuild/protobuf/wire",
      "node:fs",
      "node:fs/promises",
      "node:path",
      "node:zlib",
      "p-queue",
      "ulid",
    ]
  `);
  const writing = /[a-z]-builder|flush|write-ahead|claim/;
  const loadedToRead = ofReaders.flatMap((name) => [...loadedBy(source(name))]);
  expect(loadedToRead.filter((file) => writing.test(file))).toEqual([]);
  expect([...loadedBy(source("index.ts"))].filter((file) => writing.test(file))).toEqual([]);
});

test("the testing tools load no cloud SDK", () => {
  expect(packages("testing/index.ts").filter((name) => /aws|smithy/.test(name))).toEqual([]);
});

test("moraine/s3 loads nothing before its first request", () => {
  expect(packages("object-store/s3.ts")).toEqual([]);
});

test("the lean transport loads no SDK", () => {
  expect(packages("object-store/s3-lean.ts")).toMatchInlineSnapshot(`
    [
      "@aws-sdk/xml-builder",
      "aws4",
      "node:crypto",
      "node:http",
      "node:https",
      "node:net",
    ]
  `);
});

test("this way of looking would see the SDK", () => {
  expect(packages("object-store/s3-sdk.ts")).toContain("@aws-sdk/client-s3");
});

test("every entry point of the package has its source", () => {
  const manifest = JSON.parse(readFileSync(source("../package.json"), "utf8"));
  for (const [name, target] of Object.entries<{ default?: string }>(manifest.exports)) {
    if (target.default === undefined) continue;
    const path = target.default.replace(/^\.\/dist\//, "").replace(/\.js$/, ".ts");
    expect(() => readFileSync(source(path)), name).not.toThrow();
  }
});
