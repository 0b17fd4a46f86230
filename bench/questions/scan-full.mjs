import { fill, makeWarm, withRequests } from "../lib/data-set.mjs";

export const question = "How fast does a warm scan read everything, on the local disk?";

const engines = ["moraine", "uniffi", "classic-level", "lmdb"];
const store = "file";

// Both fit in a block cache of 64 MiB, which is what Moraine and uniffi have by default.
export const cases = [
  { name: "200,000 rows of 100 B", engines, store, rowCount: 200_000 },
  { name: "40,000 rows of 1 KiB", engines, store, rowCount: 40_000, valueBytes: 1024 },
  {
    name: "200,000 rows of 100 B, just written",
    engines: ["moraine", "uniffi"],
    store,
    rowCount: 200_000,
    state: "just written",
    settings: { memTableBytes: 2 ** 26, unflushedBytesMax: 2 ** 27 },
  },
];

/** Of the ways that Moraine has to read a scan, the fastest; `for await` on its own too. */
export const figures = {
  "rows/s": "higher",
  "MB/s": "higher",
  "for await: rows/s": "higher",
  "CPU µs/row": "lower",
  requests: "lower",
};

export function prepare({ engine, rows, options }) {
  const toTables = options.state !== "just written";
  return fill({ engine, rows, count: options.rowCount, toTables });
}

export async function measure({ engine, rows, seconds, options }) {
  const { rowCount } = options;
  await makeWarm({ engine, rows, count: rowCount });
  const perSecond = {};
  return withRequests(engine, async () => {
    let best;
    for (const [way, scan] of Object.entries(engine.scanWays ?? { scan: engine.scan })) {
      const run = await scanFor(scan, seconds, rowCount);
      perSecond[way] = run["rows/s"];
      if (best === undefined || run["rows/s"] > best["rows/s"]) best = run;
    }
    return { ...best, "for await: rows/s": perSecond["for await"] };
  });
}

/** Whole scans one after the other, for a quarter of `seconds` and then until they have taken `seconds`. */
async function scanFor(scan, seconds, rowCount) {
  await repeat(scan, seconds / 4, rowCount);
  const cpuStart = process.cpuUsage();
  const { rows, bytes, ms } = await repeat(scan, seconds, rowCount);
  const cpu = process.cpuUsage(cpuStart);
  return {
    "rows/s": (rows * 1000) / ms,
    "MB/s": bytes / 1e3 / ms,
    "CPU µs/row": (cpu.user + cpu.system) / rows,
  };
}

async function repeat(scan, seconds, rowCount) {
  const startMs = performance.now();
  const total = { rows: 0, bytes: 0, ms: 0 };
  while (total.ms < seconds * 1000) {
    const { rows, bytes } = await scan({});
    if (rows < rowCount) throw new Error(`A scan has given ${rows} rows.`);
    total.rows += rows;
    total.bytes += bytes;
    total.ms = performance.now() - startMs;
  }
  return total;
}
