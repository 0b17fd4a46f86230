/**
 * Loads what the first open of a process loads. That takes real I/O, and a world in which nothing happens but what it plans would
 * wait for it for ever.
 */
import { Compactor } from "../../src/db/compactor.js";
import { Db, DbReader } from "../../src/index.js";
import { MemoryObjectStore } from "../../src/testing/index.js";

export async function loadEngine(): Promise<void> {
  const at = { store: new MemoryObjectStore(), path: "db" };
  const db = await Db.open(at);
  const changes = db.changes()[Symbol.asyncIterator]();
  await db.put("key", "value");
  await changes.next();
  await changes.return?.();
  await (await DbReader.open(at)).close();
  await db.maintain();
  await db.flush({ to: "l0" });
  await db.close();
  await loadMaintenance(at);
}

/** What compacts and collects: in slices, as with any clock but the system's. */
async function loadMaintenance(at: { store: MemoryObjectStore; path: string }): Promise<void> {
  const options = { compactionThreads: 0 };
  const db = await Db.open(at, { ...options, background: false });
  await db.put("key", "other");
  await db.flush({ to: "l0" });
  await db.compact();
  await db.maintain({ sweep: true });
  await db.close();
  const compactor = await Compactor.open(at, options);
  await compactor.runOnce();
  await compactor.close();
  const worker = await Compactor.open(at, { ...options, worker: true });
  await worker.runOnce();
  await worker.close();
}
