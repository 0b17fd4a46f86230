/** A database with objects of every kind: SSTs in L0, in short and long runs, of loads; logs, fences, checkpoints of both scopes, retired lists. */
import { Admin } from "../../../src/admin/index.js";
import { openContext } from "../../../src/admin/open-context.js";
import { Compactor } from "../../../src/db/compactor.js";
import { Db } from "../../../src/db/db.js";
import { RetiredKind } from "../../../src/format/manifest.js";
import { encodeRetiredList } from "../../../src/format/retired-list-codec.js";
import { moveRetiredToList } from "../../../src/manifest/gc-transitions.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { FaultyObjectStore } from "../../../src/testing/index.js";

export interface VerifyWorld {
  readonly store: MemoryObjectStore;
  readonly location: { readonly store: MemoryObjectStore; readonly path: string };
}

const runOptions = { compactionL0Trigger: 1, sstBytesMax: 4096, compactionThreads: 0 };

export async function everyKind(): Promise<VerifyWorld> {
  const store = new MemoryObjectStore();
  const location = { store, path: "db" };
  const options = { background: false, memTableBytes: 4 << 20 };
  const db = await Db.open(location, options);
  const write = async (round: number): Promise<void> => {
    for (let i = 0; i < 40; i++) {
      void db.put(`key${i}`, `${round}.${i}`.padEnd(1500, "."), { durable: false });
    }
    await db.deleteRange({ gte: "key30", lt: `key3${round}` });
    await db.flush({ to: "l0" });
  };
  await write(1);
  await db.checkpoint({ name: "in L0" });
  await write(2);
  await compactAll(location);
  await db.checkpoint({ name: "in a long run" });
  await write(3);
  await db.load([{ key: "loaded", value: "1" }]);
  await db.flush({ to: "l0" });
  await db.put("tail", "in a log that is closed");
  await db.checkpoint({ name: "durable", scope: "durable" });
  await db.load([{ key: "loaded", value: "2" }]);
  await db.close({ flush: "wal" });
  // After its claim it commits nothing, so that both logs stay in the chain.
  let commits = 0;
  const process = new FaultyObjectStore(store, {
    intercept: ({ operation, key }) =>
      operation === "create" && key.includes("/manifest/") && commits++ > 0
        ? { kind: "delay", until: new Promise(() => undefined) }
        : undefined,
  });
  const next = await Db.open({ store: process, path: "db" }, options);
  await next.put("tail", "in the newest log");
  await next.load([{ key: "loaded", value: "3" }]);
  await next.put("tail", "last");
  await new Promise((done) => setTimeout(done, 100));
  process.crash();
  await moveRetired(location);
  return { store, location };
}

/** What is retired so far stands in an object of its own, as it does where it is much. */
async function moveRetired(location: VerifyWorld["location"]): Promise<void> {
  const { stored, store, ids, ...context } = await openContext(location, undefined);
  const entries = stored.current.retired.filter(({ kind }) => kind !== RetiredKind.wal);
  const list = ids.next();
  const bytes = encodeRetiredList(stored.current.databaseId, list, entries);
  await store.put(ObjectPaths.retiredList(list), bytes);
  await stored.commit(moveRetiredToList(list, entries));
  await stored.manifests.putHint(stored.ownBytes!);
  context.place.close();
}

/** As of now; not closed, so that its log is one of the chain. */
export async function compactAll(location: VerifyWorld["location"]): Promise<void> {
  const compactor = await Compactor.open(location, runOptions);
  await compactor.compact();
  await compactor.close();
}

export async function keysOf({ store }: VerifyWorld): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list({ prefix: "" })) keys.push(key);
  return keys.sort();
}

export async function withAdmin<T>(
  { location }: VerifyWorld,
  use: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = await Admin.open(location);
  try {
    return await use(admin);
  } finally {
    await admin.close();
  }
}
