/** Pinned readers: what they show is never collected, they write no more than that takes, and a pin that is lost is told of. */
import { beforeAll, expect, test } from "vitest";
import { openContext } from "../../../src/admin/open-context.js";
import { collect } from "../../../src/db/collect.js";
import { type Checkpoint, CheckpointPurpose } from "../../../src/format/manifest.js";
import type { OpenOptions, ReaderOptions } from "../../../src/index.js";
import {
  bytesAppend,
  type Db,
  DbReader,
  SnapshotGoneError,
  StoreError,
} from "../../../src/index.js";
import { endCheckpoints } from "../../../src/manifest/checkpoint-expiry.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { ManualClock } from "../../../src/testing/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { newest } from "./compact-by-hand.js";
import { newPlace, openAt, type Place, requestsOf, rows, text, turns } from "./support.js";

beforeAll(loadEngine);

const minute = 60_000;
/** Each read asks the store, what may go goes at once, and nothing happens by itself. */
const bare: OpenOptions = {
  ...{ background: false, blockCacheBytes: 0, gcGraceMs: 0, compactionThreads: 0 },
  flushIntervalMs: 3_600_000,
};
/** Polls are far apart, so that a test says when a reader looks. */
const standing: ReaderOptions = { pin: true, blockCacheBytes: 0 };
const pinned: ReaderOptions = { ...standing, pollIntervalMs: 3_600_000 };

async function openReader(place: Place, options: ReaderOptions = pinned): Promise<DbReader> {
  const { at, clock, counting } = place;
  const reader = await clock.advanceUntil(DbReader.open(at, { clock, ...options }));
  await turns();
  counting.reset();
  return reader;
}

/** Another process's way to the same database. */
const beside = ({ inner, clock }: Place): Place => newPlace(inner, clock);

async function pinsIn({ inner }: Place): Promise<readonly Checkpoint[]> {
  const { checkpoints } = await newest(prefixed(inner, "db"));
  return checkpoints.filter(({ purpose }) => purpose === CheckpointPurpose.reader);
}

const manifestNumber = async ({ inner }: Place): Promise<number> =>
  (await newest(prefixed(inner, "db"))).number;

/** Rewrites all keys, compacts all into one run, and deletes what was there. */
async function churn(db: Db, clock: ManualClock, value: string): Promise<void> {
  await write(db, clock, value);
  await clock.advanceUntil(db.compact());
  await clock.advanceUntil(db.maintain());
}

async function write(db: Db, clock: ManualClock, value: string): Promise<void> {
  for (const key of ["a", "b", "c"]) await db.put(key, value, { durable: false });
  await clock.advanceUntil(db.flush({ to: "l0" }));
}

const all = (value: string): string => `a=${value} b=${value} c=${value}`;

test("a pinned reader is opened with one commit, and its checkpoint goes when it closes", async () => {
  const place = newPlace();
  const { clock } = place;
  const db = await openAt(place, bare);
  await write(db, clock, "1");
  const own = beside(place);
  const reader = await clock.advanceUntil(DbReader.open(own.at, { clock, ...pinned }));
  expect(requestsOf(own.counting)).toEqual([
    "get manifest/latest",
    "get manifest/2.manifest",
    "get manifest/3.manifest",
    "create manifest/3.manifest",
    "get wal/1/2.wal",
    "get manifest/4.manifest",
  ]);
  const [pin, ...others] = await pinsIn(place);
  expect(others).toEqual([]);
  expect(pin).toMatchObject({
    manifestNumber: 3,
    refreshedNumber: 3,
    ttlMs: 10 * minute,
    name: "",
  });
  expect(await rows(reader)).toBe(all("1"));
  own.counting.reset();
  await clock.advanceUntil(reader.close());
  expect(requestsOf(own.counting)).toEqual(["create manifest/4.manifest"]);
  expect(await pinsIn(place)).toEqual([]);
  await clock.advanceUntil(db.close());
});

test("snapshots, scans and the checkpoint reads of a pinned reader stay as they are under compaction and collection", async () => {
  const place = newPlace();
  const { clock } = place;
  const db = await openAt(place, bare);
  await write(db, clock, "1");
  const reader = await openReader(beside(place));
  const snapshot = reader.snapshot();
  const scan = reader.scan();
  await churn(db, clock, "2");
  await clock.advanceUntil(reader.refresh());
  expect(await rows(reader)).toBe(all("2"));
  const second = reader.snapshot();
  await churn(db, clock, "3");
  await churn(db, clock, "4");
  await clock.advanceUntil(reader.refresh());
  await churn(db, clock, "5");
  expect(await rows(snapshot)).toBe(all("1"));
  expect(await rows(second)).toBe(all("2"));
  expect(await rows(reader)).toBe(all("4"));
  const scanned = await scan.nextMany(10);
  expect(scanned.map(({ key, value }) => `${text(key)}=${text(value)}`).join(" ")).toBe(all("1"));
  await clock.advanceUntil(reader.close());
  await clock.advanceUntil(db.close());
});

test("there is one pin for each state that is shown or held, and the others go with a later commit", async () => {
  const place = newPlace();
  const { clock } = place;
  const db = await openAt(place, bare);
  await write(db, clock, "1");
  const reader = await openReader(beside(place));
  const snapshot = reader.snapshot();
  const [first] = await pinsIn(place);
  for (const value of ["2", "3", "4"]) {
    await write(db, clock, value);
    await clock.advanceUntil(reader.refresh());
  }
  // The one that is held, the newest, and the one before, of which a snapshot could have been taken during the last commit.
  const then = await pinsIn(place);
  expect(then).toHaveLength(3);
  expect(then[0]!.id).toBe(first!.id);
  snapshot.close();
  await clock.advance(4 * minute);
  const after = await pinsIn(place);
  expect(after.map(({ id }) => id)).toEqual([then[2]!.id]);
  expect(after[0]!.refreshedNumber).toBeGreaterThan(then[2]!.refreshedNumber);
  await clock.advanceUntil(reader.close());
  await clock.advanceUntil(db.close());
});

test("a scan holds its state until it is closed or at its end", async () => {
  const place = newPlace();
  const { clock } = place;
  const db = await openAt(place, bare);
  await write(db, clock, "1");
  const reader = await openReader(beside(place));
  const [first] = await pinsIn(place);
  const scan = reader.scan();
  const isThere = async (): Promise<boolean> =>
    (await pinsIn(place)).some(({ id }) => id === first!.id);
  for (const value of ["2", "3"]) {
    await write(db, clock, value);
    await clock.advanceUntil(reader.refresh());
  }
  expect(await isThere()).toBe(true);
  await scan.close();
  await clock.advance(4 * minute);
  expect(await isThere()).toBe(false);
  await clock.advanceUntil(reader.close());
  await clock.advanceUntil(db.close());
});

test("two pinned readers never answer each other: an hour of them is a manifest for each refresh, and no more", async () => {
  const place = newPlace();
  const { clock } = place;
  const db = await openAt(place, bare);
  await write(db, clock, "1");
  const polling = { pin: true, pollIntervalMs: 1_000 };
  const [one, two] = [beside(place), beside(place)];
  const readers = [await openReader(one, polling), await openReader(two, polling)];
  const before = await manifestNumber(place);
  for (let i = 0; i < 60; i++) await clock.advance(minute);
  const commits = (await manifestNumber(place)) - before;
  // Each refreshes every 200 seconds.
  expect(commits).toBeGreaterThanOrEqual(34);
  expect(commits).toBeLessThanOrEqual(36);
  for (const { counting } of [one, two]) {
    // A refresh whose number the other one has taken is sent twice.
    expect(counting.counts.create).toBeLessThanOrEqual(36);
    // One for each poll: what others do to checkpoints is no news.
    const gets = requestsOf(counting).filter((request) => request.startsWith("get manifest"));
    expect(gets.length).toBeLessThan(360 + 100);
  }
  expect(await pinsIn(place)).toHaveLength(2);
  for (const reader of readers) await clock.advanceUntil(reader.close());
  await clock.advanceUntil(db.close());
});

test("a claim and a new merge operator take no new pin, for they change nothing that is pinned", async () => {
  const place = newPlace();
  const { clock } = place;
  const first = await openAt(place, bare);
  await write(first, clock, "1");
  await clock.advanceUntil(first.close());
  const own = beside(place);
  const reader = await openReader(own);
  const db = await openAt(place, { ...bare, mergeOperators: { log: bytesAppend } });
  await clock.advanceUntil(reader.refresh());
  expect(requestsOf(own.counting).filter((request) => request.startsWith("create"))).toEqual([]);
  await db.put("d", "1");
  await clock.advanceUntil(reader.refresh());
  expect(await rows(reader)).toBe(`${all("1")} d=1`);
  await clock.advanceUntil(reader.close());
  await clock.advanceUntil(db.close());
});

test("a load that only the log names is pinned before it is shown", async () => {
  const place = newPlace();
  const { clock } = place;
  const db = await openAt(place, bare);
  await write(db, clock, "1");
  const reader = await openReader(beside(place));
  // Its flush to L0 has to wait for another commit: the record is durable first.
  const { faulty } = place;
  faulty.intercept = ({ operation, key }) =>
    operation === "create" && key.includes("/manifest/") ? { kind: "before" } : undefined;
  const loading = db.load([
    { key: "b", value: "load" },
    { key: "x", value: "load" },
  ]);
  await turns(60);
  await clock.advanceUntil(reader.refresh());
  const [, pin] = await pinsIn(place);
  expect(pin?.loads).toHaveLength(1);
  const shown = "a=1 b=load c=1 x=load";
  expect(await rows(reader)).toBe(shown);
  const snapshot = reader.snapshot();
  faulty.intercept = undefined;
  await clock.advanceUntil(loading);
  await churn(db, clock, "2");
  await churn(db, clock, "3");
  expect(await rows(snapshot)).toBe(shown);
  expect(await rows(reader)).toBe(shown);
  await clock.advanceUntil(reader.refresh());
  expect(await rows(reader)).toBe("a=3 b=3 c=3 x=load");
  expect(await rows(snapshot)).toBe(shown);
  await clock.advanceUntil(reader.close());
  await clock.advanceUntil(db.close());
});

test("a pin that expired while the process slept: a snapshot says so, a get goes on, and there is a new pin", async () => {
  const place = newPlace();
  const { clock } = place;
  const db = await openAt(place, bare);
  await write(db, clock, "1");
  const own = beside(place);
  // Its timers stand still while those of the others go on.
  const asleep = new ManualClock({ now: clock.now() });
  const reader = await DbReader.open(own.at, { clock: asleep, ...pinned });
  const snapshot = reader.snapshot();
  const [lost] = await pinsIn(place);
  await clock.advance(11 * minute);
  await churn(db, clock, "2");
  await churn(db, clock, "3");
  expect(await pinsIn(place)).toEqual([]);
  await expect(rows(snapshot)).rejects.toThrow(SnapshotGoneError);
  expect(text(await reader.get("a"))).toBe("3");
  const pins = await pinsIn(place);
  expect(pins).toHaveLength(1);
  expect(pins[0]!.id).not.toBe(lost!.id);
  await expect(rows(snapshot)).rejects.toThrow(SnapshotGoneError);
  // A reader that reads nothing finds out when it would have refreshed its pin.
  await clock.advance(11 * minute);
  await churn(db, clock, "4");
  expect(await pinsIn(place)).toEqual([]);
  await asleep.advance(4 * minute);
  expect(await pinsIn(place)).toHaveLength(1);
  expect(await rows(reader)).toBe(all("4"));
  await reader.close();
  await clock.advanceUntil(db.close());
});

test("a pin at a checkpoint is a copy, which its expiry does not hurt", async () => {
  const place = newPlace();
  const { clock } = place;
  const db = await openAt(place, bare);
  await write(db, clock, "1");
  const made = db.checkpoint({ name: "one", ttlMs: minute });
  const { id, seq } = await clock.advanceUntil(made);
  const own = beside(place);
  const reader = await openReader(own, { ...standing, checkpoint: "one" });
  const unpinned = await openReader(beside(place), { checkpoint: id, blockCacheBytes: 0 });
  const [copy] = await pinsIn(place);
  expect(copy).toMatchObject({ manifestNumber: 3, seq, ttlMs: 10 * minute, name: "" });
  for (let i = 0; i < 30; i++) await clock.advance(minute);
  await churn(db, clock, "2");
  await churn(db, clock, "3");
  const left = (await newest(prefixed(place.inner, "db"))).checkpoints;
  expect(left.map((checkpoint) => checkpoint.id)).toEqual([copy!.id]);
  expect(await rows(reader)).toBe(all("1"));
  expect(reader.seq).toBe(seq);
  expect(await rows(unpinned)).toBe(all("1"));
  await expect(openReader(own, { ...standing, checkpoint: "one" })).rejects.toMatchObject({
    kind: "not-found",
  });
  await clock.advanceUntil(reader.close());
  expect(await pinsIn(place)).toEqual([]);
  await clock.advanceUntil(db.maintain());
  await expect(rows(unpinned)).rejects.toThrow(SnapshotGoneError);
  await expect(unpinned.get("a")).rejects.toThrow(SnapshotGoneError);
  await unpinned.close();
  await clock.advanceUntil(db.close());
});

test("a pin at a checkpoint that was lost is taken again, whatever became of the signal of the open", async () => {
  const place = newPlace();
  const { clock } = place;
  const db = await openAt(place, bare);
  await write(db, clock, "1");
  await clock.advanceUntil(db.checkpoint({ name: "one" }));
  const opening = new AbortController();
  const { signal } = opening;
  const reader = await openReader(beside(place), { ...standing, checkpoint: "one", signal });
  opening.abort();
  const [lost] = await pinsIn(place);
  const { stored } = await openContext({ store: place.inner, path: "db" }, { clock });
  await stored.commit(endCheckpoints([lost!.id]));
  expect(await pinsIn(place)).toEqual([]);
  // One renewal, and no second one.
  await clock.advance(4 * minute);
  expect(await pinsIn(place)).toHaveLength(1);
  await clock.advanceUntil(reader.close());
  await clock.advanceUntil(db.close());
});

test("who may not write is told so when it opens, and leaves nothing behind", async () => {
  const place = newPlace();
  const { clock } = place;
  const db = await openAt(place, bare);
  await write(db, clock, "1");
  const own = beside(place);
  own.faulty.intercept = ({ operation, key }) =>
    operation === "create"
      ? { kind: "before", error: new StoreError("denied", "No.", { object: key }) }
      : undefined;
  const opening = clock.advanceUntil(DbReader.open(own.at, { clock, ...pinned }));
  await expect(opening).rejects.toMatchObject({ kind: "denied", message: /"pin"/ });
  await expect(opening).rejects.toBeInstanceOf(StoreError);
  expect(await pinsIn(place)).toEqual([]);
  await clock.advanceUntil(db.close());
});

test("an open whose pin may have been stored takes it up, or leaves it to expire", async () => {
  const place = newPlace();
  const { clock } = place;
  const db = await openAt(place, bare);
  await write(db, clock, "1");
  const own = beside(place);
  let lost = 0;
  own.faulty.intercept = ({ operation }) =>
    operation === "create" && lost++ === 0 ? { kind: "after" } : undefined;
  const reader = await openReader(own);
  expect(await pinsIn(place)).toHaveLength(1);
  await clock.advanceUntil(reader.close());
  expect(await pinsIn(place)).toEqual([]);
  await clock.advanceUntil(db.close());
});

test("a reader that cannot drop its pin closes all the same, and the pin expires", async () => {
  const place = newPlace();
  const { clock } = place;
  const db = await openAt(place, bare);
  await write(db, clock, "1");
  const own = beside(place);
  const reader = await openReader(own);
  own.faulty.intercept = () => ({ kind: "before" });
  await clock.advanceUntil(reader.close(), 10_000);
  own.faulty.intercept = undefined;
  expect(await pinsIn(place)).toHaveLength(1);
  await clock.advance(11 * minute);
  await clock.advanceUntil(collect(place.at, { clock, graceMs: 0 }));
  expect(await pinsIn(place)).toEqual([]);
  await clock.advanceUntil(db.close());
});

test.each<[string, ReaderOptions, RegExp]>([
  ["a number", { manifestNumber: 1, pin: true }, /cannot be pinned/],
  ["a moment", { at: 1, pin: true }, /cannot be pinned/],
  ["two of them", { manifestNumber: 1, at: 1 }, /Give one of/],
  ["a checkpoint too", { checkpoint: "one", at: 1 }, /Give one of/],
  ["a ttl without a pin", { pinTtlMs: 20_000 }, /"pin: true"/],
  ["a ttl that is too short", { pin: true, pinTtlMs: 9_999 }, /10000/],
  ["no tail at a checkpoint", { checkpoint: "one", tail: false }, /stands still/],
  ["polls at a checkpoint", { checkpoint: "one", pollIntervalMs: 1000 }, /stands still/],
  ["polls at a number", { manifestNumber: 1, pollIntervalMs: 1000 }, /stands still/],
  ["a pin that is no boolean", { pin: 1 as never }, /true or false/],
  ["a number that is none", { manifestNumber: 0 }, /from 1/],
])("options that do not go together: %s", async (_, options, message) => {
  await expect(DbReader.open("memory:///nothing", options)).rejects.toThrow(message);
});
