/**
 * The crash sweep of restore: cut at every request, beside a writer, a compactor and a collector without grace. Either the old state is there or
 * the restored one, nothing acknowledged is lost, nothing that is named is missing, and another call completes.
 */
import { beforeAll, expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { collect } from "../../../src/db/collect.js";
import { Compactor } from "../../../src/db/compactor.js";
import { Db } from "../../../src/db/db.js";
import { DbReader } from "../../../src/db/db-reader.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { contentOf, copyOf, cuts, runCut, sweepRequests } from "./crash-world.js";

const options = { background: false, walPutsPerSecond: Infinity };
const path = "db";
const prepared = new MemoryObjectStore();
let restored: Record<string, string>;
let latest: Record<string, string>;

async function compacts(store: MemoryObjectStore): Promise<void> {
  const compactor = await Compactor.open(
    { store, path },
    { compactionL0Trigger: 1, compactionThreads: 0 },
  );
  await compactor.runOnce().finally(() => compactor.close());
}

const collects = (store: MemoryObjectStore): Promise<unknown> =>
  collect({ store, path }, { graceMs: 0, sweep: true });

beforeAll(async () => {
  const location = { store: prepared, path };
  const db = await Db.open(location, options);
  await db.put("a", "in L0");
  await db.flush({ to: "l0" });
  await db.put("b", "in the log");
  await db.load([
    { key: "c", value: "loaded" },
    { key: "d", value: "loaded" },
  ]);
  await db.deleteRange({ gte: "d", lt: "e" });
  await db.checkpoint({ name: "wanted", scope: "durable" });
  restored = await contentOf(db);
  await db.put("a", "later");
  await db.flush({ to: "l0" });
  await compacts(prepared);
  await collects(prepared);
  await db.put("e", "in the newest log");
  await db.load([{ key: "f", value: "loaded later" }]);
  latest = await contentOf(db);
  await db.close({ flush: "wal" });
});

/** Writes until it is fenced; gives what was acknowledged. */
async function writes(db: Db): Promise<Record<string, string>> {
  const acknowledged: Record<string, string> = {};
  for (let i = 0; i < 1000; i++) {
    try {
      await db.put(`w${i % 7}`, `${i}`);
      if (i % 10 === 5) await db.flush({ to: "l0" });
    } catch {
      return acknowledged;
    }
    acknowledged[`w${i % 7}`] = `${i}`;
    await new Promise((done) => setTimeout(done, 0));
  }
  return acknowledged;
}

async function restores(store: MemoryObjectStore): Promise<string> {
  const admin = await Admin.open({ store, path });
  try {
    return (await admin.restore("wanted")).checkpoint.id;
  } finally {
    await admin.close();
  }
}

async function readNow(store: MemoryObjectStore): Promise<Record<string, string>> {
  const reader = await DbReader.open({ store, path });
  try {
    return await contentOf(reader);
  } finally {
    await reader.close();
  }
}

async function expectSound(store: MemoryObjectStore): Promise<void> {
  await collects(store);
  const admin = await Admin.open({ store, path });
  expect((await admin.verify({ deep: true })).problems).toEqual([]);
  await admin.close();
}

async function sweepCase(at: number, cut: (typeof cuts)[number]): Promise<boolean> {
  const store = await copyOf(prepared);
  const db = await Db.open({ store, path }, options);
  let isStopped = false;
  const writing = writes(db).finally(() => {
    isStopped = true;
  });
  const { hit } = await runCut(store, at, cut, async (faulty) => {
    const admin = await Admin.open({ store: faulty, path });
    const beside = Promise.allSettled([compacts(store), collects(store)]);
    await admin.restore("wanted");
    await beside;
  });
  // A cut before the claim leaves the writer as it is.
  if (!isStopped) await db.close().catch(() => undefined);
  const acknowledged = await writing;
  const all = { ...latest, ...acknowledged };
  await expectSound(store);
  const now = await readNow(store);
  const isRestored = !("e" in now);
  if (isRestored) expect(now).toEqual(restored);
  // What was under way when the writer ended may be there too.
  else expect(now).toMatchObject(withoutLast(all));
  const admin = await Admin.open({ store, path });
  const replaced = isRestored ? await replacedId(store) : await restores(store);
  expect(await readNow(store)).toEqual(restored);
  await expectSound(store);
  await compacts(store);
  await expectSound(store);
  expect(await readNow(store)).toEqual(restored);
  await admin.restore(replaced);
  expect(await readNow(store)).toMatchObject(withoutLast(all));
  await expectSound(store);
  await admin.close();
  return hit;
}

/** The key that is written next may have a newer value than was acknowledged: all others are as they were. */
function withoutLast(all: Record<string, string>): Record<string, string> {
  const written = Object.entries(all).filter(([key]) => /^w\d$/.test(key));
  const last = Math.max(-1, ...written.map(([, value]) => Number(value)));
  const { [`w${(last + 1) % 7}`]: _, ...others } = all;
  return others;
}

async function replacedId(store: MemoryObjectStore): Promise<string> {
  const { openContext } = await import("../../../src/admin/open-context.js");
  const { stored } = await openContext({ store, path }, undefined);
  return stored.current.checkpoints.find(({ purpose }) => purpose === 4)!.id;
}

for (const cut of cuts) {
  test(`cut at every request: ${cut}`, async () => {
    expect(await sweepRequests(cut, sweepCase)).toBeGreaterThan(15);
  }, 600_000);
}
