import { fill, makeWarm, pick, withRequests } from "../lib/data-set.mjs";
import { drive, latencyFigures } from "../lib/drive.mjs";

export const question =
  "How many warm gets per second, of 200,000 rows of 100 B on the local disk?";

const rowCount = 200_000;
const engines = ["moraine", "uniffi", "classic-level", "lmdb"];
const store = "file";
// Large enough that no row leaves the MemTable.
const justWritten = {
  engines: ["moraine", "uniffi"],
  store,
  state: "just written",
  settings: { memTableBytes: 2 ** 26, unflushedBytesMax: 2 ** 27 },
};

export const cases = [
  { name: "hit, 1 at once", engines, store, hits: true, concurrency: 1 },
  { name: "hit, 64 at once", engines, store, hits: true, concurrency: 64 },
  { name: "miss, 1 at once", engines, store, hits: false, concurrency: 1 },
  { name: "miss, 64 at once", engines, store, hits: false, concurrency: 64 },
  { name: "hit, 1 at once, just written", ...justWritten, hits: true, concurrency: 1 },
  { name: "hit, 64 at once, just written", ...justWritten, hits: true, concurrency: 64 },
  { name: "miss, 64 at once, just written", ...justWritten, hits: false, concurrency: 64 },
];

export const figures = {
  "gets/s": "higher",
  "CPU µs/get": "lower",
  "mean ms": "lower",
  "p50 ms": "lower",
  "p99 ms": "lower",
  requests: "lower",
};

export function prepare({ engine, rows, options }) {
  const toTables = options.state !== "just written";
  return fill({ engine, rows, count: rowCount, toTables });
}

/** Missed keys lie between those that are there. */
export async function measure({ engine, rows, seconds, options }) {
  const { hits, concurrency, valueBytes = 100 } = options;
  const length = hits ? valueBytes : undefined;
  const keyAt = hits
    ? (i) => rows.keyAt(pick(i, rowCount))
    : (i) => rows.keyAt(rowCount + pick(i, rows.keyCount - rowCount));
  await makeWarm({ engine, rows, count: rowCount });
  return withRequests(engine, async () => {
    const run = await drive({
      concurrency,
      seconds,
      act: async (i) => {
        const value = await engine.get(keyAt(i));
        if (value?.length !== length) throw new Error("A get has given something else.");
      },
    });
    return { "gets/s": run.perSecond, "CPU µs/get": run.cpuMicros, ...latencyFigures(run) };
  });
}
