import { setTimeout as sleep } from "node:timers/promises";
import { fill, pick, sortedKeys } from "../lib/data-set.mjs";
import { median } from "../lib/numbers.mjs";

export const question =
  "What does the first scan of 100 rows somewhere cost on open handles, of 200,000 rows of 100 B, on an object store that answers after 25 ms?";

const rowCount = 200_000;
const limit = 100;
const scanCount = 15;
// For what a scan has begun to fetch ahead.
const afterMs = 60;
const engines = ["moraine", "uniffi"];
const store = "slow-s3";

export const cases = [
  { name: "forward", engines, store, reverse: false },
  { name: "reverse", engines, store, reverse: true },
];

/** A source is an SST or a sorted run; `stats()` of Moraine says how many there are. */
export const figures = {
  "p50 ms": "lower",
  "GETs per scan": "lower",
  "GETs per source": "lower",
  "KB fetched per scan": "lower",
};

export function prepare({ engine, rows }) {
  return fill({ engine, rows, count: rowCount });
}

/** The tables are open: a get and a scan at the first key have been there. Each scan then begins where none has been. */
export async function measure({ engine, rows, options, server }) {
  const sorted = sortedKeys(rows, rowCount);
  await engine.get(sorted[0]);
  await engine.scan({ limit });
  await sleep(500);
  const step = Math.floor(rowCount / (scanCount + 1));
  const latenciesMs = [];
  const requests = [];
  const bytes = [];
  for (let i = 0; i < scanCount; i++) {
    const start = sorted[step * (1 + pick(i, scanCount))];
    const range = options.reverse ? { lte: start, reverse: true } : { gte: start };
    await server.reset();
    const startMs = performance.now();
    const tally = await engine.scan({ ...range, limit });
    latenciesMs.push(performance.now() - startMs);
    if (tally.rows !== limit) throw new Error(`A scan has given ${tally.rows} rows.`);
    await sleep(afterMs);
    const got = await server.counts();
    requests.push(sum(got, "requests"));
    bytes.push(sum(got, "bytesOut"));
  }
  // Medians: a poll of the manifest falls into some of the scans.
  const perScan = median(requests);
  const sources = engine.stats()?.sources;
  return {
    "p50 ms": median(latenciesMs),
    "GETs per scan": perScan,
    ...(sources && { "GETs per source": perScan / sources }),
    "KB fetched per scan": median(bytes) / 1000,
  };
}

function sum(counts, what) {
  return ["GET", "GET-RANGE"].reduce((total, name) => total + (counts[name]?.[what] ?? 0), 0);
}
