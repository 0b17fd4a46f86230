// How fast one core compacts on a memory store: runs with no keys in common, which are copied, and overlapping ones, which are merged.
// node bench/compaction-speed.mjs [MiB per run, default 64]
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("..", import.meta.url));
const exported = {
  "compaction/slice-runner": "SliceRunner",
  "object-store/memory": "MemoryObjectStore",
  "format/sst-builder": "SstBuilder",
  "common/row": "RowRef",
  "common/clock": "systemClock",
  "common/random": "systemRandom",
};
const folder = mkdtempSync(join(tmpdir(), "compaction-speed-"));
const entry = join(folder, "entry.ts");
const lines = Object.entries(exported).map(
  ([file, name]) => `export { ${name} } from ${JSON.stringify(join(root, "src", `${file}.ts`))};`,
);
writeFileSync(entry, lines.join("\n"));
const build = await rolldown({
  input: entry,
  platform: "node",
  external: [/^node:/],
  resolve: { extensionAlias: { ".js": [".ts", ".js"] }, modules: [join(root, "node_modules")] },
});
await build.write({ file: join(folder, "engine.mjs"), format: "esm", codeSplitting: false });
const engine = await import(pathToFileURL(join(folder, "engine.mjs")).href);
rmSync(folder, { recursive: true });

const MiB = 1024 * 1024;
const runBytes = Number(process.argv[2] ?? 64) * MiB;
const databaseId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const runCount = 4;
const valueBytes = 100;
const rowsPerRun = Math.floor(runBytes / (valueBytes + 25));
const noise = crypto.getRandomValues(new Uint8Array(65536 - 16));
let idCount = 0;

async function storeRun(store, run, { keyOf, sstBytes, seq }) {
  const ssts = [];
  const row = new engine.RowRef();
  let builder;
  const close = async () => {
    const { chunks, info } = builder.finish();
    await store.put(`sst/${info.id}.sst`, Buffer.concat(chunks));
    ssts.push(info);
    builder = undefined;
  };
  for (let i = 0; i < rowsPerRun; i++) {
    const id = `01AAAAAAAA${String(++idCount).padStart(16, "0")}`;
    builder ??= new engine.SstBuilder({ id, databaseId });
    const key = Buffer.from(`user:${String(keyOf(run, i)).padStart(12, "0")}`);
    row.keyBytes = key;
    row.keyEnd = key.length;
    row.valueBytes = noise;
    row.valueStart = (i * 97) % (noise.length - valueBytes);
    row.valueEnd = row.valueStart + valueBytes;
    row.seq = seq + i;
    row.createdAt = 1_700_000_000_000 + i;
    builder.add(row);
    if (builder.bytesWritten >= sstBytes) await close();
  }
  if (builder !== undefined) await close();
  return { ssts, seq: 0 };
}

async function measure(name, { keyOf, sstBytes }) {
  const store = new engine.MemoryObjectStore();
  const sources = [];
  for (let run = 0; run < runCount; run++) {
    const seq = 1 + (runCount - run) * rowsPerRun;
    sources.push(await storeRun(store, run, { keyOf, sstBytes, seq }));
  }
  const bytes = sources.flatMap(({ ssts }) => ssts).reduce((sum, { size }) => sum + size, 0);
  const job = {
    ...{ id: "01JZZZZZZZ0000000000000000", reason: "", inputs: { l0: [], runs: [] }, level: 0 },
    ...{ retainSeq: 2 ** 40, expiredAt: Date.now(), isBottom: true, sstBytesMax: 64 * MiB },
    ...{ status: 1, claim: "", worker: "", signNumber: 0, attempts: 0, failure: "", ranges: [] },
    rewrites: false,
  };
  const built = { blockBytes: 4096, filterBitsPerKey: 10, unfilteredSstBytesMax: 0 };
  const runner = new engine.SliceRunner({
    ...{ store, clock: engine.systemClock, random: engine.systemRandom },
  });
  const signal = new AbortController().signal;
  globalThis.gc?.();
  const cpu = process.cpuUsage();
  const start = performance.now();
  const ranges = await runner.run(
    { job, databaseId, sources, build: built },
    { progress() {} },
    signal,
  );
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  const outputs = ranges.flatMap((range) => range.outputs);
  const rate = (ms) => (bytes / 1e6 / (ms / 1000)).toFixed(0);
  console.log(
    `${name}: ${(bytes / 1e6).toFixed(0)} MB in ${wall.toFixed(0)} ms, ${rate(wall)} MB/s (${rate((user + system) / 1000)} MB per second of CPU), ${outputs.length} outputs`,
  );
}

const shapes = {
  "copied (no keys in common, SSTs of 8 MiB)": {
    keyOf: (run, i) => run * rowsPerRun + i,
    sstBytes: 8 * MiB,
  },
  "merged (keys interleaved, SSTs of 16 MiB)": {
    keyOf: (run, i) => i * runCount + run,
    sstBytes: 16 * MiB,
  },
  "merged (the same keys, SSTs of 16 MiB)": { keyOf: (_run, i) => i, sstBytes: 16 * MiB },
};
const only = process.argv[3];
for (const [name, shape] of Object.entries(shapes)) {
  if (only !== undefined && !name.startsWith(only)) continue;
  await measure(name, shape);
  await measure(name, shape);
}
