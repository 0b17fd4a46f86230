/** Promises about manifests that several roles commit to: what a conflict keeps, and nobody brings back or deletes (R2, R3, R7). */

import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../src/common/random.js";
import type { L0Entry, Manifest, SortedRun } from "../../../src/format/manifest.js";
import { Db, StoreError } from "../../../src/index.js";
import { addCheckpoint } from "../../../src/manifest/checkpoint-transitions.js";
import { findNewest } from "../../../src/manifest/find-newest.js";
import { checkStep } from "../../../src/manifest/invariants.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import { plainCheckpoint } from "../../../src/manifest/plain-checkpoint.js";
import { StoredManifest } from "../../../src/manifest/stored-manifest.js";
import { claimWriter, type Transition } from "../../../src/manifest/transitions.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import {
  CountingObjectStore,
  FaultyObjectStore,
  ManualClock,
  MemoryObjectStore,
} from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { newPlace, openAt, requestsOf, text, turns } from "../db/support.js";
import { manifest as isCommit, quiet, tiny } from "../failures/support.js";
import { claimed, day, putHint, putManifest, ulid } from "../manifest/manifests.js";
import { beside, commitBeside, logOf, newestOf } from "./support.js";

/** A run of one SST: what a compactor makes of an L0 entry that it moves without a rewrite. */
function runOf({ ssts }: L0Entry): SortedRun {
  const { firstKey, lastKey, rowCount, size } = ssts[0]!;
  const id = `1${ssts[0]!.id.slice(1)}`;
  const list = { listBytes: 0, indexOffset: 0, owner: "", rangeDeletes: [] };
  return { ...list, id, ssts, firstKey, lastKey, sstCount: 1, rowCount, size, level: 0 };
}

/** As a compactor does it: the oldest entries leave L0, and are the newest runs. */
const compactOldest =
  (count: number): Transition =>
  (manifest) => {
    const moved = manifest.l0.slice(0, count).map(runOf).reverse();
    return { ...manifest, l0: manifest.l0.slice(count), runs: [...moved, ...manifest.runs] };
  };

const checkpointOf =
  (number: number, name: string): Transition =>
  (manifest) =>
    addCheckpoint({
      ...{ ...plainCheckpoint, id: ulid(number), name, ttlMs: 0, createdAt: 0 },
      ...{ manifestNumber: manifest.number + 1, refreshedNumber: manifest.number + 1 },
    })(manifest);

const progressOf = ({ lastL0Seq, lastSeq, walStart, writerEpoch }: Manifest) => ({
  ...{ lastL0Seq, lastSeq, walStart, writerEpoch },
});

describe("a flush whose commit meets another role's", () => {
  test.each([0, 1, 2, 3])(
    "compaction of the %i oldest of 3: they leave, and the new tables stay",
    async (count) => {
      const place = newPlace();
      const db = await openAt(place, { ...tiny, background: false });
      for (const key of ["a", "b", "c"]) {
        await db.put(key, "old");
        await db.put("last", key);
        await db.flush({ to: "l0" });
      }
      const old = (await newestOf(place)).l0;
      const held = new HeldRequests(place.faulty, isCommit);
      for (const key of ["d", "a"]) await db.put(key, "new");
      await turns();
      expect(held.count).toBe(1);
      if (count > 0) await commitBeside(place, compactOldest(count));
      held.release();
      await place.clock.advanceUntil(db.flush({ to: "l0" }));
      const { l0, runs } = await newestOf(place);
      const idsOf = (entries: readonly { ssts: L0Entry["ssts"] }[]) =>
        entries.map(({ ssts }) => ssts[0]!.id);
      expect(idsOf(l0).slice(0, old.length - count)).toEqual(idsOf(old.slice(count)));
      expect(l0.length).toBe(old.length - count + 2);
      expect(idsOf(runs).reverse()).toEqual(idsOf(old.slice(0, count)));
      for (const reader of [db, await openAt(beside(place), quiet)]) {
        if (reader !== db)
          await expect(db.put("late", "")).rejects.toMatchObject({ kind: "fenced" });
        const values = await reader.getMany(["a", "b", "c", "d", "last"]);
        expect(values.map(text)).toEqual(["new", "old", "old", "new", "c"]);
        expect((await reader.keys().nextMany(9)).length).toBe(5);
      }
    },
  );

  test("checkpoints that were added stay, and one that was dropped does not come back", async () => {
    const place = newPlace();
    const db = await openAt(place, quiet);
    await db.checkpoint({ name: "dropped" });
    await db.put("a", "1");
    const held = new HeldRequests(place.faulty, isCommit);
    const own = db.checkpoint({ name: "own" });
    await turns();
    await commitBeside(place, checkpointOf(1, "another's"));
    await commitBeside(place, (manifest) => ({
      ...manifest,
      checkpoints: manifest.checkpoints.filter(({ name }) => name !== "dropped"),
    }));
    held.release();
    const { manifestNumber } = await place.clock.advanceUntil(own);
    const { number, checkpoints } = await newestOf(place);
    expect(manifestNumber).toBe(number);
    expect(checkpoints.map(({ name, manifestNumber }) => [name, manifestNumber])).toEqual([
      ["another's", number - 2],
      ["own", number],
    ]);
    await place.clock.advanceUntil(db.close());
    expect((await newestOf(place)).checkpoints).toEqual(checkpoints);
  });

  test("what the writer alone says is as if nobody had been there", async () => {
    const outcomes = [false, true].map(async (disturbed) => {
      const place = newPlace();
      const db = await openAt(place, { ...tiny, background: false });
      await db.put("a", "1");
      await db.flush({ to: "l0" });
      const held = new HeldRequests(place.faulty, isCommit);
      for (const key of ["b", "c"]) await db.put(key, "2");
      await turns();
      if (disturbed) {
        await commitBeside(place, checkpointOf(1, "theirs"));
        await commitBeside(place, compactOldest(1));
      }
      held.release();
      await place.clock.advanceUntil(db.flush({ to: "l0" }));
      const newest = await newestOf(place);
      expect(newest.writerFloor >= newest.l0.at(-1)!.ssts[0]!.id).toBe(true);
      expect((await logOf(place)).length).toBe(3);
      return progressOf(newest);
    });
    const [alone, beside] = await Promise.all(outcomes);
    expect(beside).toEqual(alone);
    expect(alone).toEqual({
      ...{ lastL0Seq: 3, lastSeq: 3, walStart: { epoch: 1, id: 4 }, writerEpoch: 1 },
    });
  });
});

test("of two claims of one number one goes up by two: the loser takes the next epoch of the newer manifest", async () => {
  const clock = new ManualClock();
  const inner = new MemoryObjectStore();
  const first = await putManifest(inner, 1, { createdAt: clock.now() });
  const claims = [1, 2].map((seed) => {
    const options = { clock, random: seededRandom(seed), retentionMs: 30 * day };
    const stored = new StoredManifest(new ManifestStore(inner), first, options);
    return stored.commit(claimWriter({ putsInFlight: 1 }));
  });
  const made = await clock.advanceUntil(Promise.all(claims));
  const numbers = made.map(({ number, writerEpoch }) => [number, writerEpoch]).sort();
  expect(numbers).toEqual([
    [2, 2],
    [3, 3],
  ]);
});

test("a commit without a reply is known as one's own when its bytes are found, and another's is not", async () => {
  const seqIsFive: Transition = (manifest) =>
    manifest.lastSeq === 5 ? manifest : { ...manifest, lastSeq: 5 };
  for (const own of [true, false]) {
    const clock = new ManualClock();
    const inner = new MemoryObjectStore();
    const first = await putManifest(inner, 1, { createdAt: clock.now() });
    const store = new FaultyObjectStore(inner);
    const options = { clock, random: seededRandom(1), retentionMs: 30 * day };
    const stored = new StoredManifest(new ManifestStore(store), first, options);
    store.intercept = () => ({ kind: own ? "after" : "before" });
    await expect(stored.commit(seqIsFive)).rejects.toBeInstanceOf(StoreError);
    if (!own) await putManifest(inner, 2, { createdAt: clock.now(), lastSeq: 5 });
    store.intercept = undefined;
    expect((await clock.advanceUntil(stored.commit(seqIsFive))).number).toBe(2);
    const { bytes } = (await inner.get(ObjectPaths.manifest(2)))!;
    expect(stored.ownBytes && Uint8Array.from(stored.ownBytes)).toEqual(own ? bytes : undefined);
  }
});

test("writer and compactor epochs are apart: a claim leaves the other, and neither ever falls", async () => {
  const base = { ...claimed, number: 5, compactorEpoch: 3 };
  const next = { ...claimWriter({ putsInFlight: 1 })(base), number: 6 };
  expect([next.writerEpoch, next.compactorEpoch]).toEqual([2, 3]);
  expect(() => checkStep(base, next)).not.toThrow();
  for (const epochs of [{ compactorEpoch: 2 }, { writerEpoch: 0 }]) {
    expect(() => checkStep(base, { ...next, ...epochs })).toThrow(/never fall/);
  }
});

test("in all its life a writer deletes nothing but its probe", async () => {
  const place = newPlace();
  for (const end of [true, "wal", false] as const) {
    const next = beside(place);
    const options = { ...tiny, clock: place.clock, background: false };
    const db = await place.clock.advanceUntil(Db.open(next.at, options));
    for (let i = 0; i < 3; i++) await db.put(`key ${i}`, "value");
    await db.flush({ to: "l0" });
    await place.clock.advanceUntil(db.checkpoint());
    await place.clock.advance(40 * day);
    await place.clock.advanceUntil(db.put("key", "value"));
    await place.clock.advanceUntil(db.close({ flush: end }));
    const deletes = requestsOf(next.counting).filter((request) => request.startsWith("delete"));
    expect(deletes).toEqual(end === true ? ["delete probe/TOKEN.probe"] : []);
  }
  const { number, checkpoints } = await newestOf(place);
  expect(number).toBeGreaterThan(6);
  expect(checkpoints.length).toBe(3);
});

test("a manifest that was listed and is gone when it is read sends the search on to newer ones", async () => {
  for (const hinted of [true, false]) {
    const clock = new ManualClock();
    const inner = new MemoryObjectStore();
    if (hinted)
      await putHint(inner, await putManifest(inner, 1, { createdAt: clock.now() - 20 * day }));
    for (const number of [7, 8]) await putManifest(inner, number, { createdAt: clock.now() });
    const store = new CountingObjectStore(inner);
    const get = inner.get.bind(inner);
    inner.get = async (key, options) => {
      if (
        key === ObjectPaths.manifest(8) &&
        (await inner.head(ObjectPaths.manifest(9))) === undefined
      ) {
        await putManifest(inner, 9, { createdAt: clock.now() });
        await putManifest(inner, 10, { createdAt: clock.now() });
        await inner.delete([ObjectPaths.manifest(7), key]);
      }
      return get(key, options);
    };
    const found = await findNewest(new ManifestStore(store), { clock, retentionMs: 30 * day });
    expect(found).toMatchObject({ number: 10 });
    expect(store.counts.list).toBeGreaterThanOrEqual(2);
  }
});
