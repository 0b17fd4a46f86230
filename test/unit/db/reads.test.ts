/** The reading methods of `Db` and `DbReader`, and what each asks of the store. */
import { expect, test } from "vitest";
import { decodeUtf8 } from "../../../src/common/bytes.js";
import { type Db, DbReader } from "../../../src/index.js";
import { newPlace, openAt, type Place, text, turns } from "./support.js";

const quiet = { flushIntervalMs: 3_600_000 };
const name = (i: number): string => `key ${String(i).padStart(6, "0")}`;

/** 2,000 rows of 200 B in each of so many SSTs; those of SST s have the keys i with i % ssts === s. All hold the ends. */
async function stored(place: Place, ssts: number): Promise<void> {
  const db = await openAt(place, quiet);
  for (let s = 0; s < ssts; s++) {
    const batch = db.batch().put("key", "first").put("kez", `last ${s}`);
    for (let i = s; i < 2000 * ssts; i += ssts) batch.put(name(i), new Uint8Array(200).fill(i));
    await db.write(batch);
    await db.flush({ to: "l0" });
  }
  await db.close();
}

async function openReader({ at, clock }: Place): Promise<DbReader> {
  const reader = await clock.advanceUntil(DbReader.open(at, { clock }));
  await turns();
  return reader;
}

const handles = [
  ["a writer", openAt],
  ["a reader", openReader],
] as const;

test.each(handles)(
  "getCached answers what memory decides, and makes no request: %s",
  async (_, open) => {
    const place = newPlace();
    await stored(place, 2);
    const handle: Db | DbReader = await open(place);
    place.counting.reset();
    expect(handle.getCached("before")).toEqual({ value: undefined });
    expect(handle.getCached(name(5))).toBeUndefined();
    expect(place.counting.total).toBe(0);
    const value = await handle.get(name(5));
    place.counting.reset();
    const cached = handle.getCached(name(5));
    expect(cached).toEqual({ value });
    expect(handle.getCached(`${name(5)} absent`)).toEqual({ value: undefined });
    cached!.value!.fill(0);
    expect(handle.getCached(name(5))).toEqual({ value });
    expect(handle.getCached(name(1500))).toBeUndefined();
    expect(place.counting.total).toBe(0);
    expect(() => handle.getCached(7 as never)).toThrow("must be a string");
    expect(() => handle.getCached("a", { limit: 1 } as never)).toThrow("limit");
    await handle.close();
    expect(() => handle.getCached(name(5))).toThrow(/closed/);
  },
);

test("getCached sees writes at once, and durable ones alone when it is asked for them", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  await db.put("a", "1");
  await db.put("a", "2", { durable: false });
  await db.delete("b", { durable: false });
  const read = (key: string, durability?: "durable"): string | undefined =>
    text(db.getCached(key, { durability })!.value);
  expect([read("a"), read("a", "durable"), read("b")]).toEqual(["2", "1", undefined]);
});

test("the key of a get that waits is the caller's to change", async () => {
  const place = newPlace();
  await stored(place, 1);
  const db = await openAt(place);
  const key = new TextEncoder().encode(name(3));
  const reading = db.getEntry(key);
  key.fill(0);
  expect(decodeUtf8((await reading)!.key)).toBe(name(3));
});

test("get, getEntry, has and getMany: durable reads see what is durable, whatever came after it", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  const { seq } = await db.put("a", "1");
  await db.put("a", "2", { durable: false });
  await db.put("b", "1", { durable: false });
  const durability = "durable" as const;
  expect(text(await db.get("a", { durability }))).toBe("1");
  expect(await db.getEntry("a", { durability })).toMatchObject({ seq });
  expect([await db.has("b"), await db.has("b", { durability })]).toEqual([true, false]);
  const many = await db.getMany(["b", "a", "b", "a"], { durability });
  expect(many.map(text)).toEqual([undefined, "1", undefined, "1"]);
  const keys = await db.keys({ durability }).nextMany(9);
  expect(keys.map(text)).toEqual(["a"]);
  expect((await db.values({ durability }).nextMany(9)).map(text)).toEqual(["1"]);
  expect((await db.values().nextMany(9)).map(text)).toEqual(["2", "1"]);
});

test("getMany: opens in parallel, one request for near blocks, and older SSTs only for what newer ones lack", async () => {
  const place = newPlace();
  await stored(place, 2);
  const db = await openAt(place);
  // Odd keys are in the newer SST, even ones in the older.
  const wanted = [2001, 1, 3999, 1, 2003, 7].map(name);
  const values = await db.getMany(wanted);
  expect(values.map((value) => value?.[0])).toEqual(
    [2001, 1, 3999, 1, 2003, 7].map((i) => i & 255),
  );
  // Two tails, then three places of the newer one.
  expect(place.counting.total).toBe(5);
  place.counting.reset();
  expect((await db.getMany([...wanted].reverse())).length).toBe(6);
  expect(place.counting.total).toBe(0);
  const both = await db.getMany(["key", name(0), name(3998), "absent"]);
  expect(both.map((value) => value?.length)).toEqual([5, 200, 200, undefined]);
  expect(place.counting.total).toBe(2);
});

test("getMany of every key is a few requests, and rejects with the reason of its signal", async () => {
  const place = newPlace();
  await stored(place, 2);
  const db = await openAt(place);
  const controller = new AbortController();
  const keys = Array.from({ length: 4000 }, (_, i) => name(i));
  const aborted = db.getMany(keys, { signal: controller.signal });
  controller.abort(new Error("enough"));
  await expect(aborted).rejects.toThrow("enough");
  await turns();
  place.counting.reset();
  const values = await db.getMany(keys);
  expect(values.every((value, i) => value?.[0] === (i & 255))).toBe(true);
  expect(place.counting.total).toBeLessThan(8);
});

test("a cold scan of 100 rows is one ranged GET per source on open handles, both ways", async () => {
  const place = newPlace();
  await stored(place, 3);
  const db = await openAt(place);
  await db.getMany([name(0), name(1), name(2)]);
  for (const range of [{ gte: name(2000) }, { lt: name(5000), reverse: true }]) {
    place.counting.reset();
    const scan = db.scan({ ...range, limit: 100 });
    expect((await scan.nextMany(1000)).length).toBe(100);
    await scan.close();
    await turns();
    expect(place.counting.total).toBe(3);
  }
});

test("a stream gives the rows of a scan, reads as it is pulled, and closes the scan when it is cancelled", async () => {
  const place = newPlace();
  await stored(place, 1);
  const db = await openAt(place);
  const whole = [];
  for await (const key of db.keys({ limit: 50 }).toReadableStream()) whole.push(text(key));
  expect(whole).toEqual(["key", ...Array.from({ length: 49 }, (_, i) => name(i))]);
  const scan = db.scan({ gt: name(1000) });
  const before = place.counting.total;
  const reader = scan.toReadableStream().getReader();
  await turns();
  expect(place.counting.total).toBe(before);
  expect(text((await reader.read()).value?.key)).toBe(name(1001));
  await reader.cancel();
  await expect(scan.next()).rejects.toMatchObject({ kind: "closed" });
  const abort = new AbortController();
  const failing = db.values({ signal: abort.signal }).toReadableStream();
  abort.abort(new Error("enough"));
  await expect(failing.getReader().read()).rejects.toThrow("enough");
});

test("a loop that is left early aborts what is fetched ahead, and nothing is left unhandled", async () => {
  const place = newPlace();
  await stored(place, 1);
  const db = await openAt(place);
  let rows = 0;
  for await (const _ of db.scan({ readAheadBytes: 16 * 1024 })) if (++rows === 60) break;
  const before = place.counting.total;
  await turns();
  expect(place.counting.total).toBe(before);
  expect(rows).toBe(60);
});
