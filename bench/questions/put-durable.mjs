import { drive, latencyFigures } from "../lib/drive.mjs";

export const question = "How many durable puts of 100 B per second?";

const ofObjects = ["moraine", "uniffi", "uniffi-10ms"];
const engines = [...ofObjects, "classic-level", "lmdb"];
// Files and memory cost nothing, so there is no budget to keep.
const settings = { walPutsPerSecond: Number.POSITIVE_INFINITY };

export const cases = [
  { name: "1 at once, local disk", engines, store: "file", concurrency: 1, settings },
  { name: "64 at once, local disk", engines, store: "file", concurrency: 64, settings },
  { name: "1,000 at once, local disk", engines, store: "file", concurrency: 1_000, settings },
  { name: "1 at once, in memory", engines: ofObjects, store: "memory", concurrency: 1, settings },
  { name: "64 at once, in memory", engines: ofObjects, store: "memory", concurrency: 64, settings },
  {
    name: "1,000 at once, in memory",
    engines: ofObjects,
    store: "memory",
    concurrency: 1_000,
    settings,
  },
];

export const figures = {
  "puts/s": "higher",
  "mean ms": "lower",
  "p50 ms": "lower",
  "p99 ms": "lower",
  "PUTs per 1,000 puts": "lower",
};

export async function measure({ engine, rows, seconds, options }) {
  const before = engine.stats();
  const run = await drive({
    concurrency: options.concurrency,
    seconds,
    act: (i) => engine.put(rows.keyAt(i), rows.valueAt(i), true),
  });
  const after = engine.stats();
  return {
    "puts/s": run.perSecond,
    ...latencyFigures(run),
    // Only of an engine that has objects to PUT, and counts them.
    ...(after && {
      "PUTs per 1,000 puts": ((after.putRequests - before.putRequests) * 1000) / run.operations,
    }),
  };
}
