/**
 * The writer, a process of its own, so that it can be killed. It writes one line of JSON to its standard output for each path, and
 * only once the write is durable:
 *
 *   {"open": …}   the database is open; how many files it holds already
 *   {"path": …, "seq": …, "digest": …}   the path is stored; the SHA-256 of its value
 *   {"stats": …}   requests so far
 */
import { createHash } from "node:crypto";
import { Db } from "moraine";
import { forEachAtOnce, listFiles, readRecord } from "./tree.mjs";

/** Files that are read, and puts that wait for the store, at once. Many puts share one object of the log. */
const filesAtOnce = 128;
const statsEveryMs = 100;

const { url, root, files } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const db = await Db.open(url, {
  // Small, so that the demo has several SSTs to show.
  memTableBytes: 1024 * 1024,
  // A folder takes no money for a request; a bucket does, and there the default budget holds.
  ...(url.startsWith("file:") ? { walPutsPerSecond: Number.POSITIVE_INFINITY } : {}),
});

const known = new Set();
for await (const key of db.keys()) known.add(Buffer.from(key).toString());
say({ open: { epoch: db.stats().epoch, seq: db.seq, known: known.size } });

let toldAt = 0;
const missing = (await listFiles(root, files ?? Number.POSITIVE_INFINITY)).filter(
  (path) => !known.has(path),
);
await forEachAtOnce(missing, filesAtOnce, async (path) => {
  const record = await readRecord(root, path);
  // Gone since it was listed.
  if (record === undefined) return;
  const value = JSON.stringify(record);
  const { seq } = await db.put(path, value);
  say({ path, seq, digest: createHash("sha256").update(value).digest("hex") });
  if (performance.now() - toldAt > statsEveryMs) {
    toldAt = performance.now();
    say({ stats: db.stats() });
  }
});
await db.close();
say({ stats: db.stats() });
