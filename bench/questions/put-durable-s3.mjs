import { drive, latencyFigures } from "../lib/drive.mjs";

export const question =
  "How many durable puts of 100 B per second on an object store that answers after 25 ms, and for how many PUTs?";

const engines = ["moraine", "uniffi", "uniffi-10ms"];
const store = "slow-s3";
const unlimited = { walPutsPerSecond: Number.POSITIVE_INFINITY };
// The default of 20 a second, as it is when the burst has been spent: no more than one token is ever saved up.
const budget = { walPutsBurst: 1 };

export const cases = [
  {
    name: "1 at once, no budget",
    engines: [...engines, "raw-put"],
    store,
    concurrency: 1,
    settings: unlimited,
  },
  { name: "64 at once, no budget", engines, store, concurrency: 64, settings: unlimited },
  { name: "1,000 at once, no budget", engines, store, concurrency: 1_000, settings: unlimited },
  {
    name: "1 at once, default budget, burst spent",
    engines,
    store,
    concurrency: 1,
    settings: budget,
  },
  {
    name: "64 at once, default budget, burst spent",
    engines,
    store,
    concurrency: 64,
    settings: budget,
  },
  {
    name: "1,000 at once, default budget, burst spent",
    engines,
    store,
    concurrency: 1_000,
    settings: budget,
  },
];

export const figures = {
  "puts/s": "higher",
  "mean ms": "lower",
  "p50 ms": "lower",
  "p99 ms": "lower",
  "PUTs/s": "lower",
  "PUTs per 1,000 puts": "lower",
};

export async function measure({ engine, rows, seconds, options, server }) {
  await server.reset();
  const run = await drive({
    concurrency: options.concurrency,
    seconds,
    act: (i) => engine.put(rows.keyAt(i), rows.valueAt(i), true),
  });
  const { PUT } = await server.counts();
  return {
    "puts/s": run.perSecond,
    ...latencyFigures(run),
    "PUTs/s": (PUT.requests * 1000) / run.totalMs,
    "PUTs per 1,000 puts": (PUT.requests * 1000) / run.operations,
  };
}
