/** A handle compacts and collects after its commits, by itself: and nothing happens while nothing is written, or where it may not. */
import { afterEach, beforeAll, expect, test } from "vitest";
import { Compactor } from "../../../src/db/compactor.js";
import { Db, type DbStats, MemoryObjectStore, type OpenOptions } from "../../../src/index.js";
import { CountingObjectStore, FaultyObjectStore } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { loadEngine } from "../../support/load-engine.js";
import { requestsOf, text } from "./support.js";

beforeAll(loadEngine);

const KiB = 1024;
const small: OpenOptions = {
  ...{ memTableBytes: 256 * KiB, walPutsPerSecond: Number.POSITIVE_INFINITY },
  ...{ gcGraceMs: 0, compactionThreads: 0 },
};

interface Place {
  readonly inner: MemoryObjectStore;
  readonly faulty: FaultyObjectStore;
  readonly counting: CountingObjectStore;
  readonly at: { store: CountingObjectStore; path: string };
}

let opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened) await one.close();
  opened = [];
});

function newPlace(inner = new MemoryObjectStore()): Place {
  const faulty = new FaultyObjectStore(inner);
  const counting = new CountingObjectStore(faulty);
  return { inner, faulty, counting, at: { store: counting, path: "db" } };
}

async function openDb(place: Place, options: OpenOptions = {}): Promise<Db> {
  const db = await Db.open(place.at, { ...small, ...options });
  opened.push(db);
  return db;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Resolves when the statistics are so. */
async function until(db: Db, isSo: (stats: DbStats) => boolean): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    if (isSo(db.stats())) return;
    await pause(5);
  }
  throw new Error(JSON.stringify(db.stats(), undefined, 1));
}

/** Each a flush of the same keys. */
async function flushes(db: Db, count: number, from = 0): Promise<void> {
  for (let i = from; i < from + count; i++) {
    const batch = db.batch();
    for (let key = 0; key < 20; key++) batch.put(`key ${key}`, `${i}`);
    await db.write(batch);
    await db.flush({ to: "l0" });
  }
}

test("each next handle compacts at the trigger, however the one before it ended, and takes its job", async () => {
  const { inner } = newPlace();
  for (const ending of ["close", "crash", "crash in a job", "close"] as const) {
    const process = new FaultyObjectStore(inner);
    const db = await Db.open({ store: process, path: "db" }, small);
    for (let i = 0; i < 6; i++) {
      await flushes(db, 1);
      expect(db.stats().l0Count).toBeLessThan(8);
    }
    await until(db, ({ compaction, l0Count }) => compaction.jobsDone > 0 && l0Count < 4);
    if (ending === "crash in a job") {
      let isUnderWay = false;
      const held = new HeldRequests(process, ({ operation, key }) => {
        isUnderWay ||= operation === "create" && key.includes("compactions/");
        return isUnderWay && operation === "put" && key.includes("sst/");
      });
      await flushes(db, 4 - db.stats().l0Count);
      while (held.count === 0) await pause(5);
    }
    if (ending === "close") await db.close();
    else {
      process.crash();
      await db.close({ flush: false });
    }
  }
});

test("L0 becomes a run after four flushes, and what was written over is deleted", async () => {
  const db = await openDb(newPlace());
  await flushes(db, 4);
  await until(db, (stats) => stats.compaction.jobsDone === 1 && stats.gc.ssts === 4);
  expect(db.stats()).toMatchObject({
    ...{ l0Count: 0, runCount: 1 },
    compaction: { mode: "slices", jobsFailed: 0, failures: [], lastError: undefined },
  });
  expect(text(await db.get("key 8"))).toBe("3");
  await flushes(db, 4, 4);
  await until(db, (stats) => stats.compaction.jobsDone === 2 && stats.gc.ssts === 9);
  expect(text(await db.get("key 8"))).toBe("7");
  expect(db.stats().space.l0Bytes).toBe(0);
});

test("a job has its budget of requests", async () => {
  const place = newPlace();
  const db = await openDb(place, { background: false });
  await flushes(db, 4);
  place.counting.reset();
  await db.compact();
  // The first job of a process finds the state of jobs, and takes the epoch.
  expect(requestsOf(place.counting).sort()).toEqual([
    "create compactions/1.compactions",
    "create compactions/2.compactions",
    "create manifest/6.manifest",
    "create manifest/7.manifest",
    "get manifest/6.manifest",
    ...Array<string>(4).fill("get sst/ULID.sst"),
    "head manifest/6.manifest",
    "list compactions/",
    "put sst/ULID.sst",
  ]);
  await flushes(db, 2, 4);
  place.counting.reset();
  await db.compact();
  expect(requestsOf(place.counting).sort()).toEqual([
    "create compactions/3.compactions",
    "create compactions/4.compactions",
    "create manifest/10.manifest",
    "get manifest/10.manifest",
    ...Array<string>(3).fill("get sst/ULID.sst"),
    "put sst/ULID.sst",
  ]);
});

test("while nothing is written nothing is asked for, whatever is due", async () => {
  const place = newPlace();
  const first = await openDb(place, { background: false });
  await flushes(first, 6);
  await first.close();
  const db = await openDb(place);
  await db.get("key 1");
  await pause(50);
  place.counting.reset();
  await pause(300);
  expect(requestsOf(place.counting)).toEqual([]);
});

test("with background: false nothing happens but what is asked for", async () => {
  const db = await openDb(newPlace(), { background: false });
  await flushes(db, 20);
  await pause(50);
  expect(db.stats()).toMatchObject({ l0Count: 20, runCount: 0, compaction: { mode: "idle" } });
  const report = await db.maintain();
  expect(report).toMatchObject({ isDone: true });
  expect(report.compactions).toBeGreaterThan(0);
  expect(report.bytesCompacted).toBeGreaterThan(1000);
  expect(report.objectsDeleted).toBeGreaterThan(20);
  expect(db.stats().l0Count).toBeLessThan(4);
  expect(await db.maintain()).toMatchObject({ compactions: 0, objectsDeleted: 0, isDone: true });
  expect(text(await db.get("key 3"))).toBe("19");
});

test("with compaction: false it only collects, and compact() says so", async () => {
  const db = await openDb(newPlace(), { compaction: false });
  await flushes(db, 20);
  await expect(db.compact()).rejects.toMatchObject({ kind: "unsupported" });
  expect(db.stats()).toMatchObject({ l0Count: 20, compaction: { mode: "off" } });
  expect(await db.maintain()).toMatchObject({ compactions: 0, bytesCompacted: 0, isDone: true });
});

test("compact() merges what is only in memory too, and a range alone", async () => {
  const db = await openDb(newPlace(), { background: false });
  await flushes(db, 3);
  await db.put("key 3", "in memory");
  await db.delete("key 4");
  await db.compact();
  expect(db.stats()).toMatchObject({ l0Count: 0, runCount: 1, memTableCount: 1 });
  expect(text(await db.get("key 3"))).toBe("in memory");
  expect(await db.has("key 4")).toBe(false);
  await db.compact({ prefix: "nothing has it" });
  await db.put("key 5", "later");
  await db.compact({ gte: "key 5", lte: "key 5" });
  expect(db.stats()).toMatchObject({ l0Count: 0, runCount: 1 });
});

test("a budget ends a round between two SSTs; the next rounds go on, and one is the last", async () => {
  const db = await openDb(newPlace(), { background: false, sstBytesMax: 16 * KiB });
  const value = "x".repeat(1000);
  for (let i = 0; i < 8; i++) {
    const batch = db.batch();
    for (let key = i % 2; key < 200; key += 2) batch.put(`key ${key}`, `${i} ${value}`);
    await db.write(batch);
    await db.flush({ to: "l0" });
  }
  const all = db.stats().space.l0Bytes;
  const budget = 100 * KiB;
  let rounds = 0;
  for (let isDone = false; !isDone; rounds++) {
    const report = await db.maintain({ bytes: budget });
    ({ isDone } = report);
    // It goes over by what is under way.
    expect(report.bytesCompacted).toBeLessThan(budget + 4 * 200 * KiB);
    expect(rounds).toBeLessThan(60);
  }
  expect(all).toBeGreaterThan(6 * budget);
  expect(rounds).toBeGreaterThan(2);
  expect(db.stats().l0Count).toBeLessThan(4);
  expect(text(await db.get("key 7"))).toBe(`7 ${value}`);
  for (let requests = 1; requests < 4; requests++) await db.maintain({ requests });
  await db.maintain({ timeMs: 1 });
});

test("close() during a job gives it back, leaves nothing behind, and the next handle goes on with it", async () => {
  const place = newPlace();
  const db = await openDb(place);
  const held = new HeldRequests(
    place.faulty,
    ({ operation, key }) => operation === "get" && key.includes("/sst/"),
  );
  await flushes(db, 4);
  await until(db, (stats) => stats.compaction.jobsRunning === 1);
  while (held.keys.length === 0) await pause(5);
  const closing = db.close();
  held.release();
  place.faulty.intercept = undefined;
  await closing;
  expect(db.stats().compaction.jobsRunning).toBe(0);
  place.counting.reset();
  await pause(50);
  expect(requestsOf(place.counting)).toEqual([]);
  const next = await openDb(newPlace(place.inner), { background: false });
  await next.maintain();
  expect(next.stats()).toMatchObject({ l0Count: 0, runCount: 1 });
  expect(text(await next.get("key 3"))).toBe("3");
});

test("a compactor beside it compacts in its place, and the writer writes on and sees it", async () => {
  const place = newPlace();
  const db = await openDb(place, { background: false });
  await flushes(db, 4);
  const beside = newPlace(place.inner);
  const compactor = await Compactor.open(beside.at, { compactionThreads: 0 });
  opened.push(compactor);
  expect(await compactor.runOnce()).toBe(1);
  beside.counting.reset();
  expect(await compactor.runOnce()).toBe(0);
  expect(requestsOf(beside.counting)).toEqual([
    "get manifest/8.manifest",
    "get compactions/3.compactions",
  ]);
  expect(compactor.stats()).toMatchObject({ l0Count: 0, runCount: 1, jobsDone: 1, failures: [] });
  await flushes(db, 1, 4);
  expect(db.stats()).toMatchObject({ l0Count: 1, runCount: 1 });
  expect(text(await db.get("key 3"))).toBe("4");
  // Each takes over from the other when it is asked to, and neither harms the writer.
  for (let i = 0; i < 3; i++) {
    await flushes(db, 2, 5 + 4 * i);
    await db.compact();
    await flushes(db, 2, 7 + 4 * i);
    await compactor.compact();
  }
  await db.put("last", "1");
  await db.flush({ to: "l0" });
  expect(db.stats()).toMatchObject({ runCount: 1, compaction: { failures: [] } });
  expect(text(await db.get("key 3"))).toBe("16");
});

test("workers of other processes carry out what a compactor plans", async () => {
  const place = newPlace();
  const db = await openDb(place, { compaction: false });
  const options = { compactionThreads: 0 };
  const lead = await Compactor.open(newPlace(place.inner).at, { ...options, workerJobsMax: 2 });
  const workers = await Promise.all(
    ["one", "two"].map((name) =>
      Compactor.open(newPlace(place.inner).at, { ...options, name, worker: true }),
    ),
  );
  opened.push(lead, ...workers);
  const runs = [lead, ...workers].map((one) => one.run());
  await flushes(db, 8);
  for (let i = 0; i < 1000 && lead.stats().l0Count >= 4; i++) await pause(10);
  expect(lead.stats().l0Count).toBeLessThan(4);
  await expect(workers[0]!.compact()).rejects.toMatchObject({ kind: "unsupported" });
  await Promise.all([lead, ...workers].map((one) => one.close()));
  await Promise.all(runs);
  await flushes(db, 1, 8);
  expect(text(await db.get("key 3"))).toBe("8");
}, 60_000);

test("damaged input fails the job with the name of the object; nobody is held back by it", async () => {
  const place = newPlace();
  const db = await openDb(place, { l0HardMax: 6, l0SoftMax: 6 });
  await flushes(db, 3);
  const names: string[] = [];
  for await (const { key } of place.inner.list({ prefix: "db/sst/" })) names.push(key);
  const damaged = names.sort()[1]!;
  const { bytes } = (await place.inner.get(damaged))!;
  bytes[40] = bytes[40]! ^ 1;
  await place.inner.put(damaged, bytes);
  await flushes(db, 8, 3);
  await until(db, (stats) => stats.compaction.failures.length > 0);
  const [failure] = db.stats().compaction.failures;
  expect(damaged).toBe(`db/${failure!.object}`);
  expect(db.stats()).toMatchObject({ runCount: 0, compaction: { jobsFailed: 1 } });
  expect(db.stats().l0Count).toBeGreaterThan(6);
  await db.put("a", "1");
});

test("a job of L0 that a worker elsewhere has failed at holds nobody back either, and is told", async () => {
  const place = newPlace();
  const db = await openDb(place, { background: false, l0HardMax: 6, l0SoftMax: 6 });
  await flushes(db, 4);
  const held = new HeldRequests(
    place.faulty,
    ({ operation, key }) => operation === "get" && key.includes("/sst/"),
  );
  const abort = new AbortController();
  const round = db.maintain({ signal: abort.signal });
  while (held.count === 0) await pause(5);
  abort.abort(new Error("enough"));
  held.release();
  await expect(round).rejects.toThrow("enough");
  let damaged = "";
  for await (const { key } of place.inner.list({ prefix: "db/sst/" })) damaged = key;
  const { bytes } = (await place.inner.get(damaged))!;
  bytes[40] = bytes[40]! ^ 1;
  await place.inner.put(damaged, bytes);
  const options = { compactionThreads: 0, worker: true };
  const worker = await Compactor.open(newPlace(place.inner).at, options);
  opened.push(worker);
  // As soon as the job is given back.
  while (worker.stats().failures.length === 0) await worker.runOnce();
  await db.maintain();
  const { compaction } = db.stats();
  expect(compaction).toMatchObject({ jobsFailed: 1, failures: [{}] });
  expect(`db/${compaction.failures[0]!.object}`).toBe(damaged);
  await flushes(db, 8, 4);
  expect(db.stats().l0Count).toBe(12);
});

test("a handle that finds L0 full compacts it before the first write is through", async () => {
  for (const wal of [true, false]) {
    const place = newPlace();
    const first = await openDb(place, { background: false, wal });
    await flushes(first, 20);
    await first.close();
    const db = await openDb(place, { l0HardMax: 16 });
    await db.put("a", "1");
    await db.flush({ to: "l0" });
    expect(db.stats().l0Count).toBeLessThan(16);
    expect(db.stats().runCount).toBeGreaterThan(0);
  }
});

test("a filter drops and changes what is merged, not while a snapshot is open", async () => {
  const asked = new Set<string>();
  const db = await openDb(newPlace(), {
    background: false,
    compactionFilter: ({ key, value }) => {
      asked.add(text(key)!);
      if (text(key) === "key 1") return "drop";
      return text(key) === "key 2" ? { value: `${text(value)} changed` } : "keep";
    },
  });
  await flushes(db, 2);
  const snapshot = db.snapshot();
  await db.put("z", "z");
  await db.compact();
  expect(asked.size).toBe(0);
  expect(text(await db.get("key 1"))).toBe("1");
  snapshot.close();
  await flushes(db, 1, 2);
  await db.compact();
  expect(asked.size).toBeGreaterThan(10);
  expect(await db.has("key 1")).toBe(false);
  expect(text(await db.get("key 2"))).toBe("2 changed");
});

test("a job for a filter that a close gave back holds up nobody who opens without the filter", async () => {
  const place = newPlace();
  const db = await openDb(place, { compactionFilter: () => "keep" });
  const held = new HeldRequests(
    place.faulty,
    ({ operation, key }) => operation === "get" && key.includes("/sst/"),
  );
  await flushes(db, 4);
  while (held.count === 0) await pause(5);
  const closing = db.close();
  held.release();
  await closing;
  const next = await openDb(newPlace(place.inner), { l0HardMax: 8, l0SoftMax: 8 });
  await flushes(next, 12, 4);
  await next.compact();
  expect(next.stats()).toMatchObject({ l0Count: 0, runCount: 1, compaction: { failures: [] } });
  expect(text(await next.get("key 3"))).toBe("15");
});
