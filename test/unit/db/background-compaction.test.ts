/** A handle compacts and collects after its commits, by itself: what is read stays what it was, and nothing happens while nothing is written. */
import { afterEach, beforeAll, expect, test } from "vitest";
import { Db, type DbStats, MemoryObjectStore, type OpenOptions } from "../../../src/index.js";
import { CountingObjectStore } from "../../../src/testing/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { text } from "./support.js";

beforeAll(loadEngine);

const KiB = 1024;
const small: OpenOptions = { memTableBytes: 256 * KiB, walPutsPerSecond: Infinity, gcGraceMs: 0 };

let open: Db[] = [];
afterEach(async () => {
  for (const db of open) await db.close();
  open = [];
});

async function openDb(at: { store: CountingObjectStore; path: string }, options: OpenOptions = {}) {
  const db = await Db.open(at, { ...small, ...options });
  open.push(db);
  return db;
}

function newStore(): { store: CountingObjectStore; path: string } {
  return { store: new CountingObjectStore(new MemoryObjectStore()), path: "db" };
}

/** Resolves when the statistics are so. */
async function until(db: Db, isSo: (stats: DbStats) => boolean, what: string): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    if (isSo(db.stats())) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`${what}: ${JSON.stringify(db.stats(), undefined, 1)}`);
}

async function flushes(db: Db, count: number, from = 0): Promise<void> {
  for (let i = from; i < from + count; i++) {
    for (let key = 0; key < 20; key++) await db.put(`key ${key}`, `${i}`, { durable: false });
    await db.flush({ to: "l0" });
  }
}

test("L0 becomes a run after four flushes, and what was written over is deleted", async () => {
  const at = newStore();
  const db = await openDb(at);
  await flushes(db, 4);
  await until(db, (stats) => stats.compaction.jobsDone === 1, "a job");
  expect(db.stats()).toMatchObject({
    ...{ l0Count: 0, runCount: 1 },
    compaction: { jobsFailed: 0, failures: [], lastError: undefined },
  });
  expect(text(await db.get("key 7"))).toBe("3");
  await until(db, (stats) => stats.gc.ssts === 4, "a collection");
  expect(text(await db.get("key 8"))).toBe("3");
});
