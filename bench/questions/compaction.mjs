/**
 * Updates for as long as it takes compaction to find its rhythm: what a row costs that is written again and again. The puts are acknowledged
 * and not waited for until they are durable; the time ends when all of them are. A peer is given a tenth of them.
 *
 * Space is what the newest manifest names, looked at again and again over the second half, in parts of what is left after all is compacted.
 */
import { Db } from "../../dist/index.js";
import { Dice } from "../lib/dice.mjs";
import { keyBytes, orderedKeys } from "../lib/keys.mjs";

export const question =
  "What does a steady stream of updates cost: 10 M puts over 1 M keys, at random, with compaction? The goals are 1.6 for space and 6 for bytes PUT.";

const keyCount = 1_000_000;
const valueBytes = 100;
const putsAtOnce = 1000;

export const cases = [
  {
    name: "uniform updates",
    engines: ["moraine", "uniffi"],
    store: "memory",
    rounds: 3,
    minutesMax: 20,
  },
];

export const figures = {
  "puts/s until durable": "higher",
  "times the space, mean (goal: at most 1.6)": "lower",
  "times the space, most": "lower",
  "bytes PUT per byte put (goal: at most 6)": "lower",
  "requests per 1 M puts": "lower",
};

export async function measure({ engine, engineName, rows, seconds: asked }) {
  // Only to see that it runs, where less than a second is asked for.
  const puts = asked < 1 ? 1_000_000 : 10_000_000;
  if (engineName !== "moraine") {
    const seconds = await putAll(engine.put, engine.flush, rows, puts / 10);
    return { "puts/s until durable": puts / 10 / seconds };
  }
  const db = await Db.open("memory:///compaction");
  const put = (key, value) => db.put(key, value, { durable: false });
  const named = [];
  const before = db.stats().requests;
  const seconds = await putAll(
    put,
    () => db.flush(),
    rows,
    puts,
    (done) => {
      const { l0Bytes, runBytes } = db.stats().space;
      if (done > puts / 2) named.push(l0Bytes + runBytes);
    },
  );
  const after = db.stats().requests;
  await db.flush({ to: "l0" });
  await db.compact();
  const { l0Bytes, runBytes } = db.stats().space;
  const { failures } = db.stats().compaction;
  if (l0Bytes > 0 || failures.length > 0) throw new Error("The compaction did not end well.");
  await db.close();
  const bytesPut = ({ create, put: puts }) => create.bytesPut + puts.bytesPut;
  const bytes = puts * (keyBytes + valueBytes);
  const mean = named.reduce((sum, each) => sum + each, 0) / named.length;
  return {
    "puts/s until durable": puts / seconds,
    "times the space, mean (goal: at most 1.6)": mean / runBytes,
    "times the space, most": Math.max(...named) / runBytes,
    "bytes PUT per byte put (goal: at most 6)": (bytesPut(after) - bytesPut(before)) / bytes,
    "requests per 1 M puts": ((after.total.requests - before.total.requests) * 1_000_000) / puts,
  };
}

/** Seconds. */
async function putAll(put, flush, rows, count, onProgress = () => undefined) {
  const keys = orderedKeys(keyCount);
  const dice = new Dice(1);
  const start = performance.now();
  for (let done = 0; done < count; ) {
    const waiting = [];
    for (let i = 0; i < putsAtOnce && done < count; i++, done++) {
      waiting.push(put(keys.keyAt(dice.below(keyCount)), rows.valueAt(done), false));
    }
    await Promise.all(waiting);
    if (done % 50_000 === 0) onProgress(done);
  }
  await flush();
  return (performance.now() - start) / 1000;
}
