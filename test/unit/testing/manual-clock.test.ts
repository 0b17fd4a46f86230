/** `ManualClock`: what fires when. */
import { expect, test } from "vitest";
import { ManualClock } from "../../../src/testing/manual-clock.js";

test("timers fire in the order of their times, each at its own, and ties in the order they were set", async () => {
  const clock = new ManualClock({ now: 1_000 });
  const fired: [string, number, number][] = [];
  for (const [name, ms] of [
    ["c", 30],
    ["a", 10],
    ["b1", 20],
    ["b2", 20],
    ["late", 101],
  ] as const) {
    clock.after(ms, () => fired.push([name, clock.monotonic(), clock.now()]));
  }
  await clock.advance(100);
  expect(fired).toEqual([
    ["a", 10, 1_010],
    ["b1", 20, 1_020],
    ["b2", 20, 1_020],
    ["c", 30, 1_030],
  ]);
  expect([clock.monotonic(), clock.now(), clock.pendingTimers]).toEqual([100, 1_100, 1]);
});

test("promises settle between two timers", async () => {
  const clock = new ManualClock();
  const steps: string[] = [];
  const work = async (): Promise<void> => {
    await clock.sleep(10);
    for (let i = 0; i < 50; i++) await Promise.resolve();
    steps.push(`slept until ${clock.monotonic()}`);
    await clock.sleep(5);
    steps.push(`slept until ${clock.monotonic()}`);
  };
  void work();
  clock.after(12, () => steps.push("timer at 12"));
  await clock.advance(20);
  expect(steps).toEqual(["slept until 10", "timer at 12", "slept until 15"]);
});

test("a timer that is cancelled does not fire, nor does a sleep that is aborted", async () => {
  const clock = new ManualClock();
  clock.after(1, () => expect.unreachable()).cancel();
  const controller = new AbortController();
  const reason = new Error("enough");
  const sleep = clock.sleep(1, controller.signal);
  controller.abort(reason);
  await expect(sleep).rejects.toBe(reason);
  await expect(clock.sleep(1, controller.signal)).rejects.toBe(reason);
  expect(clock.pendingTimers).toBe(0);
  await clock.advance(10);
});

test("the wall clock can be set alone, and a frozen process fires nothing", async () => {
  const clock = new ManualClock({ now: 5_000 });
  let fired = 0;
  clock.after(100, () => fired++);
  clock.setWall(0);
  expect([clock.now(), clock.monotonic(), fired]).toEqual([0, 0, 0]);
  clock.freeze(1_000);
  await clock.settle();
  expect([clock.now(), clock.monotonic(), fired]).toEqual([1_000, 1_000, 0]);
  await clock.advance(0);
  expect([clock.monotonic(), fired]).toEqual([1_000, 1]);
});

test("the end of a turn needs no advance, and comes after what is ready", async () => {
  const clock = new ManualClock();
  const steps: string[] = [];
  clock.endOfTurn(() => {
    steps.push("end");
    clock.endOfTurn(() => steps.push("next end"));
  });
  void Promise.resolve().then(() => steps.push("ready"));
  await clock.settle();
  expect(steps).toEqual(["ready", "end", "next end"]);
});

test("advanceUntil goes as far as is needed, gives the outcome, and has a limit", async () => {
  const clock = new ManualClock();
  expect(await clock.advanceUntil(clock.sleep(1_234).then(() => "done"))).toBe("done");
  expect(clock.monotonic()).toBe(1_234);
  await expect(clock.advanceUntil(Promise.reject(new Error("no")))).rejects.toThrow("no");
  await expect(clock.advanceUntil(clock.sleep(11), 10)).rejects.toThrow("did not settle");
});

test("timers that set each other without time moving on are an error", async () => {
  const clock = new ManualClock();
  const again = (): void => {
    clock.after(0, again);
  };
  again();
  await expect(clock.advance(1)).rejects.toThrow("set each other");
}, 30_000);
