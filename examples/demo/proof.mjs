/** The proof: a new reader finds every acknowledged write, with the value that was acknowledged, and hashes that are right. */
import { createHash } from "node:crypto";
import { readRecord } from "./tree.mjs";

const getsAtOnce = 256;
const samples = 500;

/**
 * @param {import("moraine").DbReader} reader
 * @param {Map<string, string>} acknowledged path → SHA-256 of the value
 * @returns what was found, with a line for each thing that is wrong
 */
export async function prove(reader, { root, acknowledged, advance }) {
  const wrong = [];
  const paths = [...acknowledged.keys()];
  for (let start = 0; start < paths.length; start += getsAtOnce) {
    const some = paths.slice(start, start + getsAtOnce);
    const values = await reader.getMany(some);
    for (const [i, path] of some.entries()) {
      const value = values[i];
      if (value === undefined) wrong.push(`lost: ${path}`);
      else if (digestOf(value) !== acknowledged.get(path)) wrong.push(`altered: ${path}`);
    }
    advance(some.length);
  }
  const changed = await checkHashes(reader, root, sampleOf(paths), wrong);
  let rowCount = 0;
  let previous = "";
  for await (const key of reader.keys()) {
    const path = Buffer.from(key).toString("latin1");
    if (path <= previous) wrong.push(`out of order: ${path}`);
    previous = path;
    rowCount++;
  }
  if (rowCount < paths.length) wrong.push(`a scan gives ${rowCount} rows of ${paths.length}`);
  return { wrong, rowCount, sampleCount: Math.min(samples, paths.length), changed };
}

/** Reads files again. One that is not what it was says nothing about the database. */
async function checkHashes(reader, root, paths, wrong) {
  let changed = 0;
  for (const path of paths) {
    const value = await reader.get(path);
    const now = await readRecord(root, path);
    if (value === undefined) continue;
    const stored = JSON.parse(Buffer.from(value).toString());
    if (now === undefined || now.mtimeMs !== stored.mtimeMs) changed++;
    else if (now.sha256 !== stored.sha256) wrong.push(`another hash: ${path}`);
  }
  return changed;
}

/** Paths at even distances: some that the killed writer wrote, and some of its successor. */
function sampleOf(paths) {
  const step = Math.max(1, paths.length / samples);
  return Array.from(
    { length: Math.min(samples, paths.length) },
    (_, i) => paths[Math.floor(i * step)],
  );
}

const digestOf = (value) => createHash("sha256").update(value).digest("hex");
