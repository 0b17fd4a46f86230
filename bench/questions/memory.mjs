import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openEngine } from "../engines/registry.mjs";
import { percentile } from "../lib/numbers.mjs";

export const question =
  "How much memory do writers of 1 KiB take for a minute, on a store that answers after 500 ms?";

const MiB = 1024 * 1024;
const latencyMs = 500;
const lookEveryMs = 20;

/** `run.mjs` gives each case a store of its own; this question brings its server, which is slower. */
export const cases = [64, 1000].map((writers) => ({
  ...{ name: `${writers} at once`, writers, store: "file", rounds: 3 },
  engines: ["moraine"],
}));

export const figures = {
  "peak MiB above idle": "lower",
  "median MiB of the second half": "lower",
  "puts/s": "higher",
};

/** unflushedBytesMax and 96 MiB. */
export const limits = { "peak MiB above idle": 160 };

/** Thirty times `seconds` long. Idle is the process with its database open, before the first put. */
export async function measure({ seconds, options }) {
  const server = await startServer();
  const credentials = { accessKeyId: "bench", secretAccessKey: "bench" };
  const location = { kind: "s3", endpoint: server.url, bucket: "bench", credentials };
  const engine = await openEngine("moraine", location);
  await sleep(1_000);
  const idle = process.memoryUsage.rss();
  const samples = [];
  const timer = setInterval(() => samples.push(process.memoryUsage.rss() - idle), lookEveryMs);
  const endMs = performance.now() + seconds * 30_000;
  let puts = 0;
  async function writer() {
    // Both are copied by the call: the bench itself takes no memory that grows.
    const key = Buffer.alloc(20);
    const value = Buffer.alloc(1024);
    while (performance.now() < endMs) {
      key.write(String(Math.imul(puts++, 0x9e3779b1) >>> 0).padStart(20, "0"), "latin1");
      value.writeUInt32LE(puts, 0);
      await engine.put(key, value, false);
    }
  }
  await Promise.all(Array.from({ length: options.writers }, writer));
  clearInterval(timer);
  server.process.kill();
  // What is left is not worth the wait: the server is gone, and the process is about to end.
  return {
    "peak MiB above idle": samples.reduce((a, b) => Math.max(a, b)) / MiB,
    "median MiB of the second half": percentile(samples.slice(samples.length >> 1), 50) / MiB,
    "puts/s": puts / (seconds * 30),
  };
}

async function startServer() {
  const script = fileURLToPath(new URL("../slow-s3.mjs", import.meta.url));
  const server = spawn(process.execPath, [script, "0"], {
    env: { ...process.env, LAT_MS: String(latencyMs) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(server.stdout, "data");
  return { process: server, url: String(line).trim() };
}
