/** Whole processes that share the folder of a disk cache, some of which are killed. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Db } from "../../src/index.js";
import { type PlainSources, plainSources } from "./bundle.js";

let sources: PlainSources;
let folder = "";
beforeAll(() => {
  sources = plainSources();
  folder = mkdtempSync(join(tmpdir(), "moraine-process-cache-"));
});
afterAll(() => {
  sources.remove();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

const rows = 20_000;
const bytes = 1024 * 1024;

/** Reads at random what it can compute, with a cache on the disk that is too small for it, until the time is over. */
const readForAWhile = `
import { DbReader } from "./dist/index.js";
const [url, dir, ms, seed] = process.argv.slice(2);
const options = { blockCacheBytes: 200_000, cache: { dir, bytes: ${bytes} } };
const end = Date.now() + Number(ms);
let state = Number(seed), wrong = 0, reads = 0, damaged = 0, hits = 0;
const next = () => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) % ${rows};
while (Date.now() < end) {
  const reader = await DbReader.open(url, options);
  for (let i = 0; i < 300; i++, reads++) {
    const n = next();
    const value = await reader.get("key " + String(n).padStart(6, "0"));
    if (value === undefined || new TextDecoder().decode(value) !== "value " + n + "x".repeat(90)) wrong++;
  }
  const { diskCache } = reader.stats();
  damaged += diskCache.damaged; hits += diskCache.hits;
  await reader.close();
  process.stdout.write(".");
}
console.log(JSON.stringify({ wrong, reads, damaged, hits }));
`;

async function run(ms: number, seed: number, kill: boolean): Promise<string> {
  const file = join(sources.directory, "read-for-a-while.mjs");
  writeFileSync(file, readForAWhile);
  const child = spawn(process.execPath, [
    ...[file, `file://${folder}/db`, join(folder, "cache"), String(ms), String(seed)],
  ]);
  let output = "";
  let isDue = false;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    // In the middle of a later round: the first has filled the cache.
    if (kill && !isDue) setTimeout(() => child.kill("SIGKILL"), 30 + seed);
    isDue = true;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  await new Promise((resolve) => child.on("close", resolve));
  return output.replace(/^\.*/, "");
}

test("processes that share a folder never read anything wrong, and those that are killed leave nothing wrong", async () => {
  const db = await Db.open(`file://${folder}/db`);
  await db.load(
    Array.from({ length: rows }, (_, n) => ({
      key: `key ${String(n).padStart(6, "0")}`,
      value: `value ${n}${"x".repeat(90)}`,
    })),
  );
  await db.close();
  const outputs = await Promise.all([
    ...[1, 2].map((seed) => run(4000, seed, false)),
    // These would go on for long, were they not killed.
    ...[3, 4, 5].map((seed) => run(60_000, seed * 7, true)),
  ]);
  for (const output of outputs.slice(0, 2)) {
    const { wrong, damaged, hits, reads } = JSON.parse(output);
    expect({ wrong, damaged }).toEqual({ wrong: 0, damaged: 0 });
    expect(hits).toBeGreaterThan(0);
    expect(reads).toBeGreaterThan(0);
  }
  expect(outputs.slice(2)).toEqual(["", "", ""]);
  const files = readdirSync(join(folder, "cache"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const total = files.reduce((sum, file) => sum + statSync(file).size, 0);
  // Five at once may exceed the bound by an eighth each.
  expect(total).toBeLessThanOrEqual(bytes * (1 + 5 / 8));
  // What is there in the end is whole: nothing but renames puts it there.
  for (const file of files) {
    if (file.endsWith(".part")) expect(readFileSync(file, "latin1").slice(0, 4)).toBe("MRNP");
  }
});
