import { fill, makeWarm, sortedKeys, withRequests } from "../lib/data-set.mjs";
import { drive, latencyFigures } from "../lib/drive.mjs";

export const question =
  "How many warm scans of 100 rows per second, of 200,000 rows of 100 B on the local disk?";

const rowCount = 200_000;
const limit = 100;
const engines = ["moraine", "uniffi", "classic-level", "lmdb"];
const store = "file";
const justWritten = {
  engines: ["moraine", "uniffi"],
  store,
  state: "just written",
  settings: { memTableBytes: 2 ** 26, unflushedBytesMax: 2 ** 27 },
};

export const cases = [
  { name: "forward, 1 at once", engines, store, reverse: false, concurrency: 1 },
  { name: "reverse, 1 at once", engines, store, reverse: true, concurrency: 1 },
  { name: "forward, 64 at once", engines, store, reverse: false, concurrency: 64 },
  { name: "forward, 1 at once, just written", ...justWritten, reverse: false, concurrency: 1 },
  { name: "reverse, 1 at once, just written", ...justWritten, reverse: true, concurrency: 1 },
];

/** Of the ways that Moraine has to read a scan, the fastest; `for await` on its own too. */
export const figures = {
  "scans/s": "higher",
  "for await: scans/s": "higher",
  "CPU µs/scan": "lower",
  "mean ms": "lower",
  "p50 ms": "lower",
  "p99 ms": "lower",
  requests: "lower",
};

export function prepare({ engine, rows, options }) {
  const toTables = options.state !== "just written";
  return fill({ engine, rows, count: rowCount, toTables });
}

export async function measure({ engine, rows, seconds, options }) {
  const { reverse, concurrency } = options;
  await makeWarm({ engine, rows, count: rowCount });
  const sorted = sortedKeys(rows, rowCount);
  const starts = rowCount - 2 * limit;
  // Never so near an end that there are fewer rows.
  const startOf = (i) => sorted[limit + ((i * 7_919) % starts)];
  const rangeOf = reverse
    ? (i) => ({ lte: startOf(i), limit, reverse })
    : (i) => ({ gte: startOf(i), limit });
  const perSecond = {};
  return withRequests(engine, async () => {
    let best;
    for (const [way, scan] of Object.entries(engine.scanWays ?? { scan: engine.scan })) {
      const run = await drive({
        concurrency,
        seconds,
        act: async (i) => {
          const tally = await scan(rangeOf(i));
          if (tally.rows !== limit) throw new Error(`A scan has given ${tally.rows} rows.`);
        },
      });
      perSecond[way] = run.perSecond;
      if (best === undefined || run.perSecond > best.perSecond) best = run;
    }
    return {
      "scans/s": best.perSecond,
      "for await: scans/s": perSecond["for await"],
      "CPU µs/scan": best.cpuMicros,
      ...latencyFigures(best),
    };
  });
}
