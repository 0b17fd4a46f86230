/** Keeps a number of operations going for a time, and measures them once they run warm. */
import { percentile } from "./numbers.mjs";

/**
 * Calls `act(i)` with i = 0, 1, 2 …, `concurrency` at once, for a warm-up of a quarter of `seconds` and then `seconds`, or
 * until `operationsMax` have been called. What settles within the measured time counts for `perSecond`, `latenciesMs` and
 * `cpuMicros` (of the whole process, per operation); `operations` and `totalMs` are of the whole run.
 */
export async function drive({ concurrency, seconds, operationsMax = Infinity, act }) {
  const latenciesMs = [];
  const beginMs = performance.now();
  const startMs = beginMs + seconds * 250;
  const endMs = startMs + seconds * 1000;
  let operations = 0;
  let cpuAtStart = process.cpuUsage();
  let isWarm = false;

  async function worker() {
    let now = performance.now();
    while (now < endMs && operations < operationsMax) {
      const sentMs = now;
      await act(operations++);
      now = performance.now();
      if (now < startMs || now >= endMs) continue;
      if (!isWarm) {
        isWarm = true;
        cpuAtStart = process.cpuUsage();
      }
      latenciesMs.push(now - sentMs);
    }
  }

  await Promise.all(Array.from({ length: concurrency }, worker));
  const doneMs = performance.now();
  const cpu = process.cpuUsage(cpuAtStart);
  return {
    operations,
    totalMs: doneMs - beginMs,
    perSecond: (latenciesMs.length * 1000) / (Math.min(endMs, doneMs) - startMs),
    cpuMicros: (cpu.user + cpu.system) / latenciesMs.length,
    latenciesMs,
  };
}

export function latencyFigures({ latenciesMs }) {
  const sum = latenciesMs.reduce((a, b) => a + b, 0);
  return {
    "mean ms": sum / latenciesMs.length,
    "p50 ms": percentile(latenciesMs, 50),
    "p99 ms": percentile(latenciesMs, 99),
  };
}
