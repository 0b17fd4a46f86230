import { setTimeout as sleep } from "node:timers/promises";

export const question = "How many requests does an open database make in a minute without work?";

export const cases = [
  { name: "a minute", engines: ["moraine", "uniffi"], store: "slow-s3", rounds: 1 },
];

export const figures = { requests: "lower" };

/** Of Moraine: a run that finds more fails. */
export const limits = { requests: 0 };

/** Shorter than a minute when `seconds` is below 2, and then scaled to one. */
export async function measure({ engine, rows, seconds, server }) {
  await engine.put(rows.keyAt(0), rows.valueAt(0), true);
  await engine.flush();
  await sleep(1_000);
  await server.reset();
  const idleSeconds = Math.min(60, seconds * 30);
  await sleep(idleSeconds * 1000);
  const counts = await server.counts();
  const requests = Object.values(counts).reduce((sum, count) => sum + count.requests, 0);
  return { requests: (requests * 60) / idleSeconds };
}
