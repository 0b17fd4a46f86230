import { drive, latencyFigures } from "../lib/drive.mjs";

export const question = "How many rows of 100 B per second in batches of 1,000?";

const ofObjects = ["moraine", "uniffi"];
const engines = [...ofObjects, "classic-level", "lmdb"];
const settings = { walPutsPerSecond: Number.POSITIVE_INFINITY };
const batchRows = 1_000;

export const cases = [
  { name: "not durable, 4 at once, local disk", engines, store: "file", durable: false },
  { name: "durable, 4 at once, local disk", engines, store: "file", durable: true, settings },
  {
    name: "not durable, 4 at once, in memory",
    engines: ofObjects,
    store: "memory",
    durable: false,
  },
  {
    name: "durable, 4 at once, in memory",
    engines: ofObjects,
    store: "memory",
    durable: true,
    settings,
  },
];

export const figures = {
  "rows/s": "higher",
  "rows/s until durable": "higher",
  "CPU µs/row": "lower",
  "mean ms": "lower",
  "p50 ms": "lower",
  "p99 ms": "lower",
};

export async function measure({ engine, rows, seconds, options }) {
  const run = await drive({
    concurrency: 4,
    seconds,
    act: (i) => engine.batch(batchOf(rows, i), options.durable),
  });
  const flushStartMs = performance.now();
  await engine.flush();
  const totalMs = run.totalMs + performance.now() - flushStartMs;
  return {
    "rows/s": run.perSecond * batchRows,
    "rows/s until durable": (run.operations * batchRows * 1000) / totalMs,
    "CPU µs/row": run.cpuMicros / batchRows,
    ...latencyFigures(run),
  };
}

function batchOf(rows, index) {
  return Array.from({ length: batchRows }, (_, i) => rows.rowAt(index * batchRows + i));
}
