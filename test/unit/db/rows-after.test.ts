/** A reader whose table in memory reaches over what the manifest has in SSTs. */
import { beforeAll, expect, test } from "vitest";
import { decodeUtf8, encodeUtf8 } from "../../../src/common/bytes.js";
import { Db } from "../../../src/db/db.js";
import { DbReader } from "../../../src/db/db-reader.js";
import { bytesAppend } from "../../../src/merge/byte-strings.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { loadEngine } from "../../support/load-engine.js";

beforeAll(loadEngine);

test("a row that follows a range delete in its batch is found by a get and by a scan", async () => {
  const at = { store: new MemoryObjectStore(), path: "db" };
  const mergeOperators = { append: bytesAppend };
  const db = await Db.open(at, { mergeOperators, background: false });
  const reader = await DbReader.open(at, { mergeOperators, pollIntervalMs: 3_600_000 });
  await db.write([
    { type: "put", key: "a", value: "hidden" },
    { type: "deleteRange", range: { prefix: "a" } },
    { type: "put", key: "a", value: "seen" },
    { type: "put", key: "ab", value: "seen too" },
  ]);
  await db.flush({ to: "l0" });
  await db.put("b", "later");
  await reader.refresh();

  const { l0Count, memTableCount } = reader.stats();
  expect({ l0Count, memTableCount }).toEqual({ l0Count: 1, memTableCount: 1 });
  const keys = ["a", "ab", "b"];
  const found = await Promise.all(keys.map((key) => reader.get(key)));
  expect(found.map((value) => value && decodeUtf8(value))).toEqual(["seen", "seen too", "later"]);
  expect(await reader.getMany(keys)).toEqual(found);
  expect(await reader.getEntry(encodeUtf8("a"))).toMatchObject({ seq: 1 });
  expect((await reader.scan().nextMany(9)).map(({ value }) => decodeUtf8(value))).toEqual([
    ...["seen", "seen too", "later"],
  ]);
  await reader.close();
  await db.close();
});
