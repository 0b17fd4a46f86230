/** What those see of a restore who follow the database: readers, change feeds, compactors; and what is refused before anybody is fenced. */
import { expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { openContext } from "../../../src/admin/open-context.js";
import { systemClock } from "../../../src/common/clock.js";
import type { UlidFactory } from "../../../src/common/ids.js";
import { systemRandom } from "../../../src/common/random.js";
import { CompactionsStore } from "../../../src/compaction/compactions-store.js";
import { addJobs, allOf, claimState, touchState } from "../../../src/compaction/job-transitions.js";
import { StoredCompactions } from "../../../src/compaction/stored-compactions.js";
import { collect } from "../../../src/db/collect.js";
import { Compactor } from "../../../src/db/compactor.js";
import { Db } from "../../../src/db/db.js";
import { DbReader } from "../../../src/db/db-reader.js";
import { type CompactionJob, JobStatus } from "../../../src/format/compactions.js";
import { type L0Entry, noUlid, RetiredKind } from "../../../src/format/manifest.js";
import { encodeRetiredList } from "../../../src/format/retired-list-codec.js";
import { endCheckpoints } from "../../../src/manifest/checkpoint-expiry.js";
import { claimCompactor } from "../../../src/manifest/compaction-transitions.js";
import { moveRetiredToList } from "../../../src/manifest/gc-transitions.js";
import { requireRestorable } from "../../../src/manifest/restore-transition.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { contentOf } from "./crash-world.js";

const options = { background: false, walPutsPerSecond: Infinity };

function jobOf(ids: UlidFactory, l0: readonly L0Entry[]): CompactionJob {
  return {
    ...{ id: ids.next(), reason: "test", level: 0, retainSeq: 0, expiredAt: 0, isBottom: true },
    ...{ inputs: { l0: l0.map(({ ssts }) => ssts[0]!.id), runs: [] }, sstBytesMax: 1 << 20 },
    ...{ status: JobStatus.open, claim: noUlid, worker: "", signNumber: 0, attempts: 0 },
    ...{ failure: "", ranges: [], rewrites: false, writerEpoch: 0 },
  };
}

function place() {
  return { store: new MemoryObjectStore(), path: "db" };
}

test("a reader that follows goes on to the restored state, and rows of the replaced logs neither hide nor mix into it", async () => {
  const location = place();
  const db = await Db.open(location, options);
  await db.put("a", "1");
  await db.put("b", "1");
  await db.checkpoint({ name: "wanted" });
  await db.put("a", "2");
  await db.delete("b");
  await db.deletePrefix("b");
  await db.load([{ key: "c", value: "2" }]);
  const { seq: last } = await db.put("d", "2");
  const reader = await DbReader.open(location, { pollIntervalMs: 20 });
  const late = await DbReader.open(location, { pollIntervalMs: 3_600_000 });
  const before = reader.snapshot();
  expect(await contentOf(reader)).toEqual({ a: "2", c: "2", d: "2" });
  const admin = await Admin.open(location);
  const { seq, checkpoint } = await admin.restore("wanted");
  // Seqs go on: the reader waits for that of the restore, and has seen what it undid.
  await reader.waitForSeq(seq);
  expect(reader.seq).toBe(seq);
  await reader.waitForSeq(last);
  expect(await contentOf(reader)).toEqual({ a: "1", b: "1" });
  expect(reader.stats().memTableBytes).toBe(0);
  expect(await contentOf(before)).toEqual({ a: "2", c: "2", d: "2" });
  // One that comes so late that the next writer has flushed.
  const next = await Db.open(location, options);
  await next.put("e", "3");
  await next.flush({ to: "l0" });
  await next.put("f", "3");
  await late.refresh();
  expect(await contentOf(late)).toEqual({ a: "1", b: "1", e: "3", f: "3" });
  // Nothing is answered with other data when the replaced state is gone.
  const { stored } = await openContext(location, undefined);
  await stored.commit(endCheckpoints([checkpoint.id]));
  await collect(location, { graceMs: 0, sweep: true });
  await reader.refresh();
  const seen = await contentOf(before).catch((error: { kind: string }) => error.kind);
  expect([{ a: "2", c: "2", d: "2" }, "gone"]).toContainEqual(seen);
  await Promise.all([reader.close(), late.close(), next.close(), admin.close()]);
});

test("a change feed does not go on across a restore as if nothing had happened", async () => {
  const location = place();
  const db = await Db.open(location, options);
  await db.put("a", "1");
  await db.checkpoint({ name: "wanted", scope: "durable" });
  const { seq: last } = await db.put("a", "2");
  const reader = await DbReader.open(location, { pollIntervalMs: 20 });
  const caughtUp = reader.changes({ from: last })[Symbol.asyncIterator]();
  const waiting = caughtUp.next().catch((error: unknown) => error);
  const behind = reader.changes({ from: 0 })[Symbol.asyncIterator]();
  expect((await behind.next()).value).toMatchObject({ seq: 1 });
  const admin = await Admin.open(location);
  const { seq } = await admin.restore("wanted");
  await admin.close();
  await reader.waitForSeq(seq);
  expect(await waiting).toMatchObject({ kind: "gone", oldestSeq: seq });
  // What its logs still hold is given first.
  expect((await behind.next()).value).toMatchObject({ seq: last });
  await expect(behind.next()).rejects.toMatchObject({ kind: "gone" });
  const fresh = reader.changes({ from: seq })[Symbol.asyncIterator]();
  const next = await Db.open(location, options);
  const written = await next.put("b", "3");
  await next.flush({ to: "l0" });
  expect((await fresh.next()).value).toMatchObject({ seq: written.seq });
  for (const from of [0, 1, last]) {
    const feed = next.changes({ from })[Symbol.asyncIterator]();
    await expect(
      (async () => {
        for (;;) expect((await feed.next()).value).toMatchObject({ seq: expect.any(Number) });
      })(),
    ).rejects.toMatchObject({ kind: "gone" });
  }
  const again = next.changes({ from: seq })[Symbol.asyncIterator]();
  expect((await again.next()).value).toMatchObject({ seq: written.seq });
  await Promise.all([fresh.return?.(), again.return?.()]);
  await reader.close();
  await next.close();
});

test("jobs that were under way are given up, and their coordinator is fenced", async () => {
  const location = place();
  const db = await Db.open(location, options);
  await db.put("a", "1");
  await db.checkpoint({ name: "wanted" });
  for (let i = 0; i < 4; i++) {
    await db.put("a", `${i}`);
    await db.flush({ to: "l0" });
  }
  // A coordinator has planned a job, and a worker has begun with it.
  const context = await openContext(location, undefined);
  const states = new CompactionsStore(context.store, context.stored.current.databaseId);
  const jobs = new StoredCompactions(states, {
    ...{ clock: systemClock, random: systemRandom, retentionMs: 30 * 86_400_000 },
  });
  const { compactorEpoch, l0 } = await context.stored.commit(claimCompactor(0));
  await jobs.commit(allOf([claimState(compactorEpoch), addJobs([jobOf(context.ids, l0)])]));
  expect(jobs.current.jobs).toHaveLength(1);
  const admin = await Admin.open(location);
  await admin.restore("wanted");
  const { stored } = await openContext(location, undefined);
  const found = await jobs.refresh();
  expect(found).toMatchObject({ jobs: [], compactorEpoch: stored.current.compactorEpoch });
  expect(stored.current).toMatchObject({ compactorLeft: true, walChain: [] });
  const late = context.stored.refresh({ compactorEpoch });
  await expect(late).rejects.toMatchObject({ kind: "fenced" });
  const older = jobs.commit(touchState, { epoch: compactorEpoch });
  await expect(older).rejects.toMatchObject({ kind: "fenced" });
  const next = await Db.open(location, options);
  expect(await contentOf(next)).toEqual({ a: "1" });
  await next.close();
  await admin.close();
});

test("what cannot be restored is refused before anybody is fenced", async () => {
  const location = place();
  const db = await Db.open(location, options);
  await db.put("a", "1");
  const { id } = await db.checkpoint({ name: "base" });
  await db.checkpoint({ name: "child", base: id });
  const { stored } = await openContext(location, undefined);
  await stored.commit(endCheckpoints([id]));
  const admin = await Admin.open(location);
  const before = stored.current.number;
  for (const wanted of ["none", "base", id]) {
    await expect(admin.restore(wanted)).rejects.toMatchObject({ kind: "not-found" });
  }
  const taken = admin.restore("child", { name: "child" });
  await expect(taken).rejects.toMatchObject({ kind: "exists" });
  for (const bad of ["", undefined, 7]) {
    await expect(admin.restore(bad as string)).rejects.toMatchObject({ kind: "invalid" });
  }
  for (const bad of [{ ttlMs: 0 }, { name: "" }, { nam: "x" }, { onProgress: 1 }, { signal: 1 }]) {
    await expect(admin.restore("child", bad as never)).rejects.toMatchObject({ kind: "invalid" });
  }
  const aborted = AbortSignal.abort(new Error("enough"));
  await expect(admin.restore("child", { signal: aborted })).rejects.toThrow("enough");
  expect((await stored.refresh()).number).toBe(before);
  await db.put("a", "2");
  // A database whose objects it needs has been let go of, or never was held.
  const manifest = stored.current;
  const checkpoint = manifest.checkpoints.find(({ name }) => name === "child")!;
  const owners = new Set([checkpoint.id]);
  const external = { databaseId: checkpoint.id, path: "p", checkpointId: id, isLeaving: false };
  const check = (isLeaving: boolean) => (): void =>
    requireRestorable(
      { ...manifest, externals: [{ ...external, isLeaving }] },
      { checkpoint, owners },
    );
  expect(check(false)).not.toThrow();
  expect(check(true)).toThrow("not kept");
  expect(() => requireRestorable(manifest, { checkpoint, owners })).toThrow("not kept");
  await admin.close();
  await db.close();
});

test("what is restored comes out of a list of retired objects too", async () => {
  const location = place();
  const db = await Db.open(location, options);
  await db.put("a", "1");
  await db.checkpoint({ name: "wanted" });
  for (let i = 0; i < 3; i++) {
    await db.put("a", "later");
    await db.flush({ to: "l0" });
  }
  const compactor = await Compactor.open(location, {
    ...{ compactionThreads: 0, compactionL0Trigger: 1 },
  });
  await compactor.runOnce();
  await compactor.close();
  const { stored, store, ids } = await openContext(location, undefined);
  const moved = stored.current.retired.filter(({ kind }) => kind === RetiredKind.sst);
  const list = ids.next();
  const bytes = encodeRetiredList(stored.current.databaseId, list, moved);
  await store.put(ObjectPaths.retiredList(list), bytes);
  await stored.commit(moveRetiredToList(list, moved));
  expect(stored.current.retired.some(({ kind }) => kind === RetiredKind.list)).toBe(true);
  const admin = await Admin.open(location);
  await admin.restore("wanted");
  expect(await store.get(ObjectPaths.retiredList(list))).toBeUndefined();
  const { checkpoints, retired, l0 } = await stored.refresh();
  const named = l0.flatMap(({ ssts }) => ssts.map(({ id }) => id));
  const listed = new Set(retired.flatMap((entry) => entry.ids));
  expect(named.filter((id) => listed.has(id))).toEqual([]);
  await stored.commit(endCheckpoints(checkpoints.map(({ id }) => id)));
  await collect(location, { graceMs: 0, sweep: true });
  expect((await admin.verify({ deep: true })).problems).toEqual([]);
  const reader = await DbReader.open(location);
  expect(await contentOf(reader)).toEqual({ a: "1" });
  await reader.close();
  await admin.close();
});
