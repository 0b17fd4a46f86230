/**
 * Loads what the first open of a process loads. That takes real I/O, and a world in which nothing happens but what it plans would
 * wait for it for ever.
 */
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
  await db.close();
}
