/**
 * The crash sweep of destroy: cut at every request, beside a writer. Either the database is whole or it is destroyed; another call completes,
 * after which nothing is left but its end; and what is made at the path goes on from there.
 */
import { beforeAll, expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { collect } from "../../../src/db/collect.js";
import { Compactor } from "../../../src/db/compactor.js";
import { Db } from "../../../src/db/db.js";
import { DbReader } from "../../../src/db/db-reader.js";
import { isMoraineError } from "../../../src/index.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { contentOf, copyOf, cuts, runCut, sweepRequests } from "./crash-world.js";

const options = { background: false, walPutsPerSecond: Infinity };
const path = "db";
const prepared = new MemoryObjectStore();
let latest: Record<string, string>;

beforeAll(async () => {
  const location = { store: prepared, path };
  const db = await Db.open(location, options);
  for (const key of ["a", "b", "c"]) {
    await db.put(key, "in L0");
    await db.flush({ to: "l0" });
  }
  const compactor = await Compactor.open(location, {
    ...{ compactionL0Trigger: 1, compactionThreads: 0 },
  });
  await compactor.runOnce();
  await compactor.close();
  await db.load([{ key: "d", value: "loaded" }]);
  await db.checkpoint({ scope: "durable" });
  await db.put("e", "in the log");
  latest = await contentOf(db);
  await db.close({ flush: "wal" });
});

async function isDestroyed(store: MemoryObjectStore): Promise<boolean> {
  try {
    const reader = await DbReader.open({ store, path });
    expect(await contentOf(reader)).toMatchObject(latest);
    await reader.close();
    return false;
  } catch (error) {
    if (isMoraineError(error, "not-found")) return true;
    throw error;
  }
}

async function sweepCase(at: number, cut: (typeof cuts)[number]): Promise<boolean> {
  const store = await copyOf(prepared);
  const db = await Db.open({ store, path }, options);
  const { seq } = await db.put("w", "acknowledged");
  const { hit } = await runCut(store, at, cut, async (faulty) => {
    const admin = await Admin.open({ store: faulty, path });
    await admin.destroy({ confirm: path });
  });
  if (!(await isDestroyed(store))) {
    const admin = await Admin.open({ store, path });
    expect((await admin.verify({ deep: true })).problems).toEqual([]);
    await admin.close();
  } else await expect(db.put("late", "1")).rejects.toMatchObject({ kind: "fenced" });
  const admin = await Admin.open({ store, path });
  await admin.destroy({ confirm: admin.databaseId });
  const again = await admin.destroy({ confirm: admin.databaseId });
  expect(again.deleted).toMatchObject({ ssts: 0, runs: 0, lists: 0, wal: 0 });
  const { manifestNumber } = again;
  await admin.close();
  expect(await isDestroyed(store)).toBe(true);
  await expect(db.put("late", "1")).rejects.toMatchObject({ kind: "fenced" });
  const next = await Db.open({ store, path }, options);
  expect(next.stats().manifestNumber).toBeGreaterThan(manifestNumber);
  expect(await contentOf(next)).toEqual({});
  expect((await next.put("new", "1")).seq).toBeGreaterThan(seq);
  await next.close();
  await collect({ store, path }, { graceMs: 0, sweep: true });
  const reader = await DbReader.open({ store, path });
  expect(await contentOf(reader)).toEqual({ new: "1" });
  await reader.close();
  return hit;
}

for (const cut of cuts) {
  test(`cut at every request: ${cut}`, async () => {
    expect(await sweepRequests(cut, sweepCase)).toBeGreaterThan(15);
  }, 600_000);
}
