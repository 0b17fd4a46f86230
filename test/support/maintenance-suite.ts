/** What compaction and collection must do on any store: run on memory and on a folder by the normal tests, and on every real S3 server. */
import { expect, test } from "vitest";
import { collect } from "../../src/db/collect.js";
import { Compactor } from "../../src/db/compactor.js";
import { Db } from "../../src/db/db.js";
import { DbReader } from "../../src/db/db-reader.js";
import type { Reads } from "../../src/db/reads.js";
import type { ObjectStore } from "../../src/object-store/object-store.js";

const path = "databases/maintained";
const key = (index: number): string => `key-${String(index).padStart(5, "0")}`;
const decoder = new TextDecoder();

async function contentOf(reads: Reads): Promise<Map<string, string>> {
  const content = new Map<string, string>();
  for await (const row of reads.scan()) {
    content.set(decoder.decode(row.key), decoder.decode(row.value));
  }
  return content;
}

async function namesOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { key: name } of store.list({ prefix: `${path}/${prefix}` })) names.push(name);
  return names;
}

/** Several L0 entries: values that are overwritten, deleted one by one and by range, and a load. */
async function fill(db: Db, expected: Map<string, string>, rounds = 4): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const batch = db.batch();
    for (let i = round; i < 600; i += round + 1) {
      const value = `${round}/${i}`.padEnd(300, ".");
      batch.put(key(i), value);
      expected.set(key(i), value);
    }
    batch.delete(key(round * 11));
    expected.delete(key(round * 11));
    batch.deleteRange({ gte: key(100 + round * 10), lt: key(105 + round * 10) });
    for (let i = 0; i < 5; i++) expected.delete(key(100 + round * 10 + i));
    await db.write(batch);
    await db.flush({ to: "l0" });
  }
  await db.load(Array.from({ length: 50 }, (_, i) => ({ key: key(700 + i), value: "loaded" })));
  for (let i = 0; i < 50; i++) expected.set(key(700 + i), "loaded");
  await db.flush({ to: "l0" });
}

/** `makeStore` gives a store below a prefix of its own each time. */
export function maintenanceSuite(options: { makeStore: () => ObjectStore }): void {
  test("all that is stored becomes one run, and what it was made of is collected", async () => {
    const store = options.makeStore();
    const expected = new Map<string, string>();
    const db = await Db.open({ store, path }, { background: false, gcGraceMs: 0 });
    await fill(db, expected, 2);
    const snapshot = db.snapshot();
    const before = new Map(expected);
    await fill(db, expected, 2);
    const scan = snapshot.scan();
    await scan.next();
    await db.compact();
    expect(db.stats()).toMatchObject({ l0Count: 0, runCount: 1 });
    const { objectsDeleted } = await db.maintain({ sweep: true });
    expect(objectsDeleted).toBeGreaterThan(5);
    expect(await contentOf(db)).toEqual(expected);
    expect(await contentOf(snapshot)).toEqual(before);
    expect((await scan.nextMany(10_000)).length).toBe(before.size - 1);
    await snapshot.close();
    await db.close();
    const again = await Db.open({ store, path }, { create: "never", background: false });
    expect(await contentOf(again)).toEqual(expected);
    await again.close();
  });

  test("a compactor and a worker in processes of their own, and a collection beside, leave writer and readers alone", async () => {
    const store = options.makeStore();
    const expected = new Map<string, string>();
    const db = await Db.open({ store, path }, { compaction: false, l0HardMax: Infinity });
    await fill(db, expected);
    const checkpoint = await db.checkpoint({ name: "before" });
    const pinned = new Map(expected);
    const reader = await DbReader.open({ store, path });
    const settings = { compactionL0Trigger: 2, compactionThreads: 0 };
    const coordinator = await Compactor.open({ store, path }, { ...settings, workerJobsMax: 1 });
    const worker = await Compactor.open({ store, path }, { compactionThreads: 0, worker: true });
    // Jobs that are planned for workers wait for one; the next round of the coordinator commits what is done.
    for (let round = 0; round < 6; round++) {
      await coordinator.runOnce();
      await worker.runOnce();
    }
    await coordinator.compact();
    await fill(db, expected, 1);
    await coordinator.close();
    await worker.close();
    const report = await collect({ store, path }, { graceMs: 0, sweep: true });
    expect(report.checkpointsDropped).toBe(0);
    expect(await contentOf(db)).toEqual(expected);
    await reader.refresh();
    expect(await contentOf(reader)).toEqual(expected);
    await reader.close();
    const at = await DbReader.open({ store, path }, { checkpoint: checkpoint.id });
    expect(await contentOf(at)).toEqual(pinned);
    await at.close();
    expect((await namesOf(store, "compactions/")).length).toBeGreaterThan(0);
    await db.close();
  });
}
