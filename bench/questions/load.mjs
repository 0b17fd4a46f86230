import { drive } from "../lib/drive.mjs";

export const question = "How many sorted rows of 100 B per second are loaded, on the local disk?";

/** Moraine loads them by `db.load`; the others, which have no such call, write ascending batches. */
export const cases = [
  {
    name: "until durable",
    engines: ["moraine", "uniffi", "classic-level", "lmdb"],
    store: "file",
  },
];

export const figures = {
  "rows/s": "higher",
  "CPU µs/row": "lower",
  "bytes PUT per byte": "lower",
  "longest stall ms": "lower",
};

const keyBytes = 20;
const loadedRows = 1_000_000;
const batchRows = 1_000;

export async function measure({ engine, rows, seconds }) {
  const keys = sortedKeys(loadedRows);
  const rowAt = (i) => ({ key: keyAt(keys, i % loadedRows), value: rows.valueAt(i) });
  if (engine.load === undefined) {
    const cpuStart = process.cpuUsage();
    const run = await drive({
      concurrency: 4,
      seconds,
      operationsMax: loadedRows / batchRows,
      act: (n) =>
        engine.batch(
          Array.from({ length: batchRows }, (_, i) => rowAt(n * batchRows + i)),
          false,
        ),
    });
    const flushStartMs = performance.now();
    await engine.flush();
    const totalMs = run.totalMs + performance.now() - flushStartMs;
    const count = run.operations * batchRows;
    return {
      "rows/s": (count * 1000) / totalMs,
      "CPU µs/row": micros(process.cpuUsage(cpuStart)) / count,
    };
  }
  // The compiler has seen the way once.
  await engine.load(entries(rowAt, 0, loadedRows / 10));
  const stall = watchStalls();
  const before = engine.stats().bytesPut;
  const cpuStart = process.cpuUsage();
  const startMs = performance.now();
  const { bytes } = await engine.load(entries(rowAt, 0, loadedRows));
  const totalMs = performance.now() - startMs;
  const cpu = micros(process.cpuUsage(cpuStart));
  const longest = stall.stop();
  // The commit of the manifest too.
  await engine.flushToTables();
  return {
    "rows/s": (loadedRows * 1000) / totalMs,
    "CPU µs/row": cpu / loadedRows,
    "bytes PUT per byte": (engine.stats().bytesPut - before) / bytes,
    "longest stall ms": longest,
  };
}

function* entries(rowAt, from, to) {
  for (let i = from; i < to; i++) yield rowAt(i);
}

/** The keys in one buffer, so that making them is not what is measured. */
function sortedKeys(count) {
  const keys = Buffer.alloc(count * keyBytes);
  for (let i = 0; i < count; i++) {
    keys.write(`user${String(i * 34_359_738).padStart(16, "0")}`, i * keyBytes, "latin1");
  }
  return keys;
}

const keyAt = (keys, i) => keys.subarray(i * keyBytes, (i + 1) * keyBytes);
const micros = ({ user, system }) => user + system;

/** The longest time that the event loop was held up. */
function watchStalls() {
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last - 1);
    last = now;
  }, 1);
  return {
    stop() {
      clearInterval(timer);
      return longest;
    },
  };
}
