/** Writers wait while L0 is full, and go on when a compaction in another process has made room. */
import { beforeAll, expect, test } from "vitest";
import { compareBytes } from "../../../src/common/bytes.js";
import { Db as Database, type Db } from "../../../src/db/db.js";
import type { Manifest, SortedRun } from "../../../src/format/manifest.js";
import { encodeManifest } from "../../../src/format/manifest-codec.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { loadEngine } from "../../support/load-engine.js";
import { newPlace, openAt, type Place, requestsOf, text, turns } from "./support.js";

beforeAll(loadEngine);

/** A run of the SSTs of L0, which do not overlap. */
function toRun({ l0 }: Manifest): SortedRun {
  const ssts = l0
    .flatMap((entry) => entry.ssts)
    .sort((a, b) => compareBytes(a.firstKey, b.firstKey));
  const sum = (of: (sst: (typeof ssts)[number]) => number): number =>
    ssts.reduce((total, sst) => total + of(sst), 0);
  return {
    ...{ id: `1${ssts[0]!.id.slice(1)}`, ssts, listBytes: 0, level: 0, sstCount: ssts.length },
    ...{ indexOffset: 0, owner: "", rangeDeletes: [] },
    ...{ firstKey: ssts[0]!.firstKey, lastKey: ssts.at(-1)!.lastKey },
    ...{ rowCount: sum((sst) => sst.rowCount), size: sum((sst) => sst.size) },
  };
}

/** What a compactor of another process does: all of L0 becomes a run. */
async function compactElsewhere(place: Place, number: number): Promise<void> {
  const manifests = new ManifestStore(prefixed(place.inner, "db"));
  const { manifest } = (await manifests.get(number))!;
  const token = new Uint8Array(16).fill(number);
  const next = { ...manifest, number: number + 1, token, l0: [], runs: [toRun(manifest)] };
  await manifests.create(number + 1, encodeManifest(next));
}

const KiB = 1024;
/** A MemTable of one row takes some 30 KiB: each write fills one, and two are more than all memory. */
const small = {
  memTableBytes: 4 * KiB,
  unflushedBytesMax: 40 * KiB,
  l0HardMax: 2,
  background: false,
};

/** L0 has two entries, of which the limit is two. */
async function full(place: Place): Promise<Db> {
  const db = await openAt(place, small);
  for (const key of ["a", "b"]) {
    await place.clock.advanceUntil(db.put(key, key));
    await place.clock.advanceUntil(db.flush({ to: "l0" }));
  }
  expect(db.stats().l0Count).toBe(2);
  place.counting.reset();
  return db;
}

const manifestGets = (place: Place): string[] =>
  requestsOf(place.counting).filter((request) => request.startsWith("get manifest"));

test("tables are held back while L0 is full, writers wait for memory, and a compaction wakes them", async () => {
  const place = newPlace();
  const db = await full(place);
  await place.clock.advanceUntil(db.put("c", "c"));
  await place.clock.advanceUntil(db.put("d", "d"));
  const waiting = db.put("e", "e");
  await turns();
  expect(db.stats()).toMatchObject({ waitingWrites: 1, l0Count: 2 });
  place.counting.reset();
  await place.clock.advance(2500);
  // It looks for news once a second, and only because something is held back.
  expect(requestsOf(place.counting)).toEqual([
    "get manifest/4.manifest",
    "get manifest/4.manifest",
  ]);
  expect(db.stats()).toMatchObject({ waitingWrites: 1, l0Count: 2 });
  await compactElsewhere(place, 3);
  await place.clock.advanceUntil(waiting);
  await turns();
  expect(db.stats()).toMatchObject({ runCount: 1, waitingWrites: 0 });
  const keys = ["a", "b", "c", "d", "e"];
  expect(await Promise.all(keys.map(async (key) => text(await db.get(key))))).toEqual(keys);
  await place.clock.advanceUntil(db.close());
});

test("what is held back goes on in order after the compaction, and nothing is asked for afterwards", async () => {
  const place = newPlace();
  const db = await full(place);
  await place.clock.advanceUntil(db.put("c", "c"));
  const flushed = db.flush({ to: "l0" });
  await place.clock.advance(10_000);
  expect(db.stats().l0Count).toBe(2);
  await compactElsewhere(place, 3);
  await place.clock.advanceUntil(flushed);
  expect(db.stats()).toMatchObject({ l0Count: 1, runCount: 1 });
  place.counting.reset();
  await place.clock.advance(60_000);
  expect(requestsOf(place.counting)).toEqual([]);
  await place.clock.advanceUntil(db.close());
});

test("while a table is held back the writer learns that it was fenced", async () => {
  const place = newPlace();
  const db = await full(place);
  await place.clock.advanceUntil(db.put("c", "c"));
  const fenced = expect(db.flush({ to: "l0" })).rejects.toMatchObject({ kind: "fenced" });
  const { clock, inner } = place;
  const successor = await clock.advanceUntil(
    Database.open({ store: inner, path: "db" }, { clock }),
  );
  await clock.advanceUntil(fenced);
  await clock.advanceUntil(successor.close());
});

test("an outage while it waits is no end, and neither an abort nor a close waits for a compaction", async () => {
  const place = newPlace();
  const db = await full(place);
  await place.clock.advanceUntil(db.put("c", "c"));
  const controller = new AbortController();
  const aborted = db.flush({ to: "l0", signal: controller.signal });
  place.faulty.intercept = () => ({ kind: "before" });
  await place.clock.advance(200_000);
  expect(manifestGets(place).length).toBeGreaterThan(10);
  place.faulty.intercept = undefined;
  controller.abort(new Error("enough"));
  await expect(aborted).rejects.toThrow("enough");
  await place.clock.advanceUntil(db.close());
  const again = await openAt(place, small);
  expect(again.stats().l0Count).toBe(3);
  expect(text(await again.get("c"))).toBe("c");
  await place.clock.advanceUntil(again.close());
});

test("a load is not held back by L0, and counts for what follows it", async () => {
  const place = newPlace();
  const db = await openAt(place, { l0HardMax: 2, background: false });
  for (const key of ["b", "c", "d"]) await place.clock.advanceUntil(db.load([[key, key]]));
  await turns();
  expect(db.stats().l0Count).toBe(3);
  await place.clock.advanceUntil(db.put("e", "e"));
  const flushed = db.flush({ to: "l0" });
  await place.clock.advance(5000);
  expect(db.stats().l0Count).toBe(3);
  await place.clock.advanceUntil(db.close());
  await flushed;
});

test("without a WAL, what an older log held is flushed at opening, however full L0 is", async () => {
  const place = newPlace();
  const db = await full(place);
  await place.clock.advanceUntil(db.put("c", "c"));
  await place.clock.advanceUntil(db.close({ flush: "wal" }));
  const again = await openAt(place, { ...small, wal: false });
  expect(again.stats().l0Count).toBe(3);
  await place.clock.advanceUntil(again.close());
});
