/** Waits with an `AbortSignal`: they share its listener, and each is told once. */
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { whenAborted, withSignal } from "../../../src/common/abort.js";
import { systemClock } from "../../../src/common/clock.js";
import { warningsOf } from "../../support/warnings.js";

const listening = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;

test("callbacks are called in order, once, in the tick of the abort, with its reason", () => {
  const controller = new AbortController();
  const { signal } = controller;
  const calls: unknown[] = [];
  for (const name of ["a", "b", "c"]) whenAborted(signal, (reason) => calls.push(name, reason));
  expect(listening(signal)).toBe(1);
  controller.abort("enough");
  signal.dispatchEvent(new Event("abort"));
  expect(calls).toEqual(["a", "enough", "b", "enough", "c", "enough"]);
  expect(listening(signal)).toBe(0);
});

test("one that is taken back is not called, even by one that is called before it", () => {
  const controller = new AbortController();
  const { signal } = controller;
  const calls: string[] = [];
  const takeBack = whenAborted(signal, () => calls.push("a"));
  whenAborted(signal, () => {
    calls.push("b");
    takeBackLast();
  });
  whenAborted(signal, () => calls.push("c"));
  const takeBackLast = whenAborted(signal, () => calls.push("d"));
  takeBack();
  takeBack();
  expect(listening(signal)).toBe(1);
  controller.abort();
  expect(calls).toEqual(["b", "c"]);
  takeBackLast();
  expect(listening(signal)).toBe(0);
});

test("one function that waits twice is called twice, and each is taken back alone", () => {
  const controller = new AbortController();
  const { signal } = controller;
  let calls = 0;
  const onAbort = (): void => void calls++;
  const takeBacks = Array.from({ length: 3 }, () => whenAborted(signal, onAbort));
  takeBacks[1]!();
  controller.abort();
  expect(calls).toBe(2);
});

test("the listener goes with the last that waits, and comes back with the next", async () => {
  const { signal } = new AbortController();
  for (let round = 0; round < 2; round++) {
    const takeBack = whenAborted(signal, () => undefined);
    const waiting = withSignal(Promise.resolve(round), signal);
    expect(listening(signal)).toBe(1);
    takeBack();
    expect(listening(signal)).toBe(1);
    expect(await waiting).toBe(round);
    expect(listening(signal)).toBe(0);
  }
});

test("nobody is called of an abort that was before, and nothing is left on the signal", () => {
  const signal = AbortSignal.abort();
  const takeBack = whenAborted(signal, () => expect.unreachable());
  whenAborted(undefined, () => expect.unreachable())();
  expect(listening(signal)).toBe(0);
  takeBack();
});

test("50 sleeps with one signal add one listener, and all reject with its reason", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const reason = new Error("enough");
  const warnings = await warningsOf(async () => {
    const sleeps = Array.from({ length: 50 }, () => systemClock.sleep(3_600_000, signal));
    const short = systemClock.sleep(1, signal);
    expect(listening(signal)).toBe(1);
    await short;
    controller.abort(reason);
    const settled = await Promise.allSettled(sleeps);
    for (const outcome of settled) expect(outcome).toEqual({ status: "rejected", reason });
  });
  expect(warnings).toEqual([]);
  expect(listening(signal)).toBe(0);
  await expect(systemClock.sleep(1, signal)).rejects.toBe(reason);
});

test("a sleep that ends leaves no listener", async () => {
  const { signal } = new AbortController();
  await systemClock.sleep(1, signal);
  expect(listening(signal)).toBe(0);
});
