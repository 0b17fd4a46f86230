import { fill, makeWarm, pick, withRequests } from "../lib/data-set.mjs";
import { drive, latencyFigures } from "../lib/drive.mjs";

export const question =
  "How many keys per second does a warm getMany of 100 read, of 200,000 rows of 100 B on the local disk?";

const rowCount = 200_000;
const keysAtOnce = 100;
const store = "file";

export const cases = [
  { name: "1 at once", engines: ["moraine", "uniffi", "classic-level", "lmdb"], store },
  {
    name: "1 at once, just written",
    engines: ["moraine", "uniffi"],
    store,
    state: "just written",
    settings: { memTableBytes: 2 ** 26, unflushedBytesMax: 2 ** 27 },
  },
];

export const figures = {
  "keys/s": "higher",
  "CPU µs/key": "lower",
  "mean ms": "lower",
  "p50 ms": "lower",
  "p99 ms": "lower",
  requests: "lower",
};

export function prepare({ engine, rows, options }) {
  const toTables = options.state !== "just written";
  return fill({ engine, rows, count: rowCount, toTables });
}

export async function measure({ engine, rows, seconds }) {
  await makeWarm({ engine, rows, count: rowCount });
  return withRequests(engine, async () => {
    const run = await drive({
      concurrency: 1,
      seconds,
      act: async (n) => {
        const keys = Array.from({ length: keysAtOnce }, (_, i) =>
          rows.keyAt(pick(n * keysAtOnce + i, rowCount)),
        );
        const values = await engine.getMany(keys);
        if (values.some((value) => value?.length !== 100)) throw new Error("A row is missing.");
      },
    });
    return {
      "keys/s": run.perSecond * keysAtOnce,
      "CPU µs/key": run.cpuMicros / keysAtOnce,
      ...latencyFigures(run),
    };
  });
}
