/** What a job makes of the manifest: every key reads as before, whatever part of which runs was taken. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Ulid } from "../../../src/common/ids.js";
import { buildRunChange, havePlace } from "../../../src/compaction/run-change.js";
import type { CompactionInputs } from "../../../src/format/compactions.js";
import type { Manifest, SortedRun, SstInfo } from "../../../src/format/manifest.js";
import { decodeRunList } from "../../../src/format/run-list.js";
import { applyCompaction } from "../../../src/manifest/compaction-transitions.js";
import { checkManifest, checkStep } from "../../../src/manifest/invariants.js";
import { buildSortedRun } from "../../../src/manifest/sorted-run.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { claimed, databaseId, sstOf, ulid } from "../manifest/manifests.js";

const keysMax = 24;

/** Rows are the keys from `first` to `last`, each of seq `seq`, or those of `rows`. */
interface Table {
  readonly info: SstInfo;
  readonly rows: ReadonlyMap<number, number>;
}

class Tables {
  readonly all = new Map<Ulid, Table>();
  #id = 100;

  next(): Ulid {
    return ulid(this.#id++);
  }

  add(rows: ReadonlyMap<number, number>): SstInfo {
    const keys = [...rows.keys()].sort((a, b) => a - b);
    const info: SstInfo = {
      ...sstOf(0, Math.min(...rows.values()), Math.max(...rows.values())),
      ...{ id: this.next(), rowCount: rows.size, size: 100 * rows.size },
      ...{ firstKey: Uint8Array.of(keys[0]!), lastKey: Uint8Array.of(keys.at(-1)!) },
    };
    this.all.set(info.id, { info, rows });
    return info;
  }

  /** The seq that a read of each key finds. */
  read({ l0, runs }: Manifest): (number | undefined)[] {
    const sources = [...[...l0].reverse(), ...runs].flatMap(({ ssts }) => ssts);
    return Array.from({ length: keysMax }, (_, key) => {
      const found = sources.find(({ id }) => this.all.get(id)!.rows.has(key));
      return found && this.all.get(found.id)!.rows.get(key);
    });
  }
}

interface Shape {
  /** For each source, the cuts between its SSTs, and which keys it leaves out. */
  readonly sources: readonly {
    readonly cuts: readonly number[];
    readonly holes: readonly number[];
  }[];
  readonly l0Count: number;
  readonly l0Taken: number;
  readonly firstTaken: number;
  /** For each run from there on, which SSTs are taken: by index; empty: all; undefined: none. */
  readonly taken: readonly (readonly number[] | undefined)[];
  readonly outputCuts: readonly number[];
  readonly level: number;
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  sources: fc.array(
    fc.record({
      cuts: fc.uniqueArray(fc.integer({ min: 1, max: keysMax - 1 }), { maxLength: 4 }),
      holes: fc.uniqueArray(fc.nat(keysMax - 1), { maxLength: 18 }),
    }),
    { minLength: 2, maxLength: 6 },
  ),
  l0Count: fc.nat(2),
  l0Taken: fc.nat(2),
  firstTaken: fc.nat(2),
  taken: fc.array(fc.option(fc.uniqueArray(fc.nat(3), { maxLength: 3 }), { nil: undefined }), {
    maxLength: 3,
  }),
  outputCuts: fc.uniqueArray(fc.integer({ min: 1, max: keysMax - 1 }), { maxLength: 4 }),
  level: fc.nat(1),
});

/** Rows cut into SSTs at the given keys. */
function cut(
  tables: Tables,
  rows: ReadonlyMap<number, number>,
  cuts: readonly number[],
): SstInfo[] {
  const bounds = [0, ...[...cuts].sort((a, b) => a - b), keysMax];
  return bounds.slice(0, -1).flatMap((from, i) => {
    const part = new Map([...rows].filter(([key]) => key >= from && key < bounds[i + 1]!));
    return part.size === 0 ? [] : [tables.add(part)];
  });
}

function manifestOf(shape: Shape, tables: Tables): Manifest {
  const { sources, l0Count, level } = shape;
  const made = sources.map(({ cuts, holes }, i) => {
    const seq = sources.length - i;
    const keys = Array.from({ length: keysMax }, (_, key) => key);
    const rows = new Map(keys.filter((key) => !holes.includes(key)).map((key) => [key, seq]));
    return cut(tables, rows, cuts);
  });
  const l0 = made.slice(0, l0Count).map((ssts) => ({ ssts, seq: 0 }));
  const runs = made
    .slice(l0Count)
    .map((ssts) => buildSortedRun(databaseId, { id: tables.next(), level }, ssts).run);
  return { ...claimed, number: 4, lastSeq: 9, lastL0Seq: 9, l0: l0.reverse(), runs };
}

function inputsOf(shape: Shape, { l0, runs }: Manifest): CompactionInputs {
  const taken = runs.slice(shape.firstTaken).flatMap((run, i) => {
    const indexes = shape.taken[i];
    if (indexes === undefined) return [];
    const ssts = run.ssts.filter((_, at) => indexes.includes(at)).map(({ id }) => id);
    return [{ id: run.id, ssts: ssts.length === run.ssts.length ? [] : ssts }];
  });
  return { l0: l0.slice(0, shape.l0Taken).map(({ ssts }) => ssts[0]!.id), runs: taken };
}

/** What a merge of the inputs gives: the newest row of each key. */
function merged(
  tables: Tables,
  manifest: Manifest,
  { l0, runs }: CompactionInputs,
): Map<number, number> {
  const rows = new Map<number, number>();
  const take = (ssts: readonly SstInfo[]): void => {
    for (const { id } of ssts) {
      for (const [key, seq] of tables.all.get(id)!.rows) if (!rows.has(key)) rows.set(key, seq);
    }
  };
  for (const entry of manifest.l0.slice(0, l0.length).reverse()) take(entry.ssts);
  for (const { id, ssts } of runs) {
    const run = manifest.runs.find((other) => other.id === id)!;
    take(run.ssts.filter((sst) => ssts.length === 0 || ssts.includes(sst.id)));
  }
  return rows;
}

test("every key reads as before, whatever was taken of which runs, and nothing is lost or kept that is not named", () => {
  let changed = 0;
  let joined = 0;
  let parts = 0;
  void fc.assert(
    fc.property(shapes, (shape) => {
      const tables = new Tables();
      const manifest = manifestOf(shape, tables);
      checkManifest(manifest);
      const inputs = inputsOf(shape, manifest);
      if (inputs.l0.length + inputs.runs.length === 0 || !havePlace(manifest, inputs)) return;
      const id = tables.next();
      const outputs = cut(tables, merged(tables, manifest, inputs), shape.outputCuts);
      const built = buildRunChange({
        ...{ manifest, inputs, outputs, id, level: shape.level, retainSeq: 9, rewrites: false },
        ids: tables,
      })!;
      const next = { ...applyCompaction({ ...built.change, floor: "" })(manifest), number: 5 };
      checkStep(manifest, next);
      expect(tables.read(next)).toEqual(tables.read(manifest));
      const named = ({ l0, runs }: Manifest) =>
        [...l0, ...runs].flatMap(({ ssts }) => ssts.map((sst) => sst.id));
      const gone = named(manifest).filter((sst) => !named(next).includes(sst));
      expect([...built.change.retiredSsts].sort()).toEqual(gone.sort());
      expect([...built.change.named].sort()).toEqual(outputs.map((sst) => sst.id).sort());
      changed++;
      if (inputs.runs.some(({ ssts }) => ssts.length > 0)) parts++;
      const own = next.runs.find((run) => run.id === id);
      if (own !== undefined && own.sstCount > outputs.length) joined++;
    }),
    { numRuns: 2000 },
  );
  expect(Math.min(changed, parts, joined)).toBeGreaterThan(100);
});

const sstAt = (id: number, first: number, last = first): SstInfo => ({
  ...{ ...sstOf(id, 1, 1), firstKey: Uint8Array.of(first), lastKey: Uint8Array.of(last) },
});
const ids = { next: (): Ulid => ulid(900) };
const run = (id: number, level: number, ...ssts: SstInfo[]): SortedRun =>
  buildSortedRun(databaseId, { id: ulid(id), level }, ssts).run;
const job = { id: ulid(500), retainSeq: 9, rewrites: false, ids };

test("where inputs and what stays lie so that no order is right, there is no place", () => {
  const manifest = {
    ...claimed,
    runs: [run(1, 0, sstAt(2, 0, 5)), run(3, 0, sstAt(4, 0, 3), sstAt(5, 4, 9))],
  };
  const inputs = {
    l0: [],
    runs: [
      { id: ulid(1), ssts: [] },
      { id: ulid(3), ssts: [ulid(5)] },
    ],
  };
  // What is taken of the newer one covers keys of what stays of the older: it goes before it. That is a place.
  expect(havePlace(manifest, inputs)).toBe(true);
  const three = {
    ...claimed,
    runs: [
      run(1, 0, sstAt(2, 0, 5)),
      run(3, 0, sstAt(4, 0, 3), sstAt(5, 4, 9)),
      run(6, 0, sstAt(7, 0, 9)),
    ],
  };
  const around = [inputs.runs[0]!, inputs.runs[1]!, { id: ulid(6), ssts: [] }];
  expect(havePlace(three, { l0: [], runs: around })).toBe(false);
  const options = {
    ...job,
    manifest: three,
    inputs: { l0: [], runs: around },
    outputs: [],
    level: 0,
  };
  expect(buildRunChange(options)).toBeUndefined();
});

test("SSTs that move down a level become one run with what is there", () => {
  const runs = [run(1, 1, sstAt(2, 0), sstAt(3, 5)), run(4, 2, sstAt(5, 1, 3), sstAt(6, 8))];
  const manifest = { ...claimed, runs };
  const moved = { ...sstAt(3, 5) };
  const inputs = { l0: [], runs: [{ id: ulid(1), ssts: [ulid(3)] }] };
  const options = { ...job, manifest, inputs, outputs: [moved], level: 2 };
  const { change, movedSsts, inputBytes, outputBytes } = buildRunChange(options)!;
  expect(change.runsFrom).toEqual([ulid(1), ulid(4)]);
  expect(change.runsTo.map(({ level, ssts }) => [level, ssts.map(({ id }) => id)])).toEqual([
    [1, [ulid(2)]],
    [2, [ulid(5), ulid(3), ulid(6)]],
  ]);
  expect([movedSsts, inputBytes, outputBytes]).toEqual([1, 0, 0]);
  expect([change.retiredSsts, change.named]).toEqual([[], []]);
  const busy = buildRunChange({ ...options, busyRuns: new Set([ulid(4)]) })!;
  expect(busy.change.runsFrom).toEqual([ulid(1)]);
});

test("a long list of SSTs has an object of its own, and what it replaces is retired", () => {
  const many = Array.from({ length: 40 }, (_, i) => sstAt(600 + i, i));
  const long = buildSortedRun(
    databaseId,
    { id: ulid(1), level: 0 },
    many.map((sst, i) => ({ ...sst, id: ulid(2 + i) })),
  );
  const filled = {
    ...long.run,
    ssts: decodeRunList(long.list!, ObjectPaths.run(ulid(1)), databaseId, long.run),
  };
  const manifest = { ...claimed, number: 4, lastSeq: 9, lastL0Seq: 9, runs: [filled] };
  const inputs = { l0: [], runs: [{ id: ulid(1), ssts: [] }] };
  const built = buildRunChange({ ...job, manifest, inputs, outputs: many, level: 0 })!;
  // Not under the job's: an older attempt may still be on its way.
  expect(built.lists.map(({ id }) => id)).toEqual([ulid(900)]);
  expect(built.change.retiredRuns).toEqual([ulid(1)]);
  expect(built.change.named).toEqual([...many.map(({ id }) => id), ulid(900)]);
  const [made] = built.change.runsTo;
  expect(made).toMatchObject({ ssts: [], sstCount: 40, listBytes: built.lists[0]!.bytes.length });
  expect(decodeRunList(built.lists[0]!.bytes, "", databaseId, made!)).toEqual(many);
  const stored = { ...manifest, runs: [long.run] };
  const next = { ...applyCompaction({ ...built.change, floor: "" })(stored), number: 5 };
  checkStep(stored, next);
  // Its list cannot be read: nobody knows where the outputs go.
  expect(
    buildRunChange({ ...job, manifest: stored, inputs, outputs: many, level: 0 }),
  ).toBeUndefined();
});

test("a job that leaves nothing takes its inputs away", () => {
  const manifest = { ...claimed, runs: [run(1, 0, sstAt(2, 0)), run(3, 0, sstAt(4, 0))] };
  const inputs = { l0: [], runs: [{ id: ulid(3), ssts: [] }] };
  const { change } = buildRunChange({ ...job, manifest, inputs, outputs: [], level: 0 })!;
  expect([change.runsTo, change.retiredSsts]).toEqual([[], [ulid(4)]]);
});
