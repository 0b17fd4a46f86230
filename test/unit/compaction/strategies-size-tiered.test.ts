/** The size-tiered strategy over long histories: what it costs in bytes written, bytes kept and sources read. Figures stand in docs/benchmarks.md. */
import { describe, expect, test } from "vitest";
import { sizeTiered } from "../../../src/compaction/size-tiered.js";
import { type Figures, figuresOf, flushBytes, report, seeded } from "./strategy-histories.js";
import { StrategyModel } from "./strategy-model.js";

/** Flushes of `rows` rows each, over so many keys that `ratio` flushes would be the whole database. */
function uniform(ratio: number, speed: number): Figures {
  const rows = 50;
  const rowBytes = flushBytes / rows;
  const model = new StrategyModel({ strategy: sizeTiered(), rowBytes, speed });
  const random = seeded(ratio);
  const figures = figuresOf(model, {
    flushes: 1600,
    operations: () => Array.from({ length: rows }, () => ({ key: random(rows * ratio) })),
    sampleKey: () => random(rows * ratio),
  });
  return report(`size-tiered, updates, ${ratio} flushes, speed ${speed}`, figures);
}

describe("uniform updates", () => {
  test.each([
    [8, 1.7],
    [10, 1.6],
    [14, 1.6],
    [20, 1.7],
    [40, 1.65],
    [100, 1.6],
    [200, 1.6],
  ])(
    "of a database of %i flushes are written 6 times at most and kept %f times on average",
    (ratio, space) => {
      const figures = uniform(ratio, 4);
      expect(figures.writes).toBeLessThanOrEqual(6);
      expect(figures.space).toBeLessThanOrEqual(space);
      expect(figures.runsMost).toBeLessThanOrEqual(20);
    },
  );

  test("never take more than 1.6 times their space where a merge reads eight times as fast as flushes come", () => {
    for (const ratio of [10, 14]) {
      const figures = uniform(ratio, 8);
      expect(figures.writes).toBeLessThanOrEqual(6);
      expect(figures.spaceMost).toBeLessThanOrEqual(1.6);
    }
  });
});

const ascending = (flush: number, count = 100): { key: number }[] =>
  Array.from({ length: count }, (_, i) => ({ key: flush * count + i }));

test("ascending inserts are written once by the flush and once as SSTs of full size, and then only moved", () => {
  const model = new StrategyModel({ strategy: sizeTiered(), rowBytes: flushBytes / 100 });
  const figures = figuresOf(model, {
    flushes: 1000,
    operations: (flush) => ascending(flush),
    sampleKey: (flush) => flush * 50,
  });
  report("size-tiered, ascending inserts", figures);
  expect(figures.writes).toBeLessThanOrEqual(3.2);
  expect(figures.spaceMost).toBeLessThanOrEqual(1.01);
  expect(figures.sources).toBeLessThanOrEqual(1.1);
});

test("a queue, whose oldest rows are deleted as new ones come, keeps its space", () => {
  const model = new StrategyModel({ strategy: sizeTiered(), rowBytes: flushBytes / 100 });
  const figures = figuresOf(model, {
    flushes: 600,
    operations: (flush) => [
      ...ascending(flush),
      ...(flush < 100 ? [] : ascending(flush - 100).map(({ key }) => ({ key, isDelete: true }))),
    ],
    sampleKey: (flush) => (flush - 30) * 100,
  });
  report("size-tiered, a queue", figures);
  expect(figures.space).toBeLessThanOrEqual(1.8);
  expect(figures.writes).toBeLessThanOrEqual(7);
});

test("a database that is deleted key by key takes next to no space afterwards", () => {
  const model = new StrategyModel({ strategy: sizeTiered(), rowBytes: flushBytes / 100 });
  for (let flush = 0; flush < 100; flush++) model.flush(ascending(flush));
  const full = model.namedBytes;
  for (let flush = 0; flush < 100; flush += 10) {
    model.flush(ascending(flush / 10, 1000).map(({ key }) => ({ key, isDelete: true })));
  }
  // Deletes in L0 wait until it is its turn.
  for (let flush = 0; flush < 4; flush++) model.flush([{ key: 1_000_000 + flush }]);
  model.settle();
  model.check();
  expect(model.namedBytes).toBeLessThan(full / 10);
});

test("rows that have all expired go, once they are a share of the oldest run", () => {
  const model = new StrategyModel({ strategy: sizeTiered(), rowBytes: flushBytes / 100 });
  for (let flush = 0; flush < 40; flush++) {
    model.flush(ascending(flush).map((row) => ({ ...row, expiresAt: 1_060_000 })));
  }
  model.now = 1_100_000;
  model.settle();
  expect(model.namedBytes).toBeLessThan(10 * flushBytes);
});

test("what an open snapshot keeps is not merged again and again", () => {
  const model = new StrategyModel({ strategy: sizeTiered(), rowBytes: flushBytes / 100 });
  for (let flush = 0; flush < 20; flush++) model.flush(ascending(flush));
  model.settle();
  const { manifest } = model;
  const runs = manifest.runs.map((run) => ({
    ...run,
    ssts: run.ssts.map((sst) => ({ ...sst, deleteCount: sst.rowCount, maxExpiresAt: 1 })),
  }));
  const settled = { ...manifest, l0: [], runs };
  expect(sizeTiered().pick(settled, [], model.now)).toHaveLength(1);
  expect(sizeTiered().pick({ ...settled, snapshotSeq: 1 }, [], model.now)).toEqual([]);
});
