/** Writers wait while L0 is full, and go on when a compaction in another process has made room. */
import { expect, test } from "vitest";
import { compareBytes } from "../../../src/common/bytes.js";
import { Db as Database, type Db } from "../../../src/db/db.js";
import type { Manifest, SortedRun } from "../../../src/format/manifest.js";
import { encodeManifest } from "../../../src/format/manifest-codec.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { newPlace, openAt, type Place, requestsOf, text, turns } from "./support.js";

/** A run of the SSTs of L0, which do not overlap. */
function toRun({ l0 }: Manifest): SortedRun {
  const ssts = l0
    .flatMap((entry) => entry.ssts)
    .sort((a, b) => compareBytes(a.firstKey, b.firstKey));
  const sum = (of: (sst: (typeof ssts)[number]) => number): number =>
    ssts.reduce((total, sst) => total + of(sst), 0);
  return {
    ...{ id: ssts[0]!.id, ssts, listBytes: 0, level: 0, sstCount: ssts.length },
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

/** L0 has two entries, of which the limit is two. */
async function full(place: Place): Promise<Db> {
  const db = await openAt(place, { l0HardMax: 2 });
  for (const key of ["a", "b"]) {
    await place.clock.advanceUntil(db.put(key, key));
    await place.clock.advanceUntil(db.flush({ to: "l0" }));
  }
  expect(db.stats().l0Count).toBe(2);
  place.counting.reset();
  return db;
}

test("a write waits while L0 is full, and goes on after a compaction", async () => {
  const place = newPlace();
  const db = await full(place);
  const waiting = db.put("c", "c");
  await turns();
  expect(db.stats().waitingWrites).toBe(1);
  expect(requestsOf(place.counting)).toEqual([]);
  await place.clock.advance(2500);
  // It looks for news once a second, and only because a write waits.
  expect(requestsOf(place.counting)).toEqual([
    "get manifest/4.manifest",
    "get manifest/4.manifest",
  ]);
  expect(db.stats().waitingWrites).toBe(1);
  await compactElsewhere(place, 3);
  await place.clock.advanceUntil(waiting);
  expect(db.stats()).toMatchObject({ l0Count: 0, runCount: 1, waitingWrites: 0 });
  expect(await Promise.all(["a", "b", "c"].map(async (key) => text(await db.get(key))))).toEqual([
    "a",
    "b",
    "c",
  ]);
  place.counting.reset();
  await place.clock.advance(60_000);
  expect(requestsOf(place.counting)).toEqual([]);
  await place.clock.advanceUntil(db.close());
});

test("while it waits for L0 it learns that it was fenced, and an abort or a close ends the waiting", async () => {
  const place = newPlace();
  const db = await full(place);
  const controller = new AbortController();
  const aborted = db.put("c", "c", { signal: controller.signal });
  controller.abort(new Error("enough"));
  await expect(aborted).rejects.toThrow("enough");
  const fenced = expect(db.put("d", "d")).rejects.toMatchObject({ kind: "fenced" });
  const successor = await place.clock.advanceUntil(
    Database.open({ store: place.inner, path: "db" }, { clock: place.clock, l0HardMax: 2 }),
  );
  await place.clock.advanceUntil(fenced);
  const closed = expect(successor.put("e", "e")).rejects.toMatchObject({ kind: "closed" });
  await place.clock.advanceUntil(successor.close());
  await closed;
});

test("a load is not held back by L0, and what is in memory is flushed all the same", async () => {
  const place = newPlace();
  const db = await openAt(place, { l0HardMax: 2 });
  await place.clock.advanceUntil(db.put("a", "a"));
  await place.clock.advanceUntil(db.load([["b", "b"]]));
  await place.clock.advanceUntil(db.flush({ to: "l0" }));
  await place.clock.advanceUntil(db.load([["c", "c"]]));
  await place.clock.advanceUntil(db.flush({ to: "l0" }));
  expect(db.stats().l0Count).toBe(3);
  await place.clock.advanceUntil(db.close());
});
