/** Memory is bounded: a process whose writers are faster than its store waits instead of growing. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type PlainSources, plainSources } from "./bundle.js";

const MiB = 1024 * 1024;
const unflushedBytesMax = 64 * MiB;
/** What the process takes above what is not flushed: dead arrays, the young generation, code. */
const overheadBytesMax = 96 * MiB;

let sources: PlainSources;
beforeAll(() => {
  sources = plainSources();
});
afterAll(() => sources.remove());

/** 64 writers of 1 KiB on a store that reads each body, answers after 500 ms and forgets it. */
const firehose = `
import { Db } from "./dist/index.js";
import { MemoryObjectStore } from "./dist/object-store/memory.js";
const [seconds, options] = [Number(process.argv[2]), JSON.parse(process.argv[3])];
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
class SlowStore extends MemoryObjectStore {
  async create(key, bytes) {
    if (!key.includes("/wal/")) return super.create(key, bytes);
    await sleep(500);
    return "created";
  }
  async put(key, source) {
    await sleep(500);
    if (!key.includes("/sst/")) return super.put(key, source);
  }
}
const db = await Db.open({ store: new SlowStore(), path: "db" }, options);
await sleep(500);
const idle = process.memoryUsage.rss();
let peak = 0;
let puts = 0;
setInterval(() => { peak = Math.max(peak, process.memoryUsage.rss() - idle); }, 20);
const end = performance.now() + seconds * 1000;
await Promise.all(Array.from({ length: 64 }, async () => {
  const key = Buffer.alloc(20);
  const value = Buffer.alloc(1024);
  while (performance.now() < end) {
    key.write(String(Math.imul(puts++, 0x9e3779b1) >>> 0).padStart(20, "0"), "latin1");
    value.writeUInt32LE(puts, 0);
    await db.put(key, value, { durable: false });
  }
}));
console.log(JSON.stringify({ peak, puts }));
process.exit(0);
`;

async function run(seconds: number, options = {}): Promise<{ peak: number; puts: number }> {
  const file = join(sources.directory, "firehose.mjs");
  writeFileSync(file, firehose);
  const child = spawn(process.execPath, [file, String(seconds), JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  await once(child, "close");
  return JSON.parse(output);
}

// Where other processes keep the collector's threads from running, dead arrays stay longer: then once more. What grows does so each time.
test("a firehose on a slow store takes unflushedBytesMax and 96 MiB at most", {
  retry: 2,
}, async () => {
  const { peak, puts } = await run(7);
  expect(puts * 1024).toBeGreaterThan(unflushedBytesMax);
  expect(peak).toBeLessThanOrEqual(unflushedBytesMax + overheadBytesMax);
});

test("this finds writers that do not wait", async () => {
  const { peak } = await run(3, { unflushedBytesMax: 4096 * MiB });
  expect(peak).toBeGreaterThan(unflushedBytesMax + overheadBytesMax);
});
