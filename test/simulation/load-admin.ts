/** Loads what the first call of each operation of an administrator loads, as `loadEngine` does: a world would wait for it for ever. */
import { Admin } from "../../src/admin/admin.js";
import { Db } from "../../src/index.js";
import { MemoryObjectStore } from "../../src/testing/index.js";

export async function loadAdmin(): Promise<void> {
  const [store, other] = [new MemoryObjectStore(), new MemoryObjectStore()];
  const db = await Db.open({ store, path: "db" });
  await db.put("key", "value");
  await db.flush({ to: "l0" });
  await db.put("log", "value");
  await db.close({ flush: "wal" });
  await using admin = await Admin.open({ store, path: "db" });
  const { id } = await admin.createCheckpoint();
  await admin.createCheckpoint({ name: "again" });
  await admin.retainCheckpoint("again");
  await admin.expireCheckpoint("again");
  await admin.clone({ store, path: "clone" }, { checkpoint: id });
  const location = { store, path: "db" };
  const ranges = [{ lt: "l" }, { gte: "l" }];
  const sources = ranges.map((range) => ({ location, checkpoint: id, range }));
  await Admin.union({ store, path: "union" }, sources);
  await admin.export(id, { store: other, path: "export" });
  await admin.restore(id);
  await admin.verify({ deep: true });
  const clone = await Admin.open({ store, path: "clone" });
  await clone.detach();
  await clone.destroy({ confirm: "clone" });
  await clone.close();
}
