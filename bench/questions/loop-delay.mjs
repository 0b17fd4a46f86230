/**
 * What compaction costs those who use the event loop: its delay while 256 MiB are merged, next to the delay under the same puts and gets
 * without a merge. Store and database are in the memory of the process, so all that a compaction does is in it too.
 *
 * The delay without a merge is taken before and after the merge, and the mean of both is what the merge is compared with. A delay has a part
 * in which the main thread is ready and other threads and processes have all processors: on Linux, the delay without it is told too, which
 * is that of a machine with processors to spare.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { Db } from "../../dist/index.js";
import { Dice } from "../lib/dice.mjs";
import { orderedKeys } from "../lib/keys.mjs";
import { percentile } from "../lib/numbers.mjs";

export const question =
  "How long is the event loop held up while 256 MiB compact under load? The goal for the p99 is 10 ms above the same load alone.";

const MiB = 1024 * 1024;
const inputBytes = 256 * MiB;
const entries = 4;
const valueBytes = 100;
const rowBytes = 128;
const rows = inputBytes / rowBytes;
const loadedKeys = 100_000;
const operationsPerTurn = 16;

export const cases = [
  { name: "in a thread", threads: 1 },
  { name: "in slices of the main thread", threads: 0 },
].map((each) => ({ ...each, engines: ["moraine"], store: "memory", minutesMax: 5 }));

export const figures = {
  "ms of the p99 above the load alone (goal: at most 10)": "lower",
  "ms, p99": "lower",
  "ms, p99 of the load alone": "lower",
  "ms, p50": "lower",
  "ms, longest": "lower",
  "ms, p99 without waits for a processor": "lower",
  "the same of the load alone": "lower",
  "operations/s": "higher",
  "operations/s of the load alone": "higher",
  "MiB/s compacted": "higher",
};

export async function measure({ rows: values, seconds, options }) {
  const settings = { compactionThreads: options.threads, background: false };
  const db = await Db.open("memory:///loop-delay", { ...settings, walPutsPerSecond: Infinity });
  const keys = orderedKeys(rows);
  // Each entry has keys between those of the others: nothing can be moved or copied.
  for (let entry = 0; entry < entries; entry++) await db.load(some(keys, values, entry));
  await db.flush({ to: "l0" });
  const load = startLoad(db);
  await sleep(500);
  const before = await observe(load, () => sleep(seconds * 1000));
  const merge = await observe(load, () => db.compact());
  const after = await observe(load, () => sleep(seconds * 1000));
  await load.stop();
  const { runCount, l0Count } = db.stats();
  if (runCount !== 1) throw new Error(`There are ${runCount} runs and ${l0Count} entries of L0.`);
  await db.close({ flush: false });
  const alone = (figure) => (before[figure] + after[figure]) / 2;
  return {
    "ms of the p99 above the load alone (goal: at most 10)": merge.p99 - alone("p99"),
    "ms, p99": merge.p99,
    "ms, p99 of the load alone": alone("p99"),
    "ms, p50": merge.p50,
    "ms, longest": merge.longest,
    "ms, p99 without waits for a processor": merge.own,
    "the same of the load alone": alone("own"),
    "operations/s": merge.operations,
    "operations/s of the load alone": alone("operations"),
    "MiB/s compacted": inputBytes / MiB / merge.seconds,
  };
}

function* some(keys, values, entry) {
  for (let i = entry; i < rows; i += entries) {
    yield { key: keys.keyAt(i), value: values.valueAt(i).subarray(0, valueBytes) };
  }
}

/** Puts and gets by turns, some in each ms, until it is stopped. */
function startLoad(db) {
  const keys = orderedKeys(loadedKeys);
  const dice = new Dice(1);
  const load = { operations: 0 };
  let isStopped = false;
  const running = run();
  async function run() {
    const key = keys.empty();
    const value = Buffer.alloc(valueBytes);
    while (!isStopped) {
      for (let i = 0; i < operationsPerTurn; i++) {
        keys.write(key, dice.below(loadedKeys));
        if (i % 2 === 0) await db.put(key, value, { durable: false });
        else await db.get(key);
        load.operations++;
      }
      await sleep(1);
    }
  }
  load.stop = () => {
    isStopped = true;
    return running;
  };
  return load;
}

/** The delay of the event loop until what `work` gives has settled. */
async function observe(load, work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  const stopOwn = startOwnDelay();
  const { operations } = load;
  const startMs = performance.now();
  histogram.enable();
  await work();
  histogram.disable();
  const seconds = (performance.now() - startMs) / 1000;
  const ms = (nanoseconds) => nanoseconds / 1e6;
  return {
    ...{ p50: ms(histogram.percentile(50)), p99: ms(histogram.percentile(99)) },
    ...{ longest: ms(histogram.max), own: percentile(await stopOwn(), 99), seconds },
    operations: (load.operations - operations) / seconds,
  };
}

/** ms that each turn of 1 ms took longer, without those in which this thread was ready and had no processor. NaN where that is not known. */
function startOwnDelay() {
  const file = openSchedule();
  if (file === undefined) return async () => [];
  const delays = [];
  let isStopped = false;
  const running = run();
  async function run() {
    const text = Buffer.alloc(128);
    // Nanoseconds on a processor, nanoseconds ready without one, and turns.
    const waitedMs = () =>
      Number(text.toString("latin1", 0, readSync(file, text, 0, 128, 0)).split(" ")[1]) / 1e6;
    let last = { at: performance.now(), waited: waitedMs() };
    while (!isStopped) {
      await sleep(1);
      const now = { at: performance.now(), waited: waitedMs() };
      delays.push(Math.max(0, now.at - last.at - 1 - (now.waited - last.waited)));
      last = now;
    }
    closeSync(file);
  }
  return async () => {
    isStopped = true;
    await running;
    return delays;
  };
}

function openSchedule() {
  try {
    return openSync(`/proc/self/task/${process.pid}/schedstat`, "r");
  } catch {
    return undefined;
  }
}
