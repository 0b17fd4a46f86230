import { drive, latencyFigures } from "../lib/drive.mjs";

export const question = "How many puts of 100 B per second, acknowledged before they are durable?";

const engines = ["moraine", "uniffi", "classic-level", "lmdb"];
const ofObjects = ["moraine", "uniffi"];

export const cases = [
  { name: "1 at once, local disk", engines, store: "file", concurrency: 1 },
  { name: "64 at once, local disk", engines, store: "file", concurrency: 64 },
  { name: "1 at once, in memory", engines: ofObjects, store: "memory", concurrency: 1 },
  { name: "64 at once, in memory", engines: ofObjects, store: "memory", concurrency: 64 },
];

export const figures = {
  "puts/s": "higher",
  "puts/s until durable": "higher",
  "CPU µs/put": "lower",
  "mean ms": "lower",
  "p50 ms": "lower",
  "p99 ms": "lower",
};

export async function measure({ engine, rows, seconds, options }) {
  const run = await drive({
    concurrency: options.concurrency,
    seconds,
    act: (i) => engine.put(rows.keyAt(i), rows.valueAt(i), false),
  });
  const flushStartMs = performance.now();
  await engine.flush();
  const totalMs = run.totalMs + performance.now() - flushStartMs;
  return {
    "puts/s": run.perSecond,
    // Of the whole run, warm-up included: what was acknowledged early has to be written in the end.
    "puts/s until durable": (run.operations * 1000) / totalMs,
    "CPU µs/put": run.cpuMicros,
    ...latencyFigures(run),
  };
}
