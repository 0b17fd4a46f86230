import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { importEngine } from "../engines/registry.mjs";
import { fill, makeWarm, pick } from "../lib/data-set.mjs";
import { drive, latencyFigures } from "../lib/drive.mjs";
import { median } from "../lib/numbers.mjs";
import { outputOf } from "../lib/process.mjs";

export const question =
  "What does a filled disk cache save on an object store that answers after 25 ms: to a fresh process, and where memory holds a tenth of 200,000 rows of 100 B?";

const rowCount = 200_000;
const opens = 5;
const cacheBytes = 2 ** 30;
// With what lies between the values, the rows take some 27 MB.
const blockCacheBytes = 2_700_000;
const shared = { engines: ["moraine"], store: "slow-s3", state: "closed" };

export const cases = [
  { name: "fresh process, with", ...shared, opens: true, isCached: true },
  { name: "fresh process, without", ...shared, opens: true, isCached: false },
  { name: "gets, 1 at once, with", ...shared, concurrency: 1, isCached: true },
  { name: "gets, 1 at once, without", ...shared, concurrency: 1, isCached: false },
  { name: "gets, 64 at once, with", ...shared, concurrency: 64, isCached: true },
  { name: "gets, 64 at once, without", ...shared, concurrency: 64, isCached: false },
];

/** Of a fresh process, the requests are all that it makes; of gets, those to the store for each thousand. */
export const figures = {
  "open ms": "lower",
  "first get ms": "lower",
  requests: "lower",
  "gets/s": "higher",
  "CPU µs/get": "lower",
  "mean ms": "lower",
  "p50 ms": "lower",
  "p99 ms": "lower",
  "requests per 1,000 gets": "lower",
};

export function prepare({ engine, rows }) {
  return fill({ engine, rows, count: rowCount });
}

export async function measure(task) {
  const dir = await mkdtemp(join(tmpdir(), "moraine-bench-cache-"));
  try {
    const settings = task.options.isCached ? { cache: { dir, bytes: cacheBytes } } : {};
    return await (task.options.opens ? measureOpens(task, settings) : measureGets(task, settings));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** One process more than is counted: the first reads the files of the engine from the disk. */
async function measureOpens({ rows, options, engineName, location, server }, settings) {
  const { openReader } = await importEngine(engineName);
  if (options.isCached) {
    const engine = await openReader(location, settings);
    await makeWarm({ engine, rows, count: rowCount });
    await engine.close();
  }
  const samples = [];
  for (let i = 0; i <= opens; i++) {
    await server.reset();
    const key = rows.keyAt(i * 1_000).toString();
    const task = { engineName, location, role: "reader", key, settings };
    const output = await outputOf(new URL("../open-once.mjs", import.meta.url), [
      JSON.stringify(task),
    ]);
    samples.push(JSON.parse(output));
  }
  const medianOf = (figure) => median(samples.slice(1).map((sample) => sample[figure]));
  return Object.fromEntries(
    ["open ms", "first get ms", "requests"].map((figure) => [figure, medianOf(figure)]),
  );
}

async function measureGets({ rows, seconds, options, engineName, location }, settings) {
  const { openReader } = await importEngine(engineName);
  const engine = await openReader(location, { ...settings, blockCacheBytes });
  await makeWarm({ engine, rows, count: rowCount });
  const before = engine.stats().requests;
  const run = await drive({
    concurrency: options.concurrency,
    seconds,
    act: async (i) => {
      const value = await engine.get(rows.keyAt(pick(i, rowCount)));
      if (value?.length !== 100) throw new Error("A get has given something else.");
    },
  });
  const requests = engine.stats().requests - before;
  await engine.close();
  return {
    "gets/s": run.perSecond,
    "CPU µs/get": run.cpuMicros,
    ...latencyFigures(run),
    "requests per 1,000 gets": (requests * 1_000) / run.operations,
  };
}
