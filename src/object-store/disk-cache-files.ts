/**
 * `DiskCacheFiles`: the files of a disk cache, and which of them to give up.
 *
 *   <dir>/<database id>/<object id>/<part number>.part      an entry, see `cached-part.ts`
 *   <dir>/<database id>/<object id>/<token>.tmp             one that is being written, or was when a process ended
 *
 * Whatever else lies there belongs to others: it is neither counted nor touched.
 */
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "./file-system.js";

/** A part of `node:fs/promises`, so that a test can put a failing disk in its place. */
export type CacheFileSystem = Pick<
  typeof fs,
  "open" | "rename" | "unlink" | "mkdir" | "readdir" | "stat" | "rmdir" | "utimes"
>;

export const nodeCacheFileSystem: CacheFileSystem = fs;

export interface CacheFile {
  readonly path: string;
  readonly bytes: number;
  /** When it was written, or last spared because it was in use. */
  readonly mtimeMs: number;
  readonly isTemporary: boolean;
}

const idName = /^[0-9A-HJKMNP-TV-Z]{26}$/;
const partName = /^\d{1,10}\.part$/;
const temporaryName = /^[0-9a-f]{16}\.tmp$/;
/** A write takes milliseconds: after so long, whoever began it is gone. */
const temporaryMs = 600_000;
const statsAtOnce = 16;

export interface CacheListing {
  readonly files: readonly CacheFile[];
  /** Folders of objects. */
  readonly folders: readonly string[];
}

/** What vanishes while it looks is left out. Rejects when the folder itself cannot be read, unless it does not exist. */
export async function listCache(fileSystem: CacheFileSystem, dir: string): Promise<CacheListing> {
  const files: CacheFile[] = [];
  const folders: string[] = [];
  for (const databaseId of await namesIn(fileSystem, dir)) {
    if (!idName.test(databaseId)) continue;
    for (const objectId of await namesIn(fileSystem, join(dir, databaseId))) {
      if (!idName.test(objectId)) continue;
      const folder = join(dir, databaseId, objectId);
      folders.push(folder);
      files.push(...(await listFolder(fileSystem, folder)));
    }
  }
  return { files, folders };
}

/** The files of one object. */
export async function listFolder(
  fileSystem: CacheFileSystem,
  folder: string,
): Promise<CacheFile[]> {
  const names = await namesIn(fileSystem, folder);
  const files: CacheFile[] = [];
  for (let i = 0; i < names.length; i += statsAtOnce) {
    const some = names.slice(i, i + statsAtOnce);
    const found = await Promise.all(some.map((name) => cacheFile(fileSystem, folder, name)));
    for (const file of found) if (file !== undefined) files.push(file);
  }
  return files;
}

async function namesIn(fileSystem: CacheFileSystem, folder: string): Promise<string[]> {
  try {
    return await fileSystem.readdir(folder);
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}

async function cacheFile(
  fileSystem: CacheFileSystem,
  folder: string,
  name: string,
): Promise<CacheFile | undefined> {
  const isTemporary = temporaryName.test(name);
  if (!isTemporary && !partName.test(name)) return undefined;
  const path = join(folder, name);
  try {
    const found = await fileSystem.stat(path);
    if (!found.isFile()) return undefined;
    return { path, bytes: found.size, mtimeMs: found.mtimeMs, isTemporary };
  } catch {
    return undefined;
  }
}

export interface Eviction {
  readonly remove: readonly CacheFile[];
  /** In use and old: to be given the time of now, so that they are not the oldest again. */
  readonly spare: readonly CacheFile[];
  /** What is left. */
  readonly bytes: number;
}

/**
 * Which files to give up so that `bytesMax` are left: what a dead process left half written, then the oldest, those that `isUsed`
 * names only when the others are not enough.
 */
export function chooseEviction(
  files: readonly CacheFile[],
  options: { bytesMax: number; nowMs: number; isUsed: (path: string) => boolean },
): Eviction {
  const { bytesMax, nowMs, isUsed } = options;
  const remove: CacheFile[] = [];
  const spare: CacheFile[] = [];
  let bytes = 0;
  const entries: CacheFile[] = [];
  for (const file of files) {
    if (file.isTemporary && nowMs - file.mtimeMs > temporaryMs) remove.push(file);
    else bytes += file.bytes;
    if (!file.isTemporary) entries.push(file);
  }
  entries.sort((a, b) => a.mtimeMs - b.mtimeMs);
  for (const file of entries) {
    if (bytes <= bytesMax) break;
    if (isUsed(file.path)) spare.push(file);
    else {
      remove.push(file);
      bytes -= file.bytes;
    }
  }
  let taken = 0;
  while (bytes > bytesMax && taken < spare.length) {
    bytes -= spare[taken]!.bytes;
    remove.push(spare[taken++]!);
  }
  return { remove, spare: spare.slice(taken), bytes };
}
