/** The rows that reads are measured on: how they are written, which keys are asked for, and how caches are made warm. */

const batchRows = 1_000;
// A prime that divides no count of rows here: reads go in another order than the writes did.
const stride = 7_919;

/** Writes the first `count` rows, which are in scattered order, and flushes them to tables. */
export async function fill({ engine, rows, count, toTables = true }) {
  for (let from = 0; from < count; from += batchRows) {
    const length = Math.min(batchRows, count - from);
    await engine.batch(
      Array.from({ length }, (_, i) => rows.rowAt(from + i)),
      false,
    );
  }
  if (!toTables) return engine.flush();
  await (engine.flushToTables ?? engine.flush)();
}

/** The number of the row of read `i`. */
export const pick = (i, count) => (i * stride) % count;

/** The keys of the first `count` rows in their order. */
export function sortedKeys(rows, count) {
  return Array.from({ length: count }, (_, i) => rows.keyAt(i)).sort(Buffer.compare);
}

/**
 * Reads everything once in order, and then enough keys to have been in every block. Keys are scattered by the golden ratio, so
 * that a Fibonacci number in place of 7 would pass over whole blocks.
 */
export async function makeWarm({ engine, rows, count }) {
  await engine.scan({});
  const keys = sortedKeys(rows, count).filter((_, i) => i % 7 === 0);
  await getAll(engine, keys, 64);
}

/** Gets each of the keys, in scattered order. */
export async function getAll(engine, keys, concurrency) {
  let next = 0;
  const worker = async () => {
    while (next < keys.length) {
      const value = await engine.get(keys[pick(next++, keys.length)]);
      if (value === undefined) throw new Error("A row is missing.");
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

/** Runs `act` and says how many requests the engine made meanwhile, where it counts them. */
export async function withRequests(engine, act) {
  const before = engine.stats()?.requests;
  const figures = await act();
  if (before === undefined) return figures;
  return { ...figures, requests: engine.stats().requests - before };
}
