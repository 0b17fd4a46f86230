import { fill, getAll, sortedKeys } from "../lib/data-set.mjs";

export const question =
  "How many GETs warm a database of 48 MB, with random gets by 64 readers, on an object store that answers after 25 ms?";

// All the keys that there are, and values that make 48 MB of them.
const rowCount = 262_144;
const againCount = 2_000;

export const cases = [
  {
    name: "every key once, 64 at once",
    engines: ["moraine", "uniffi"],
    store: "slow-s3",
    valueBytes: 164,
    rounds: 3,
  },
];

/** Gets of keys that were read before take none in an engine whose cache holds the database. */
export const figures = {
  GETs: "lower",
  "MB fetched": "lower",
  seconds: "lower",
  "GETs per 1,000 gets of a second pass": "lower",
};

export function prepare({ engine, rows }) {
  return fill({ engine, rows, count: rowCount });
}

export async function measure({ engine, rows, server }) {
  const sorted = sortedKeys(rows, rowCount);
  await server.reset();
  // uniffi 0.12.1 never answers when its first gets are 64 at once: one goes ahead, and counts.
  await engine.get(sorted[0]);
  const first = await pass(sorted);
  await server.reset();
  const second = await pass(Array.from({ length: againCount }, (_, i) => rows.keyAt(i)));
  return {
    GETs: first.gets,
    "MB fetched": first.bytes / 1e6,
    seconds: first.seconds,
    "GETs per 1,000 gets of a second pass": (second.gets * 1000) / againCount,
  };

  async function pass(keys) {
    const startMs = performance.now();
    await getAll(engine, keys, 64);
    const seconds = (performance.now() - startMs) / 1000;
    const counts = await server.counts();
    const gets = [counts.GET, counts["GET-RANGE"]].filter((count) => count !== undefined);
    return {
      seconds,
      gets: gets.reduce((sum, count) => sum + count.requests, 0),
      bytes: gets.reduce((sum, count) => sum + count.bytesOut, 0),
    };
  }
}
