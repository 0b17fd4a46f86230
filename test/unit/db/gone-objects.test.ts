/** Reads whose objects were compacted away and deleted: what goes on, from where, and what is told where nothing can. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { Snapshots } from "../../../src/db/snapshots.js";
import {
  bytesAppend,
  CorruptionError,
  Db,
  DbReader,
  type OpenOptions,
  SnapshotGoneError,
  TransactionConflictError,
} from "../../../src/index.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { CountingObjectStore, MemoryObjectStore } from "../../../src/testing/index.js";
import { makeRow } from "../../support/array-iterator.js";
import { commit, compactByHand, moveByHand, newest } from "./compact-by-hand.js";
import { requestsOf, rows, text } from "./support.js";

/** Each read asks the store, and nobody compacts but the test. */
const cold = { blockCacheBytes: 0, compaction: false, flushIntervalMs: 3_600_000 } as const;
const unread = { blockCacheBytes: 0, pollIntervalMs: 3_600_000 };

interface Place {
  readonly at: { store: CountingObjectStore; path: string };
  /** Its root is the database. */
  readonly store: MemoryObjectStore;
}

function newPlace(): Place & { root: ReturnType<typeof prefixed> } {
  const store = new MemoryObjectStore();
  const counting = new CountingObjectStore(store);
  return { at: { store: counting, path: "db" }, store, root: prefixed(store, "db") };
}

type Opened = ReturnType<typeof newPlace> & { db: Db };

/** Keys "k00" to "k11" in two L0 entries, with the values "1" and, of the even ones, "2". */
async function filled(options: OpenOptions = {}): Promise<Opened> {
  const place = newPlace();
  const db = await Db.open(place.at, { ...cold, ...options });
  await write(db, 12, 1, "1");
  await write(db, 12, 2, "2");
  return { ...place, db };
}

const keyOf = (i: number): string => `k${String(i).padStart(2, "0")}`;

/** Every so many of the first keys, in one batch, which is flushed. */
async function write(db: Db, count: number, every: number, value: string): Promise<void> {
  const batch = db.batch();
  for (let i = 0; i < count; i += every) batch.put(keyOf(i), value);
  await db.write(batch, { durable: false });
  await db.flush({ to: "l0" });
}

const before = Array.from({ length: 12 }, (_, i) => `${keyOf(i)}=${i % 2 === 0 ? 2 : 1}`).join(" ");

test("gets of a writer begin again at the newest manifest, and all that wait share the look for it", async () => {
  const { db, root, at } = await filled();
  await compactByHand({ store: root });
  at.store.reset();
  const keys = Array.from({ length: 12 }, (_, i) => keyOf(i));
  const [values, many, entry, has] = await Promise.all([
    Promise.all(keys.map(async (key) => text(await db.get(key)))),
    db.getMany(keys),
    db.getEntry("k02"),
    db.has("none"),
  ]);
  expect(keys.map((key, i) => `${key}=${values[i]}`).join(" ")).toBe(before);
  expect(many.map(text)).toEqual(values);
  expect(entry?.seq).toBe(2);
  expect(has).toBe(false);
  const manifests = requestsOf(at.store).filter((request) => request.includes("manifest"));
  // The one that is new, and that there is none after it.
  expect(manifests).toHaveLength(2);
  at.store.reset();
  await db.get("k01");
  expect(requestsOf(at.store)).toEqual(["get sst/ULID.sst"]);
  await db.close();
});

test("what the newest manifest still names is damage, for every read", async () => {
  const { db, root, at } = await filled();
  const snapshot = db.snapshot();
  const scan = db.scan();
  const { l0 } = await newest(root);
  await root.delete(l0.flatMap(({ ssts }) => ssts.map(({ id }) => `sst/${id}.sst`)));
  const reader = await DbReader.open(at, unread);
  const transaction = db.begin({ isolation: "serializable" });
  for (const read of [db, snapshot, reader, transaction]) {
    await expect(read.get("k01")).rejects.toThrow(CorruptionError);
    await expect(read.getMany(["k01"])).rejects.toThrow(/the object is missing/);
    await expect(read.scan().next()).rejects.toThrow(CorruptionError);
  }
  await expect(scan.next()).rejects.toThrow(CorruptionError);
  // A later commit that changes nothing about it is no news.
  await commit(root, await newest(root), {});
  await expect(reader.get("k01")).rejects.toMatchObject({ kind: "corruption" });
  await reader.close();
  await db.close({ flush: false });
});

test("a writer's snapshot, transaction and scans go on at their seq, and stay there", async () => {
  const { db, root, at } = await filled();
  const snapshot = db.snapshot();
  // Of several SSTs one after another, so that scans have not read them all at once.
  await compactByHand({ store: root, keysPerSst: 2 });
  await db.get("k00");
  const scans = [db.scan(), db.scan({ reverse: true }), snapshot.scan(), db.scan({ seq: 2 })];
  const [first, last] = await Promise.all(scans.slice(0, 2).map((scan) => scan.nextMany(3)));
  expect([first, last].map((found) => found!.map(({ key }) => text(key)))).toEqual([
    ["k00", "k01", "k02"],
    ["k11", "k10", "k09"],
  ]);
  const transaction = db.begin({ isolation: "serializable" });
  transaction.put("k05", "own");
  transaction.deleteRange({ gte: "k07", lt: "k10" });
  const own = transaction.scan();
  transaction.put("k06", "after the scan was asked for");
  for (let round = 0; round < 5; round++) {
    await write(db, 12, 1, `later ${round}`);
    await compactByHand({ store: root, keysPerSst: 1 + round });
    expect(await rows(snapshot)).toBe(before);
    expect(text(await db.get("k03", { snapshot }))).toBe("1");
    expect(text(await db.get("k03"))).toBe(`later ${round}`);
    expect((await transaction.getMany(["k04", "k05", "k08"])).map(text)).toEqual([
      "2",
      "own",
      undefined,
    ]);
  }
  expect((await scans[0]!.nextMany(99)).map(({ key }) => text(key))).toHaveLength(9);
  expect((await scans[1]!.nextMany(99)).map(({ key }) => text(key)).at(-1)).toBe("k00");
  for (const scan of scans.slice(2)) expect(await scan.nextMany(99)).toHaveLength(12);
  const seen = (await own.nextMany(99)).map(({ key, value }) => `${text(key)}=${text(value)}`);
  expect(seen.join(" ")).toBe("k00=2 k01=1 k02=2 k03=1 k04=2 k05=own k06=2 k10=2 k11=1");
  await expect(transaction.commit()).rejects.toThrow(TransactionConflictError);
  // Now that nobody needs it any more, it goes.
  snapshot.close();
  for (const scan of scans) await scan.close();
  await write(db, 1, 1, "last");
  await compactByHand({ store: root });
  at.store.reset();
  const { runs, compactedSeq } = await newest(root);
  expect(runs.map(({ rowCount }) => rowCount)).toEqual([12]);
  await expect(db.get("k00", { seq: compactedSeq - 1 })).rejects.toThrow(SnapshotGoneError);
  await db.close();
});

test("a transaction's commit looks for conflicts where compactions have put them", async () => {
  const { db, root } = await filled({ conflictWindowBytes: 0 });
  const transaction = db.begin();
  const other = db.begin();
  transaction.put("k01", "mine");
  other.put("new", "mine");
  await db.delete("k01", { durable: false });
  await db.flush({ to: "l0" });
  await compactByHand({ store: root });
  await expect(transaction.commit()).rejects.toThrow(TransactionConflictError);
  await other.commit();
  expect(text(await db.get("new"))).toBe("mine");
  expect(await db.get("k01")).toBeUndefined();
  await db.close();
});

test("what a reader sees goes on while compactions have dropped nothing of it, and is gone after that", async () => {
  const { db, root, at } = await filled();
  const held = db.snapshot();
  await compactByHand({ store: root, keysPerSst: 2 });
  const reader = await DbReader.open(at, unread);
  const snapshot = reader.snapshot();
  const [scan, gone] = [reader.scan(), reader.scan()];
  await scan.nextMany(2);
  await gone.nextMany(2);
  await write(db, 12, 1, "later");
  await compactByHand({ store: root });
  // The writer's own snapshot has kept it.
  expect(await rows(snapshot)).toBe(before);
  expect(await scan.nextMany(99)).toHaveLength(10);
  held.close();
  await write(db, 12, 3, "last");
  await compactByHand({ store: root });
  await expect(snapshot.get("k01")).rejects.toThrow(SnapshotGoneError);
  await expect(snapshot.getMany(["k01"])).rejects.toThrow(/Take a new snapshot/);
  // What had been fetched before is given.
  expect((await gone.nextMany(99)).map(({ value }) => text(value))).toEqual(["2", "1"]);
  await expect(gone.nextMany(99)).rejects.toMatchObject({ kind: "gone" });
  await expect(snapshot.scan().next()).rejects.toThrow(SnapshotGoneError);
  expect(text(await reader.get("k01"))).toBe("later");
  expect(reader.seq).toBe(4);
  expect((await rows(reader)).slice(0, 8)).toBe("k00=last");
  await reader.close();
  await db.close();
});

test("what a filter has changed is not gone on with", async () => {
  const { db, root } = await filled();
  const snapshot = db.snapshot();
  const scan = db.scan();
  const manifest = await compactByHand({ store: root });
  await commit(root, manifest, { rewrittenNumber: manifest.number + 1 });
  await expect(snapshot.get("k01")).rejects.toThrow(/a filter has changed/);
  await expect(scan.next()).rejects.toThrow(SnapshotGoneError);
  expect(text(await db.get("k01"))).toBe("1");
  expect(await rows(db.snapshot())).toBe(before);
  await db.close();
});

test("a reader at a checkpoint never goes on elsewhere", async () => {
  const { db, root, at } = await filled();
  const { id } = await db.checkpoint();
  const reader = await DbReader.open(at, { blockCacheBytes: 0, checkpoint: id });
  await write(db, 12, 1, "later");
  await compactByHand({ store: root });
  await expect(reader.get("k01")).rejects.toThrow(CorruptionError);
  await expect(rows(reader)).rejects.toThrow(CorruptionError);
  await reader.close();
  await db.close();
});

test("a load that was moved into a run has its seq there", async () => {
  const place = newPlace();
  const db = await Db.open(place.at, cold);
  await db.load([
    ["a", "loaded"],
    ["b", "loaded"],
  ]);
  await db.put("b", "later");
  const snapshot = db.snapshot();
  await db.flush({ to: "l0" });
  const manifest = await moveByHand(place.root);
  expect(manifest.runs[0]!.ssts[0]!.seq).toBe(1);
  const reader = await DbReader.open(place.at, unread);
  expect(await rows(reader)).toBe("a=loaded b=later");
  expect((await reader.getEntry("a"))?.seq).toBe(1);
  const warm = await DbReader.open(place.at, { pollIntervalMs: 3_600_000 });
  // Once from the store, and once from memory.
  for (let i = 0; i < 2; i++) expect((await warm.getEntry("a"))?.seq).toBe(1);
  await warm.close();
  expect(text(await reader.get("b", { seq: 1 }))).toBe("loaded");
  expect(await reader.get("a", { seq: 0 })).toBeUndefined();
  await compactByHand({ store: place.root });
  expect(await rows(snapshot)).toBe("a=loaded b=later");
  expect((await db.getEntry("a"))?.seq).toBe(1);
  await reader.close();
  await db.close();
});

test("the rows of a load are gone when it was compacted, and nothing else is given for them", async () => {
  const place = newPlace();
  const db = await Db.open(place.at, cold);
  const changes = db.changes()[Symbol.asyncIterator]();
  await db.load([["a", "loaded"]]);
  const { value: change } = await changes.next();
  const [load] = change!.operations;
  if (load?.type !== "load") throw new Error("a load was expected");
  await db.put("a", "later");
  await db.flush({ to: "l0" });
  expect(text((await load.rows().next()).value?.value)).toBe("loaded");
  await compactByHand({ store: place.root });
  await expect(load.rows().next()).rejects.toThrow(SnapshotGoneError);
  await expect(load.rows().next()).rejects.toThrow(/compacted/);
  await changes.return?.();
  await db.close();
});

test("a reader does not add what compactions have folded to the sum once more, nor lose what it was added to", async () => {
  const { at, root } = newPlace();
  const mergeOperators = { log: bytesAppend };
  const db = await Db.open(at, { ...cold, mergeOperators });
  await db.put("k", "x");
  await db.flush({ to: "l0" });
  const reader = await DbReader.open(at, { ...unread, mergeOperators });
  await db.merge("k", "a");
  await reader.refresh();
  await db.flush({ to: "l0" });
  await db.merge("k", "b");
  const folded = makeRow({ key: "k", seq: 2, value: "xa" });
  await compactByHand({ store: root, rows: [folded] });
  await reader.refresh();
  expect(reader.stats()).toMatchObject({ runCount: 1, l0Count: 0, memTableCount: 1 });
  expect(text(await reader.get("k"))).toBe("xab");
  expect(await rows(reader)).toBe("k=xab");
  expect(text(await reader.get("k", { seq: 2 }))).toBe("xa");
  expect(await rows(reader, { reverse: true })).toBe("k=xab");
  await reader.close();
  await db.close();
});

test("warming goes on with what there is now, but not where that is damaged", async () => {
  const { db, root, at } = await filled({ blockCacheBytes: 1 << 20 });
  const { runs } = await compactByHand({ store: root });
  expect(await db.warm()).toMatchObject({ tables: 4, complete: true });
  await root.delete(runs[0]!.ssts.map(({ id }) => `sst/${id}.sst`));
  const reader = await DbReader.open(at, { pollIntervalMs: 3_600_000 });
  await expect(reader.warm()).rejects.toThrow(CorruptionError);
  await reader.close();
  await db.close();
});

test("a scan keeps what it sees until it is closed, and until nobody has it any more", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const snapshots = new Snapshots();
  const release = snapshots.keep(5);
  const [newer] = [snapshots.keep(7)];
  expect(snapshots.neededSeq).toBe(5);
  // What an application shows of its snapshots has no scans in it.
  expect([snapshots.oldestSeq, snapshots.count]).toEqual([undefined, 0]);
  release();
  expect(snapshots.neededSeq).toBe(7);
  newer!();
  expect(snapshots.neededSeq).toBeUndefined();
  for (let i = 0; i < 200; i++) snapshots.keep(3);
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  expect(snapshots.neededSeq).toBeUndefined();
});
