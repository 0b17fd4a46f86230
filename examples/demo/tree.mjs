/** A tree of files: their paths, and what is stored of each. */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";

const headBytes = 24;

/** Paths of regular files below `root`, sorted, at most `files` of them. Links are not followed. */
export async function listFiles(root, files) {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)))
    .map((path) => path.split(sep).join("/"))
    .sort()
    .slice(0, files);
}

/**
 * What is stored under a path.
 * @typedef {{ size: number, mtimeMs: number, sha256: string, head: string }} FileRecord
 */

/** @returns {Promise<FileRecord | undefined>} undefined when the file has gone meanwhile */
export async function readRecord(root, path) {
  try {
    const file = join(root, path);
    const [bytes, { mtimeMs }] = await Promise.all([readFile(file), stat(file)]);
    return {
      size: bytes.length,
      mtimeMs,
      sha256: createHash("sha256").update(bytes).digest("hex"),
      head: bytes.subarray(0, headBytes).toString("base64"),
    };
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Calls `work` for each item, so many at once; the first failure ends it. */
export async function forEachAtOnce(items, atOnce, work) {
  const rest = items[Symbol.iterator]();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of rest) await work(item);
    }),
  );
}
