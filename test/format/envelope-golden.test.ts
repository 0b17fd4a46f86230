/**
 * Manifests, runs, WAL objects, states of compactions and lists of retired objects of every format version, checked in with a description of what they say. They decode for
 * ever: when a format changes, add files of the new version and leave these alone. `MORAINE_WRITE_GOLDEN=1` writes files that
 * are missing, and never replaces one.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { samples } from "./envelope-samples.js";

const folder = new URL("./golden/", import.meta.url);
const youngerFields = new Set([
  ...["rangeDeletesOffset", "shadowedCount", "expiringCount", "indexOffset"],
  ...["compactedSeq", "rewrittenNumber", "firstNumber"],
  ...[
    "compactorWriterEpoch",
    "compactorLeft",
    "writerEpoch",
    "owner",
    "history",
    "exports",
    "sweptAt",
  ],
  ...["base", "retained", "isExpired", "wal", "loads", "purpose", "holder", "holderId"],
  "isLeaving",
]);
/** Fields that are younger than the files are left out where they say nothing. */
const asJson = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, function (this: object, name, field) {
      const isEmpty = Array.isArray(field) && field.length === 0;
      const saysNothing = field === 0 || field === false || field === "" || isEmpty;
      const hadNone = "metaOffset" in this || "refreshedNumber" in this;
      const isYounger = youngerFields.has(name) || (name === "seq" && hadNone);
      if (saysNothing && isYounger) {
        return undefined;
      }
      if (name === "rangeDeletes" && field?.length === 0) return undefined;
      return field instanceof Uint8Array ? Buffer.from(field).toString("hex") : field;
    }),
  );

if (process.env["MORAINE_WRITE_GOLDEN"] === "1") {
  for (const [kind, { encode, decode }] of Object.entries(samples)) {
    const name = new URL(`${kind}-v1.bin`, folder);
    if (existsSync(name)) continue;
    writeFileSync(name, encode());
    const text = JSON.stringify(asJson(decode(encode())), undefined, 1);
    writeFileSync(new URL(`${kind}-v1.json`, folder), `${text}\n`);
  }
}

const names = readdirSync(folder).filter((name) => name.endsWith(".bin"));

test("there is a golden file of version 1 for each kind of object", () => {
  expect(names).toEqual(
    expect.arrayContaining(Object.keys(samples).map((kind) => `${kind}-v1.bin`)),
  );
});

test.each(names)("%s decodes to what is written beside it", (name) => {
  const bytes = new Uint8Array(readFileSync(new URL(name, folder)));
  const expected = JSON.parse(readFileSync(new URL(name.replace(/bin$/, "json"), folder), "utf8"));
  const kind = name.replace(/-v\d+\.bin$/, "") as keyof typeof samples;
  expect(asJson(samples[kind].decode(bytes))).toEqual(expected);
});

test.each(Object.entries(samples))(
  "version 1 of a %s is still written as it was",
  (kind, sample) => {
    const stored = new Uint8Array(readFileSync(new URL(`${kind}-v1.bin`, folder)));
    expect(Buffer.from(sample.encode()).equals(stored)).toBe(true);
  },
);
