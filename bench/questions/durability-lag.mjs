import { setTimeout as sleep } from "node:timers/promises";
import { drive } from "../lib/drive.mjs";
import { percentile } from "../lib/numbers.mjs";

export const question =
  "How long after its acknowledgement is a non-durable put durable, while 64 writers go on?";

const engines = ["moraine", "uniffi"];
const samplesEveryMs = 2;
const askEveryMs = 50;
const patienceMs = 5_000;

export const cases = [
  { name: "nobody asks, local disk", engines, store: "file", settings: { flushIntervalMs: 100 } },
  {
    name: "nobody asks, 25 ms store",
    engines,
    store: "slow-s3",
    settings: { flushIntervalMs: 100 },
  },
  {
    name: "asked every 50 ms, 25 ms store",
    engines,
    store: "slow-s3",
    asks: true,
    settings: { flushIntervalMs: 100 },
  },
];

export const figures = {
  "lag p50 ms": "lower",
  "lag p99 ms": "lower",
  "samples never durable": "lower",
  "puts/s": "higher",
};

export async function measure({ engine, rows, seconds, options }) {
  let newest;
  const lagsMs = [];
  const watch = options.asks ? askFor : watchSeq;
  const watching = watch(engine, () => newest, lagsMs);
  const run = await drive({
    concurrency: 64,
    seconds: seconds * 2,
    act: async (i) => {
      const write = await engine.put(rows.keyAt(i), rows.valueAt(i), false);
      newest = { write, ackMs: performance.now() };
    },
  });
  const neverDurable = await watching.end();
  return {
    "lag p50 ms": percentile(lagsMs, 50),
    "lag p99 ms": percentile(lagsMs, 99),
    "samples never durable": neverDurable,
    "puts/s": run.perSecond,
  };
}

/** Only looks on: asking for a write to be durable would send it. */
function watchSeq(engine, newestWrite, lagsMs) {
  let waiting = [];
  let lastSeq = 0;
  const look = () => {
    const durableSeq = engine.durableSeq();
    const now = performance.now();
    waiting = waiting.filter(({ seq, ackMs }) => {
      if (seq > durableSeq) return true;
      lagsMs.push(now - ackMs);
      return false;
    });
  };
  const timer = setInterval(() => {
    const newest = newestWrite();
    const seq = newest === undefined ? 0 : engine.seqOf(newest.write);
    if (seq > lastSeq) {
      waiting.push({ seq, ackMs: newest.ackMs });
      lastSeq = seq;
    }
    look();
  }, samplesEveryMs);
  return {
    async end() {
      const deadlineMs = performance.now() + patienceMs;
      while (waiting.length > 0 && performance.now() < deadlineMs) await sleep(samplesEveryMs);
      clearInterval(timer);
      return waiting.length;
    },
  };
}

function askFor(engine, newestWrite, lagsMs) {
  const asked = [];
  const timer = setInterval(() => {
    const newest = newestWrite();
    if (newest === undefined) return;
    const isDurable = engine.whenDurable(newest.write);
    asked.push(isDurable.then(() => lagsMs.push(performance.now() - newest.ackMs)));
  }, askEveryMs);
  return {
    async end() {
      clearInterval(timer);
      await Promise.all(asked);
      return 0;
    },
  };
}
