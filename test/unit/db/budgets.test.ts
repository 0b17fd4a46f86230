/** The request budgets of docs/architecture.md, counted at the store (P8). */
import { expect, test } from "vitest";
import { Db, DbReader } from "../../../src/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { newPlace, openAt, type Place, requestsOf, turns } from "./support.js";

const KiB = 1024;
const day = 24 * 3_600_000;
/** Nothing is sent unless somebody asks for it. */
const quiet = { flushIntervalMs: 3_600_000, background: false };

async function openReader(place: Place): Promise<DbReader> {
  const { at, clock } = place;
  const reader = await clock.advanceUntil(DbReader.open(at, { clock }));
  await turns();
  return reader;
}

/** A database whose writer has died, with so many WAL objects in its log. */
async function abandoned(place: Place, walObjects: number): Promise<void> {
  const dying = newPlace(place.inner, place.clock);
  const db = await openAt(dying, quiet);
  for (let i = 0; i < walObjects; i++) await db.put(`key ${i}`, "value");
  dying.faulty.crash();
}

/** So many SSTs that all hold the same key range, with `valueBytes` per row. */
async function stored(place: Place, ssts: number, rows: number, valueBytes: number): Promise<void> {
  const db = await openAt(place, quiet);
  for (let i = 0; i < ssts; i++) {
    const batch = db.batch();
    for (let row = 0; row < rows; row++) {
      batch.put(`key ${String(row).padStart(5, "0")} ${i}`, new Uint8Array(valueBytes).fill(i));
    }
    batch.put("key", "first").put("kez", "last");
    await db.write(batch);
    await db.flush({ to: "l0" });
  }
  await db.close();
}

test("opening a new database: GET, LIST, the probe, manifest 1 with the epoch in it, and the hint", async () => {
  const place = newPlace();
  await place.clock.advanceUntil(Db.open(place.at, { clock: place.clock }));
  await turns();
  expect(requestsOf(place.counting)).toEqual([
    "get manifest/latest",
    "list ",
    "create probe/TOKEN.probe",
    "create probe/TOKEN.probe",
    "delete probe/TOKEN.probe",
    "create manifest/1.manifest",
    "put manifest/latest",
  ]);
});

test("opening a database that was closed cleanly: 2 GETs, 1 create, and the hint", async () => {
  const place = newPlace();
  const before = await openAt(place);
  await before.put("key", "value");
  await before.close();
  place.counting.reset();
  await Db.open(place.at, { clock: place.clock });
  await turns();
  expect(requestsOf(place.counting)).toEqual([
    "get manifest/latest",
    "get manifest/4.manifest",
    "create manifest/4.manifest",
    "put manifest/latest",
  ]);
});

test("opening with a log left open: 1 LIST, a wave of fences, the GETs of what is replayed, and 1 GET", async () => {
  const place = newPlace();
  await abandoned(place, 3);
  await Db.open(place.at, { clock: place.clock });
  await turns();
  expect(requestsOf(place.counting)).toEqual([
    "get manifest/latest",
    "get manifest/2.manifest",
    "create manifest/2.manifest",
    "list wal/1/",
    ...[4, 5, 6, 7, 8].map((id) => `create wal/1/${id}.wal`),
    ...[1, 2, 3].map((id) => `get wal/1/${id}.wal`),
    "get manifest/3.manifest",
    "put manifest/latest",
  ]);
});

test("what is replayed is read in parallel, and so are the fences placed", async () => {
  const place = newPlace();
  await abandoned(place, 3);
  const held = new HeldRequests(
    place.faulty,
    ({ operation, key }) => operation !== "list" && key.includes("wal/"),
  );
  const opening = Db.open(place.at, { clock: place.clock });
  await turns();
  expect(held.count).toBe(5);
  held.releaseOnly("wal");
  await turns();
  expect(held.count).toBe(3);
  held.release();
  await (await opening).close();
});

test("opening a reader: 2 GETs, 1 for each WAL object, and 1 that finds none", async () => {
  const place = newPlace();
  await abandoned(place, 2);
  await openReader(place);
  expect(requestsOf(place.counting)).toEqual([
    "get manifest/latest",
    "get wal/1/1.wal",
    "get wal/1/2.wal",
    "get wal/1/3.wal",
    "get manifest/2.manifest",
  ]);
});

test("a reader's poll without news: 2 GETs and no LIST", async () => {
  const place = newPlace();
  await abandoned(place, 1);
  await openReader(place);
  place.counting.reset();
  await place.clock.advance(1000);
  expect(requestsOf(place.counting).sort()).toEqual(["get manifest/2.manifest", "get wal/1/2.wal"]);
});

test("a reader of a database that was closed cleanly asks for no log, until a writer has come", async () => {
  const place = newPlace();
  const writer = newPlace(place.inner, place.clock);
  await (await openAt(writer)).close();
  const reader = await openReader(place);
  expect(requestsOf(place.counting)).toEqual(["get manifest/latest", "get manifest/3.manifest"]);
  place.counting.reset();
  await place.clock.advance(1000);
  expect(requestsOf(place.counting)).toEqual(["get manifest/3.manifest"]);
  const next = await openAt(writer, quiet);
  await next.put("key", "value");
  await place.clock.advance(30_000);
  expect(await reader.has("key")).toBe(true);
  expect(requestsOf(place.counting)).toContain("get wal/2/1.wal");
});

test("a reader without news polls more and more rarely, down to every ten seconds", async () => {
  const place = newPlace();
  await abandoned(place, 0);
  await openReader(place);
  place.counting.reset();
  await place.clock.advance(1000 + 2000 + 4000 + 8000);
  expect(place.counting.total).toBe(4 * 2);
  await place.clock.advance(100_000);
  expect(place.counting.total).toBe(4 * 2 + 10 * 2);
});

test("a hint older than half of the retention: 1 LIST, remembered", async () => {
  const place = newPlace();
  const writer = newPlace(place.inner, place.clock);
  await (await openAt(writer)).close();
  await place.clock.advance(15 * day + 1);
  await openReader(place);
  expect(requestsOf(place.counting)).toEqual([
    "get manifest/latest",
    "list manifest/",
    "get manifest/2.manifest",
    "get manifest/3.manifest",
  ]);
  place.counting.reset();
  await place.clock.advance(10_000);
  expect(place.counting.counts.list).toBe(0);
});

test("a put that is not durable: nothing, until its interval is over", async () => {
  const place = newPlace();
  const db = await openAt(place);
  for (let i = 0; i < 100; i++) await db.put(`key ${i}`, "value", { durable: false });
  expect(place.counting.total).toBe(0);
  await place.clock.advance(100);
  expect(requestsOf(place.counting)).toEqual(["create wal/1/1.wal"]);
});

test("a durable put on an idle database: one PUT", async () => {
  const place = newPlace();
  const db = await openAt(place);
  await db.put("key", "value");
  expect(requestsOf(place.counting)).toEqual(["create wal/1/1.wal"]);
});

test("durable puts of one turn share one PUT", async () => {
  const place = newPlace();
  const db = await openAt(place);
  await Promise.all(Array.from({ length: 64 }, (_, i) => db.put(`key ${i}`, "value")));
  expect(requestsOf(place.counting)).toEqual(["create wal/1/1.wal"]);
});

test("a firehose of durable puts costs no more PUTs than the burst and the rate allow", async () => {
  const place = newPlace();
  const db = await openAt(place, { walPutsPerSecond: 10, walPutsBurst: 5 });
  const before = place.clock.monotonic();
  for (let i = 0; i < 50; i++) await place.clock.advanceUntil(db.put("key", "value"));
  const seconds = (place.clock.monotonic() - before) / 1000;
  expect(place.counting.counts.create).toBe(50);
  expect(seconds).toBeGreaterThanOrEqual(4.4);
});

test("after more than 60 s of silence a durable put has 1 GET beside its PUT, in parallel", async () => {
  const place = newPlace();
  const db = await openAt(place);
  await place.clock.advance(60_000);
  await db.put("key", "value");
  expect(requestsOf(place.counting)).toEqual(["create wal/1/1.wal"]);
  await place.clock.advance(60_001);
  place.counting.reset();
  const held = new HeldRequests(place.faulty, () => true);
  const put = db.put("key", "value");
  await turns();
  expect(held.count).toBe(2);
  held.release();
  await put;
  expect(requestsOf(place.counting).sort()).toEqual([
    "create wal/1/2.wal",
    "get manifest/2.manifest",
  ]);
});

test("a flush: 1 PUT per SST, 1 create for the whole batch, and the hint", async () => {
  const place = newPlace();
  const db = await openAt(place, { memTableBytes: 4 * KiB, ...quiet });
  await place.clock.advance(1000);
  const held = new HeldRequests(place.faulty, ({ key }) => key.includes("sst/"));
  for (let i = 0; i < 4; i++) await db.put(`key ${i}`, "value");
  place.counting.reset();
  const flushed = db.flush({ to: "l0" });
  await turns();
  held.release();
  await flushed;
  await turns();
  expect(requestsOf(place.counting)).toEqual(["create manifest/2.manifest", "put manifest/latest"]);
  expect(held.keys.length).toBe(4);
});

test("the hint is put at most once a second, and by the close", async () => {
  const place = newPlace();
  const db = await openAt(place);
  await place.clock.advance(1000);
  for (let i = 0; i < 5; i++) {
    await db.put("key", `${i}`);
    await db.flush({ to: "l0" });
    await turns();
  }
  const hints = () => requestsOf(place.counting).filter((one) => one === "put manifest/latest");
  expect(hints().length).toBe(1);
  await db.close();
  expect(hints().length).toBe(2);
});

test.each([
  ["sorted", 1],
  ["unsorted", 347],
])(
  "a load of %s rows: 1 PUT per SST, 1 WAL object, and 1 create when it is retired",
  async (_, step) => {
    const place = newPlace();
    const sizes = { loadBufferBytes: 16 * KiB, sstBytesMax: 8 * KiB };
    const db = await openAt(place, { ...quiet, ...sizes, background: false });
    const rows = Array.from({ length: 1000 }, (__, i): [string, string] => [
      `key ${String((i * step) % 1000).padStart(5, "0")}`,
      "v".repeat(100),
    ]);
    const loading = db.load(rows);
    await turns();
    await loading;
    await turns();
    const requests = requestsOf(place.counting);
    const ssts: string[] = requests.filter((request) => request === "put sst/ULID.sst");
    // Some 110 KiB, in SSTs of 8 KiB, which end with each chunk of 16 KiB where rows are not sorted.
    expect(ssts.length).toBeGreaterThan(10);
    expect(ssts.length).toBeLessThan(25);
    expect(requests.filter((request) => !ssts.includes(request))).toEqual([
      ...["create wal/1/1.wal", "create manifest/2.manifest"],
    ]);
    // The record names the SSTs, not their rows.
    const [record] = place.counting.requests.filter(({ key }) => key.includes("/wal/"));
    expect(record!.bytes).toBeLessThan(ssts.length * 100 + 200);
    place.counting.reset();
    expect((await db.scan().nextMany(5000)).length).toBe(1000);
    expect(place.counting.total).toBeGreaterThan(0);
    await db.close();
  },
);

test("a load of no rows: nothing", async () => {
  const place = newPlace();
  const db = await openAt(place);
  await db.load([]);
  await place.clock.advance(1000);
  expect(place.counting.total).toBe(0);
  await db.close();
});

test("a flush of nothing: nothing", async () => {
  const place = newPlace();
  const db = await openAt(place);
  await db.flush();
  await db.flush({ to: "l0" });
  expect(place.counting.total).toBe(0);
});

test("a cold get with one candidate: 2 ranged GETs, and 1 for a small SST; a warm one: none", async () => {
  for (const [valueBytes, gets] of [
    [200, 2],
    [1, 1],
  ] as const) {
    const place = newPlace();
    await stored(place, 1, 500, valueBytes);
    const db = await openAt(place);
    expect((await db.get("key 00250 0"))!.length).toBe(valueBytes);
    expect(
      place.counting.requests.map(({ operation, range }) => [operation, range !== undefined]),
    ).toEqual(Array(gets).fill(["get", gets === 2]));
    place.counting.reset();
    expect(await db.has("key 00250 0")).toBe(true);
    expect(await db.has("key 00250 1")).toBe(false);
    expect(place.counting.total).toBe(0);
    if (gets === 2) {
      await db.get("key 00001 0");
      expect(place.counting.total).toBe(1);
    }
  }
});

test("a cold get with n candidates: the first round of GETs in parallel", async () => {
  const place = newPlace();
  await stored(place, 4, 500, 200);
  const db = await openAt(place);
  const held = new HeldRequests(place.faulty, () => true);
  const reading = db.get("key 00250 1");
  await turns();
  expect(held.count).toBe(4);
  held.releaseOnly("");
  await turns();
  expect(held.count).toBe(1);
  held.release();
  expect((await reading)!.length).toBe(200);
  expect(place.counting.counts).toMatchObject({ get: 5, list: 0, head: 0 });
});

test("a get of a key that no SST's range holds: nothing", async () => {
  const place = newPlace();
  await stored(place, 3, 10, 10);
  const db = await openAt(place);
  expect(await db.get("a")).toBeUndefined();
  expect(place.counting.total).toBe(0);
});

test("a scan: one ranged GET per source and window, the sources in parallel", async () => {
  const place = newPlace();
  await stored(place, 3, 1000, 200);
  const db = await openAt(place);
  const held = new HeldRequests(place.faulty, () => true);
  const scan = db.scan({ prefix: "key " });
  const first = scan.nextMany(1);
  await turns();
  expect(held.count).toBe(3);
  held.releaseOnly("");
  await turns();
  expect(held.count).toBe(3);
  held.release();
  expect((await first).length).toBe(1);
  expect((await scan.nextMany(5000)).length).toBe(2999);
  // Some 210 KiB each: windows of 64 KiB and 128 KiB, and what is left.
  const perSource = (place.counting.total - 3) / 3;
  expect(perSource).toBeGreaterThanOrEqual(2);
  expect(perSource).toBeLessThanOrEqual(3);
  const windows = place.counting.requests.slice(3).map(({ bytes }) => bytes);
  expect(Math.min(...windows.slice(0, 3))).toBeGreaterThan(56 * KiB);
});

test("a close with nothing to flush: 1 create and 1 PUT", async () => {
  const place = newPlace();
  const db = await openAt(place);
  await db.close();
  expect(requestsOf(place.counting)).toEqual(["create manifest/2.manifest", "put manifest/latest"]);
});

test("an idle writer makes no request for an hour, and no timer waits", async () => {
  const place = newPlace();
  const db = await openAt(place);
  await db.put("key", "value");
  place.counting.reset();
  await place.clock.advance(3_600_000);
  expect(place.counting.total).toBe(0);
  expect(place.clock.pendingTimers).toBe(0);
  await db.close();
});

test("stats count what the store counts", async () => {
  const place = newPlace();
  const db = await Db.open(place.at, { clock: place.clock });
  await db.put("key", "value");
  await turns();
  const { requests } = db.stats();
  expect(requests.total.requests).toBe(place.counting.total);
  expect(requests.create.requests).toBe(place.counting.counts.create);
  await db.close();
});
