/** The FIFO strategy over long histories: nothing goes too early, and not much stays too long. Figures stand in docs/benchmarks.md. */
import { describe, expect, test } from "vitest";
import { fifo } from "../../../src/compaction/fifo.js";
import { flushBytes, seeded } from "./strategy-histories.js";
import { type Operation, StrategyModel } from "./strategy-model.js";

const rows = 20;
const rowBytes = flushBytes / rows;
const flushMs = 1000;

const series = (flush: number): Operation[] =>
  Array.from({ length: rows }, (_, i) => ({ key: flush * rows + i }));
const random = seeded(5);
const anywhere = (): Operation[] =>
  Array.from({ length: rows }, () => ({ key: random(1_000_000) }));

describe.each([
  ["a time series", series, 3.1],
  ["keys anywhere", anywhere, 5],
])("of %s", (name, operations, writesMost) => {
  test("rows stay until their time, and a tenth longer at most", () => {
    const flushes = 200;
    const ttlMs = flushes * flushMs;
    const model = new StrategyModel({ strategy: fifo({ ttlMs }), rowBytes, flushMs });
    const written: number[] = [0];
    let most = 0;
    for (let flush = 0; flush < 700; flush++) {
      const all = operations(flush);
      for (const _ of all) written.push(model.now);
      model.flush(all);
      if (flush % 20 === 0) model.check(({ seq }) => written[seq]! + ttlMs < model.now);
      if (flush > 400) most = Math.max(most, model.namedBytes / flushBytes);
    }
    log(`fifo, ${name}, by time`, model, most);
    expect(most).toBeLessThanOrEqual(1.15 * flushes);
    expect(most).toBeGreaterThan(flushes);
    expect(model.writeAmplification).toBeLessThanOrEqual(writesMost);
    expect(model.runsMost).toBeLessThanOrEqual(30);
  });

  test("the newest bytes stay, up to what was asked for", () => {
    const bytesMax = 200 * flushBytes;
    const model = new StrategyModel({ strategy: fifo({ bytesMax }), rowBytes, flushMs });
    let [most, least] = [0, Number.POSITIVE_INFINITY];
    for (let flush = 0; flush < 700; flush++) {
      model.flush(operations(flush));
      // Nothing of the newest half has gone.
      const last = (flush + 1) * rows;
      if (flush % 20 === 0) model.check(({ seq }) => seq < last - 100 * rows);
      if (flush > 400) most = Math.max(most, model.namedBytes);
      if (flush > 400) least = Math.min(least, model.namedBytes);
    }
    log(`fifo, ${name}, by size`, model, most / flushBytes);
    expect(most).toBeLessThanOrEqual(1.05 * bytesMax);
    expect(least).toBeGreaterThan(0.85 * bytesMax);
    expect(model.writeAmplification).toBeLessThanOrEqual(writesMost);
    expect(model.runsMost).toBeLessThanOrEqual(30);
  });
});

test("nothing goes while a snapshot is open", () => {
  const strategy = fifo({ ttlMs: 1000 });
  const model = new StrategyModel({ strategy: fifo({ ttlMs: 1e9 }), rowBytes, flushMs });
  for (let flush = 0; flush < 20; flush++) model.flush(series(flush));
  const { manifest } = model;
  const later = model.now + 1e6;
  const drops = (over: object): boolean =>
    strategy.pick({ ...manifest, ...over }, [], later).some((pick) => pick.drops);
  expect(drops({})).toBe(true);
  expect(drops({ snapshotSeq: 5 })).toBe(false);
});

test("everything goes, L0 too, once all of it is old", () => {
  const model = new StrategyModel({ strategy: fifo({ ttlMs: 100_000 }), rowBytes, flushMs });
  for (let flush = 0; flush < 18; flush++) model.flush(series(flush));
  expect(model.l0.length).toBeGreaterThan(0);
  expect(model.runs.length).toBeGreaterThan(0);
  model.now += 1e6;
  model.settle();
  expect(model.namedBytes).toBe(0);
});

test("without a limit it is refused", () => {
  expect(() => fifo({})).toThrow(/needs "bytesMax" or "ttlMs"/);
  expect(() => fifo({ ttlMs: 5 })).toThrow(/"ttlMs" of the strategy "fifo" must be/);
  expect(() => fifo({ ttl: 5000 } as never)).toThrow(/Did you mean "ttlMs"/);
});

function log(name: string, model: StrategyModel, most: number): void {
  if (process.env["MORAINE_REPORT"] !== "1") return;
  const [writes, kept] = [model.writeAmplification, most].map((value) => value.toFixed(2));
  process.stdout.write(`${name}: writes ${writes}, flushes kept ${kept}, runs ${model.runsMost}\n`);
}

test("a fan-in that no job may have is refused, by the name of what to change", () => {
  expect(() => fifo({ ttlMs: 1000, fanInMin: 32 })).toThrow(/"fanInMin".*32.*16.*"fanInMax"/);
  expect(() => fifo({ ttlMs: 1000, fanInMax: 3 })).toThrow(/"fanInMin".*4.*3.*"fanInMax"/);
  expect(fifo({ ttlMs: 1000, fanInMin: 32, fanInMax: 32 }).name).toBe("fifo");
});
