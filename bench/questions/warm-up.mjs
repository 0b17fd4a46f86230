import { fill, getAll, sortedKeys } from "../lib/data-set.mjs";

export const question =
  "How many GETs warm a database of 48 MB, with random gets by 64 readers, on an object store that answers after 25 ms?";

// All the keys that there are, and values that make 48 MB of them.
const rowCount = 262_144;
// Fewer rows than there are in a block of 4 KiB.
const everyNth = 16;

export const cases = [
  {
    name: "a key of every block, 64 at once",
    engines: ["moraine", "uniffi"],
    store: "slow-s3",
    valueBytes: 164,
    rounds: 3,
  },
];

/** Gets of other keys, afterwards, take none in an engine that is warm. */
export const figures = {
  GETs: "lower",
  "MB fetched": "lower",
  seconds: "lower",
  "GETs per 1,000 gets afterwards": "lower",
};

export function prepare({ engine, rows }) {
  return fill({ engine, rows, count: rowCount });
}

export async function measure({ engine, rows, server }) {
  const sorted = sortedKeys(rows, rowCount);
  const first = await pass(sorted.filter((_, i) => i % everyNth === 0));
  const others = sorted.filter((_, i) => i % (10 * everyNth) === 1);
  const second = await pass(others);
  return {
    GETs: first.gets,
    "MB fetched": first.bytes / 1e6,
    seconds: first.seconds,
    "GETs per 1,000 gets afterwards": (second.gets * 1000) / others.length,
  };

  async function pass(keys) {
    await server.reset();
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
