/** The leveled strategy over long histories. Figures stand in docs/benchmarks.md. */
import { describe, expect, test } from "vitest";
import { allKeys } from "../../../src/common/key-range.js";
import { leveled } from "../../../src/compaction/leveled.js";
import { sizeTiered } from "../../../src/compaction/size-tiered.js";
import type { SortedRun } from "../../../src/format/manifest.js";
import { claimed, sstOf, ulid } from "../manifest/manifests.js";
import { figuresOf, flushBytes, report, seeded } from "./strategy-histories.js";
import { keyOf, StrategyModel } from "./strategy-model.js";

const MiB = 1024 * 1024;
const rows = 50;
const rowBytes = flushBytes / rows;
/** So that there are three or four levels of what a test can hold. */
const small = { level1Bytes: 64 * MiB, jobBytesMax: 256 * MiB };

/** SSTs of 64 MiB and 100 keys each. */
const runOf = (level: number, count: number, id = level, from = 0): SortedRun => ({
  ...{ id: ulid(id), listBytes: 0, indexOffset: 0, owner: "", rangeDeletes: [], level },
  ssts: Array.from({ length: count }, (_, i) => ({
    ...sstOf(1000 * id + i, 1, 2),
    ...{ firstKey: keyOf((from + i) * 100), lastKey: keyOf((from + i) * 100 + 99) },
    size: 64 * MiB,
  })),
  ...{ firstKey: keyOf(from * 100), lastKey: keyOf((from + count) * 100 - 1) },
  ...{ sstCount: count, rowCount: count, size: count * 64 * MiB },
});

const levelsOf = ({ runs }: StrategyModel): readonly number[] => runs.map(({ level }) => level);
const isAscending = (levels: readonly number[]): boolean =>
  levels.every((level, i) => level > (levels[i - 1] ?? 0));

describe("uniform updates", () => {
  test.each([
    [10, 6, 1.5],
    [30, 11, 1.3],
    [100, 14, 1.3],
    [200, 18, 1.3],
  ])("of a database of %i flushes", (ratio, writes, spaceMost) => {
    const model = new StrategyModel({ strategy: leveled(small), rowBytes, speed: 16 });
    const random = seeded(ratio);
    const figures = figuresOf(model, {
      flushes: 800,
      operations: () => Array.from({ length: rows }, () => ({ key: random(rows * ratio) })),
      sampleKey: () => random(rows * ratio),
    });
    report(`leveled, updates, ${ratio} flushes, levels ${levelsOf(model)}`, figures);
    expect(figures.writes).toBeLessThanOrEqual(writes);
    expect(figures.spaceMost).toBeLessThanOrEqual(spaceMost);
    expect(figures.runsMost).toBeLessThanOrEqual(4);
    expect(isAscending(levelsOf(model))).toBe(true);
  });
});

test("ascending inserts go down level by level without being written again", () => {
  const model = new StrategyModel({ strategy: leveled(small), rowBytes, speed: 16 });
  const figures = figuresOf(model, {
    flushes: 600,
    operations: (flush) => Array.from({ length: rows }, (_, i) => ({ key: flush * rows + i })),
    sampleKey: (flush) => Math.floor((flush * rows) / 2),
  });
  report(`leveled, ascending inserts, levels ${levelsOf(model)}`, figures);
  expect(figures.writes).toBeLessThanOrEqual(3.2);
  expect(figures.sources).toBe(1);
  expect(model.runs.length).toBeGreaterThan(2);
});

test("runs of the size-tiered strategy become a level, while L0 goes on", () => {
  const before = new StrategyModel({ strategy: sizeTiered({ fanInMin: 64 }), rowBytes });
  const random = seeded(7);
  const updates = (): { key: number }[] =>
    Array.from({ length: rows }, () => ({ key: random(2000) }));
  for (let flush = 0; flush < 60; flush++) before.flush(updates());
  expect(levelsOf(before).length).toBeGreaterThan(1);
  before.strategy = leveled(small);
  for (let flush = 0; flush < 100; flush++) {
    before.flush(updates());
    before.check();
  }
  before.settle();
  expect(isAscending(levelsOf(before))).toBe(true);
  before.strategy = sizeTiered();
  for (let flush = 0; flush < 100; flush++) before.flush(updates());
  before.settle();
  before.check();
});

test("several levels are merged at once, and no run by two jobs", () => {
  const manifest = { ...claimed, runs: [runOf(1, 3), runOf(2, 15), runOf(3, 150), runOf(4, 200)] };
  const picks = leveled(small).pick(manifest, [], 0);
  const names = picks.map(({ inputs }) => inputs.runs.map(({ id }) => Number(id.slice(2))));
  expect(names).toEqual([
    [1, 2],
    [3, 4],
  ]);
  const [first] = picks;
  // With what lies beneath, and nothing else.
  const keys = first!.inputs.runs.map(({ ssts }) => ssts.map((id) => Number(id.slice(2)) % 1000));
  expect(keys[0]).toEqual(keys[1]);
  expect(leveled(small).pick(manifest, [first!.inputs], 0)).toEqual(picks.slice(1));
});

test.each<[string, SortedRun[], number[], number]>([
  ["goes to level 1", [runOf(0, 1, 9, 1), runOf(1, 2), runOf(2, 15), runOf(3, 150)], [1, 1], 1],
  ["joins level 1", [runOf(0, 1, 9, 500), runOf(1, 2), runOf(2, 15), runOf(3, 150)], [1], 1],
  ["becomes level 1", [runOf(0, 1, 9), runOf(2, 10), runOf(3, 150)], [1], 1],
  ["becomes the level that it is as large as", [runOf(0, 5, 9), runOf(3, 150)], [5], 2],
  ["goes to the next level", [runOf(1, 1), runOf(0, 2, 9), runOf(2, 10), runOf(3, 99)], [2, 2], 2],
  [
    "goes to level 1 with what came since",
    [runOf(1, 1), runOf(0, 1, 9), runOf(1, 1, 8)],
    [1, 1, 1],
    1,
  ],
])("a run without a level %s, and the others stay as they are", (_, runs, counts, level) => {
  const picks = leveled(small).pick({ ...claimed, runs }, [], 0);
  const taken = picks[0]!.inputs.runs.map(
    ({ id, ssts }) => ssts.length || runs.find((run) => run.id === id)!.sstCount,
  );
  expect([picks.length, taken, picks[0]!.level]).toEqual([1, counts, level]);
});

test("a compaction of keys that only L0 has leaves the levels as they were", () => {
  const model = new StrategyModel({ strategy: leveled(small), rowBytes, speed: 16 });
  const random = seeded(11);
  for (let flush = 0; flush < 300 || model.l0.length > 0; flush++) {
    model.flush(Array.from({ length: rows }, () => ({ key: random(10_000) })));
    if (flush >= 300) model.settle();
  }
  expect(levelsOf(model).length).toBeGreaterThan(1);
  const before = model.compactedBytes;
  model.flush([{ key: 20_000 }]);
  model.compact({ ...allKeys, lower: keyOf(20_000) });
  model.settle();
  model.check();
  expect(isAscending(levelsOf(model))).toBe(true);
  expect(model.compactedBytes - before).toBeLessThan(flushBytes);
});
