/** What the tests of exports share: a database with every kind of row, what it holds, and what lies at a path. */
import { Admin, type ExportInfo, type ExportOptions } from "../../../src/admin/index.js";
import { decodeUtf8 } from "../../../src/common/bytes.js";
import type { Location } from "../../../src/db/location.js";
import type { Reads } from "../../../src/db/reads.js";
import type { Manifest } from "../../../src/format/manifest.js";
import { decodeManifest } from "../../../src/format/manifest-codec.js";
import { Db, DbReader, type OpenOptions } from "../../../src/index.js";
import { bytesAppend } from "../../../src/merge/byte-strings.js";
import type { ObjectStore } from "../../../src/object-store/object-store.js";

export const operators: Pick<OpenOptions, "mergeOperators"> = {
  mergeOperators: { log: bytesAppend },
};

/** Small blocks and SSTs, so that there are several of each. */
export const openDb = (location: Location, options: OpenOptions = {}): Promise<Db> =>
  Db.open(location, { background: false, blockBytes: 1024, ...operators, ...options });

/** Rows of every kind, in L0 or in the log. */
export async function writeAll(db: Db, round: string): Promise<void> {
  await db.put(`put ${round}`, round);
  await db.put("same", round);
  await db.merge("merged", `${round};`, { operator: "log" });
  await db.load([
    { key: "loaded", value: round },
    { key: `loaded ${round}`, value: round.repeat(50) },
  ]);
  await db.put(`long ${round}`, "x".repeat(3000));
  await db.put("expires", round, { ttlMs: 3_600_000 });
  await db.deleteRange({ gte: "put a", lt: `put ${round}` });
  await db.put(`gone ${round}`, "1");
  await db.deletePrefix("gone");
}

export type Content = Record<string, string>;

export async function contentOf(reads: Pick<Reads, "scan">): Promise<Content> {
  const content: Content = {};
  for await (const { key, value } of reads.scan()) content[decodeUtf8(key)] = decodeUtf8(value);
  return content;
}

/** As a new reader sees it. */
export async function readAt(location: Location, checkpoint?: string): Promise<Content> {
  const reader = await DbReader.open(location, { ...operators, checkpoint });
  try {
    return await contentOf(reader);
  } finally {
    await reader.close();
  }
}

/** As a new writer sees it, which then writes and closes. */
export async function writeAt(location: Location, key: string): Promise<Content> {
  const db = await openDb(location);
  const content = await contentOf(db);
  await db.put(key, "1");
  await db.close();
  return content;
}

export async function exportOf(
  from: Location,
  target: Location,
  checkpoint?: string,
  options?: ExportOptions,
): Promise<ExportInfo> {
  const admin = await Admin.open(from);
  try {
    return await admin.export(checkpoint, target, options);
  } finally {
    await admin.close();
  }
}

/** Everything below a path, by key, as text that tells two apart. */
export async function objectsAt(store: ObjectStore, path: string): Promise<Map<string, string>> {
  const objects = new Map<string, string>();
  for await (const { key } of store.list({ prefix: `${path}/` })) {
    const found = await store.get(key);
    objects.set(key.slice(path.length + 1), Buffer.from(found!.bytes).toString("base64"));
  }
  return objects;
}

export async function keysAt(store: ObjectStore, path: string): Promise<string[]> {
  return [...(await objectsAt(store, path)).keys()].sort();
}

export async function deleteAll(store: ObjectStore, path: string): Promise<void> {
  for (const key of await keysAt(store, path)) await store.delete([`${path}/${key}`]);
}

export async function newestAt(store: ObjectStore, path: string): Promise<Manifest> {
  const names = (await keysAt(store, path)).filter((key) => key.endsWith(".manifest"));
  const found = await store.get(`${path}/${names.at(-1)!}`);
  return decodeManifest(found!.bytes, names.at(-1)!);
}

/** Bytes and number of SSTs below a path, by what the store says of each. */
export async function sstsAt(
  store: ObjectStore,
  path: string,
): Promise<{ sstFiles: number; totalBytes: number }> {
  const found = { sstFiles: 0, totalBytes: 0 };
  for await (const { key } of store.list({ prefix: `${path}/` })) {
    if (!key.endsWith(".sst")) continue;
    found.sstFiles++;
    found.totalBytes += (await store.head(key))!.size;
  }
  return found;
}
