/** A throttle lets so many bytes pass in a second, in the order of those who wait, and does nothing while nobody does. */
import { describe, expect, test } from "vitest";
import type { Clock } from "../../../src/common/clock.js";
import { Throttle, throttled } from "../../../src/compaction/throttle.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { ManualClock } from "../../../src/testing/manual-clock.js";

const rate = 1000;

/** Takes, and notes when it has. */
function taker(
  throttle: Throttle,
  clock: Clock,
): {
  taken: [string, number][];
  take(name: string, bytes: number, signal?: AbortSignal): Promise<void>;
} {
  const taken: [string, number][] = [];
  return {
    taken,
    take: async (name, bytes, signal) => {
      await throttle.take(bytes, signal);
      taken.push([name, clock.monotonic()]);
    },
  };
}

describe("a throttle", () => {
  test("gives what a moment is worth at once, and then so many bytes a second", async () => {
    const clock = new ManualClock();
    const { taken, take } = taker(new Throttle(rate, clock), clock);
    const all = Promise.all([take("a", 250), take("b", 500), take("c", 100), take("d", 1)]);
    await clock.advance(2_000);
    await all;
    expect(taken).toEqual([
      ["a", 0],
      ["b", 0],
      ["c", 500],
      ["d", 600],
    ]);
  });

  test("serves who comes first, also before who wants less", async () => {
    const clock = new ManualClock();
    const { taken, take } = taker(new Throttle(rate, clock), clock);
    const all = [take("first", 10_000), take("large", 5_000), take("small", 1)];
    await clock.advance(60_000);
    await Promise.all(all);
    expect(taken.map(([name]) => name)).toEqual(["first", "large", "small"]);
    expect(taken[2]![1] - taken[1]![1]).toBe(5_000);
  });

  test("lets nobody pass those who wait when their timer is late", async () => {
    let now = 0;
    const late: (() => void)[] = [];
    const after = (_ms: number, callback: () => void): { cancel(): void } => {
      late.push(callback);
      return { cancel: () => undefined };
    };
    const clock = { ...new ManualClock(), monotonic: () => now, after } as unknown as Clock;
    const { taken, take } = taker(new Throttle(rate, clock), clock);
    await take("first", 2_000);
    const all = [take("second", 10)];
    now = 10_000;
    all.push(take("third", 10));
    for (const fire of late) fire();
    await Promise.all(all);
    expect(taken.map(([name]) => name)).toEqual(["first", "second", "third"]);
  });

  test("keeps its rate over many takes of any size, and saves up no more than a moment", async () => {
    const clock = new ManualClock();
    const { taken, take } = taker(new Throttle(rate, clock), clock);
    await clock.advance(100_000);
    const start = clock.monotonic();
    const all = Array.from({ length: 200 }, (_, i) => take(String(i), (i * 37) % 300));
    await clock.advance(60_000);
    await Promise.all(all);
    const bytes = Array.from({ length: 199 }, (_, i) => (i * 37) % 300).reduce((a, b) => a + b);
    expect(taken.at(-1)![1] - start).toBeGreaterThan(bytes - 251 - 300);
    expect(taken.at(-1)![1] - start).toBeLessThanOrEqual(bytes + 1);
  });

  test("that is aborted takes nothing, and those behind move up", async () => {
    const clock = new ManualClock();
    const { taken, take } = taker(new Throttle(rate, clock), clock);
    const stop = new AbortController();
    void take("first", 1_250);
    const aborted = take("aborted", 50_000, stop.signal);
    const last = take("last", 10);
    stop.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    await clock.advance(1_000);
    await last;
    expect(taken).toEqual([
      ["first", 0],
      ["last", 1_000],
    ]);
    await expect(take("late", 1, stop.signal)).rejects.toThrow("enough");
  });

  test("has no timer while nobody waits", async () => {
    const clock = new ManualClock();
    const throttle = new Throttle(rate, clock);
    await throttle.take(5_000);
    expect(clock.pendingTimers).toBe(0);
    const stop = new AbortController();
    const waiting = throttle.take(1, stop.signal);
    const other = throttle.take(1);
    expect(clock.pendingTimers).toBe(1);
    stop.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(5_000);
    await other;
    expect(clock.pendingTimers).toBe(0);
  });

  test("without a bound never waits", async () => {
    const clock = new ManualClock();
    const throttle = new Throttle(Number.POSITIVE_INFINITY, clock);
    for (let i = 0; i < 100; i++) await throttle.take(2 ** 40);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("a throttled store", () => {
  test("takes what it reads and writes, and what it sends from a source", async () => {
    const clock = new ManualClock();
    const throttle = new Throttle(rate, clock);
    const store = throttled(new MemoryObjectStore(), throttle);
    /** ms until the next byte may pass. */
    const owed = async (): Promise<number> => {
      const before = clock.monotonic();
      const taken = throttle.take(0).then(() => clock.monotonic() - before);
      await clock.advance(100_000);
      return taken;
    };
    await store.put("a", new Uint8Array(2_250));
    expect(await owed()).toBe(2_000);
    await store.create("b", new Uint8Array(1_250));
    expect(await owed()).toBe(1_000);
    await store.get("a");
    expect(await owed()).toBe(2_000);
    await store.get("a", { range: { offset: 0, length: 1_250 } });
    expect(await owed()).toBe(1_000);
    await store.get("a", { range: { offset: 2_000, length: 9_999 } });
    expect(await owed()).toBe(0);
    await store.get("missing", { range: { suffix: 9_999 } });
    expect(await owed()).toBe(0);
    await store.head("a");
    await store.delete(["b"]);
    expect(await owed()).toBe(0);
    const sent = store.put("c", async function* () {
      for (let i = 0; i < 3; i++) yield new Uint8Array(1_000);
    });
    await clock.advance(1_700);
    expect(await Promise.race([sent, Promise.resolve("not yet")])).toBe("not yet");
    await clock.advance(100);
    await sent;
    expect((await store.head("c"))?.size).toBe(3_000);
  });

  test("sends nothing for who was aborted while it waited", async () => {
    const clock = new ManualClock();
    const throttle = new Throttle(rate, clock);
    const inner = new MemoryObjectStore();
    const store = throttled(inner, throttle);
    await throttle.take(10_000);
    const stop = new AbortController();
    const put = store.put("a", new Uint8Array(1), { signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(put).rejects.toThrow("enough");
    expect(await inner.head("a")).toBeUndefined();
  });
});
