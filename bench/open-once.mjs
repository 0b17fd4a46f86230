/**
 * Opens a database, gets one key, and says how long that took and how many requests it made. Started by
 * `questions/open-cold.mjs` and `questions/disk-cache.mjs`, so that everything is cold but the files of the engine, and the disk
 * cache where `settings` name one.
 */
import { importEngine } from "./engines/registry.mjs";

const { engineName, location, role, key, settings } = JSON.parse(process.argv[2]);
const keyBytes = Buffer.from(key);

const importMs = performance.now();
const { open, openReader } = await importEngine(engineName);
const openMs = performance.now();
const handle = await (role === "reader" ? openReader : open)(location, settings);
const getMs = performance.now();
const value = await handle.get(keyBytes);
const endMs = performance.now();

if (value?.length !== 100) throw new Error("The row is missing.");
const requests = location.kind === "s3" ? await countRequests() : undefined;
await handle.close();
console.log(
  JSON.stringify({
    // `performance.now()` is the time since the process started.
    "from process start ms": endMs,
    "from import() ms": endMs - importMs,
    "import() ms": openMs - importMs,
    "open ms": getMs - openMs,
    "first get ms": endMs - getMs,
    requests,
  }),
);
process.exit(0);

async function countRequests() {
  const counts = await (await fetch(`${location.endpoint}/__counts`)).json();
  return Object.values(counts).reduce((sum, count) => sum + count.requests, 0);
}
