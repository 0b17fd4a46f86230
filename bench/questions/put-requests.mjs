import { drive } from "../lib/drive.mjs";

export const question =
  "How many PUT requests do a million non-durable puts of 100 B cost, on an object store that answers after 25 ms?";

const operationsMax = 1_000_000;

export const cases = [
  {
    name: "64 at once, up to 1 M puts",
    engines: ["moraine", "uniffi"],
    store: "slow-s3",
    rounds: 3,
  },
];

export const figures = {
  "PUTs per 1 M puts": "lower",
  "requests per 1 M puts": "lower",
  "puts made": "higher",
  "puts/s": "higher",
};

/** Ends after a million puts or eight times `seconds`; flushes everything to SSTs before it counts. */
export async function measure({ engine, rows, seconds, server }) {
  await server.reset();
  const run = await drive({
    concurrency: 64,
    seconds: seconds * 8,
    operationsMax,
    act: (i) => engine.put(rows.keyAt(i), rows.valueAt(i), false),
  });
  await engine.flushToTables();
  const counts = await server.counts();
  const requests = Object.values(counts).reduce((sum, count) => sum + count.requests, 0);
  return {
    "PUTs per 1 M puts": (counts.PUT.requests * 1e6) / run.operations,
    "requests per 1 M puts": (requests * 1e6) / run.operations,
    "puts made": run.operations,
    "puts/s": (run.operations * 1000) / run.totalMs,
  };
}
