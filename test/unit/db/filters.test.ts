/** The filters of a database: which kind, in which SSTs, and what prefix filters save scans. */
import { expect, test } from "vitest";
import { FilterKind } from "../../../src/format/sst.js";
import { readFooter, readProperties, sectionOf } from "../../../src/format/sst-tail.js";
import { verifySst } from "../../../src/format/verify-sst.js";
import {
  type Db,
  DbReader,
  delimitedPrefix,
  fixedPrefix,
  type OpenOptions,
  type PrefixExtractor,
} from "../../../src/index.js";
import { newPlace, openAt, type Place, text, turns } from "./support.js";

const quiet = { flushIntervalMs: 3_600_000, background: false };
const value = "v".repeat(1000);

/** One SST of some 200 KiB for each tenant; all of them cross the keys of the others. */
async function tenants(place: Place, names: readonly string[], options: OpenOptions): Promise<Db> {
  const db = await openAt(place, { ...quiet, ...options });
  for (const name of names) {
    const batch = db.batch().put("a:first", name).put("z:last", name);
    for (let i = 0; i < 200; i++) batch.put(`${name}:${String(i).padStart(4, "0")}`, value);
    await db.write(batch);
    await db.flush({ to: "l0" });
  }
  return db;
}

const names = ["b", "d", "f", "h", "j", "l", "n", "p", "r", "t"];

async function getsOf(place: Place, read: () => Promise<unknown>): Promise<number> {
  place.counting.reset();
  await read();
  return place.counting.counts.get;
}

async function rowsOf(db: Db | DbReader, range: object): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of db.scan(range)) keys.push(text(key)!);
  return keys;
}

/** Kind of filter and name of the extractor of each SST. */
async function properties(place: Place): Promise<(readonly [number, string])[]> {
  const found: (readonly [number, string])[] = [];
  for await (const { key } of place.inner.list({ prefix: "db/sst/" })) {
    const { bytes, size } = (await place.inner.get(key))!;
    verifySst(bytes, { object: key });
    const section = sectionOf(readFooter(bytes, size, key), 4);
    const payload = bytes.subarray(section.offset, section.offset + section.length - 5);
    const { filterKind, prefixExtractor } = readProperties(payload, key, section.offset);
    found.push([filterKind, prefixExtractor]);
  }
  return found;
}

test.each([false, true])(
  "a prefix scan over ten SSTs of which one matches reads data of that one: reverse %s",
  async (reverse) => {
    const prefixExtractor = delimitedPrefix(":");
    const place = newPlace();
    // With 10 bits one prefix in a hundred would be looked for in vain.
    const db = await tenants(place, names, { prefixExtractor, filterBitsPerKey: 24 });
    // Opens all tables.
    await rowsOf(db, { gte: "a:", lt: "b:0000" });
    for (const range of [{ prefix: "j:" }, { prefix: "l:01" }, { gte: "n:0050", lt: "n:0070" }]) {
      const limited = { ...range, reverse, limit: 5 };
      expect(await getsOf(place, () => rowsOf(db, limited))).toBe(1);
    }
    expect(await getsOf(place, () => rowsOf(db, { prefix: "m:", reverse }))).toBe(0);
    expect((await rowsOf(db, { prefix: "j:", reverse })).length).toBe(200);
    expect((await rowsOf(db, { reverse })).length).toBe(2002);
    await db.close();
  },
);

test("without an extractor the same scan reads data of every SST", async () => {
  const place = newPlace();
  const db = await tenants(place, names, {});
  await rowsOf(db, { gte: "a:", lt: "b:0000" });
  expect(await getsOf(place, () => rowsOf(db, { prefix: "j:", limit: 5 }))).toBeGreaterThan(3);
  await db.close();
});

test("filters made by an extractor of another name are not used, and readers without one read all the same", async () => {
  const place = newPlace();
  const first = delimitedPrefix(":");
  await (await tenants(place, names, { prefixExtractor: first, filterBitsPerKey: 24 })).close();
  const open = (prefixExtractor: PrefixExtractor | undefined): Promise<DbReader> =>
    place.clock.advanceUntil(DbReader.open(place.at, { clock: place.clock, prefixExtractor }));
  // What the other says of the keys is wrong for these filters: they would deny every row.
  for (const extractor of [undefined, fixedPrefix(1), { ...first, name: "renamed" }]) {
    const reader = await open(extractor);
    await turns();
    expect((await rowsOf(reader, { prefix: "j:" })).length).toBe(200);
    expect((await rowsOf(reader, { prefix: "j:", reverse: true })).length).toBe(200);
    await reader.close();
  }
  const reader = await open(first);
  await turns();
  await rowsOf(reader, { gte: "a:", lt: "b:0000" });
  expect(await getsOf(place, () => rowsOf(reader, { prefix: "j:", limit: 5 }))).toBe(1);
  await reader.close();
  const db = await openAt(place, { ...quiet, prefixExtractor: fixedPrefix(1) });
  await db.put("j:new", value.repeat(10));
  await db.flush({ to: "l0" });
  expect((await rowsOf(db, { prefix: "j:" })).length).toBe(201);
  expect(new Set((await properties(place)).map(([, extractor]) => extractor))).toEqual(
    new Set([first.name, "moraine.fixed.1"]),
  );
  await db.close();
});

test("an extractor that is fixed under the same name loses no rows where it said nothing", async () => {
  const place = newPlace();
  const none: PrefixExtractor = { name: "mine", extract: () => -1 };
  const db = await tenants(place, ["b", "d"], { prefixExtractor: none });
  expect((await rowsOf(db, { prefix: "b:" })).length).toBe(200);
  await db.close();
});

test("the filter option decides what is written; absent keys cost no data block of either kind", async () => {
  for (const [filter, kind] of [
    [undefined, FilterKind.blockedBloom],
    ["bloom", FilterKind.blockedBloom],
    ["ribbon", FilterKind.ribbon],
  ] as const) {
    const place = newPlace();
    const db = await tenants(place, ["b", "d", "f"], { filter });
    await db.load(Array.from({ length: 100 }, (_, i) => [`load ${1000 + i}`, value] as const));
    await db.flush({ to: "l0" });
    expect(await properties(place)).toEqual(new Array(4).fill([kind, ""]));
    expect(text(await db.get("d:0123"))).toBe(value);
    const keys = Array.from({ length: 100 }, (_, i) => `d:${String(i).padStart(4, "0")}x`);
    expect(await getsOf(place, () => db.getMany(keys))).toBeLessThan(12);
    await db.close();
  }
});

test("an SST of a few rows has no filter, unless it is asked for; opening it reads it whole either way", async () => {
  for (const [options, kind] of [
    [{}, FilterKind.none],
    [{ unfilteredSstBytesMax: 0 }, FilterKind.blockedBloom],
    [{ unfilteredSstBytesMax: 0, filterBitsPerKey: 0 }, FilterKind.none],
  ] as const) {
    const place = newPlace();
    const db = await openAt(place, { ...quiet, ...options });
    await db.write(db.batch().put("a", "1").put("c", "3"));
    await db.flush({ to: "l0" });
    expect(await properties(place)).toEqual([[kind, ""]]);
    expect(await getsOf(place, () => db.get("b"))).toBe(1);
    expect(await getsOf(place, () => db.get("a"))).toBe(0);
    await db.close();
  }
});

test("bad options are refused", async () => {
  const place = newPlace();
  const open = (options: object): Promise<unknown> =>
    openAt(place, options as OpenOptions).then(
      () => "opened",
      (error: Error) => error.message,
    );
  expect(await open({ filter: "cuckoo" })).toContain('"filter" must be "bloom" or "ribbon"');
  expect(await open({ prefixExtractor: { extract: () => 1 } })).toContain('"prefixExtractor" must');
  expect(await open({ prefixExtracter: fixedPrefix(1) })).toContain('"prefixExtractor"');
});
