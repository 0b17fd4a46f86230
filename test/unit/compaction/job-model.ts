/** Histories of all kinds of rows as inputs of a job, what a read of them gives by looking at each, and jobs run on a store in memory. */
import fc from "fast-check";
import { expect } from "vitest";
import { compareBytes, concatBytes, copyBytes } from "../../../src/common/bytes.js";
import { systemClock } from "../../../src/common/clock.js";
import { seededRandom } from "../../../src/common/random.js";
import type { RangeTombstone } from "../../../src/common/range-tombstone.js";
import { RowKind } from "../../../src/common/row.js";
import type { CompactionFilter } from "../../../src/compaction/compaction-filter.js";
import type { JobSource, JobTask } from "../../../src/compaction/job.js";
import { SliceRunner, type SliceRunnerOptions } from "../../../src/compaction/slice-runner.js";
import type { CompactionJob, JobRange } from "../../../src/format/compactions.js";
import { JobStatus } from "../../../src/format/compactions.js";
import type { SstInfo } from "../../../src/format/manifest.js";
import type { PrefixExtractor } from "../../../src/format/prefix-extractor.js";
import { SectionId } from "../../../src/format/sst.js";
import { SstBuilder } from "../../../src/format/sst-builder.js";
import { readFooter, readProperties, sectionOf } from "../../../src/format/sst-tail.js";
import { verifySst } from "../../../src/format/verify-sst.js";
import type { MergeOperator } from "../../../src/merge/merge-operator.js";
import { packOperands, unpackOperands } from "../../../src/merge/packed-operands.js";
import type { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { type PlainRow, plainRow, sortRows, toPlain, toRef } from "../sst/row-model.js";

export const databaseId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
/** Ids of inputs are below it. */
export const jobId = "01JZZZZZZZ0000000000000000";
export const now = 1000;

/** Rows and range deletes of one age. */
export interface Content {
  readonly rows: readonly PlainRow[];
  readonly rangeDeletes: readonly RangeTombstone[];
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Appends, and can combine; "!" makes it fail. */
const append: MergeOperator = {
  merge: (_key, value, operands) => {
    if (operands.some((operand) => operand[0] === 33)) throw new Error("no operand");
    return concatBytes([value ?? text(""), ...operands]);
  },
  combine: (_key, operands) => {
    if (operands.some((operand) => operand[0] === 33)) throw new Error("no operand");
    return concatBytes(operands);
  },
};
/** Takes the last operand; an empty one deletes. */
const last: MergeOperator = {
  merge: (_key, _value, operands) => {
    const newest = operands.at(-1)!;
    return newest.length === 0 ? undefined : newest;
  },
};
export const operatorNames: readonly string[] = ["append", "last"];
export const operators: ReadonlyMap<string, MergeOperator> = new Map([
  ["append", append],
  ["last", last],
]);

export type Read =
  | {
      readonly value: string;
      readonly seq: number;
      readonly createdAt: number;
      readonly expiresAt: number;
    }
  | "error"
  | undefined;

/** What a read of `key` at `seq` gives at a time, by the rules of reads and nothing else. */
export function read(content: Content, key: Uint8Array, seq: number, at: number): Read {
  const cover = Math.max(
    0,
    ...content.rangeDeletes
      .filter((each) => each.seq <= seq && covers(each, key))
      .map((each) => each.seq),
  );
  const versions = content.rows
    .filter((row) => compareBytes(row.key, key) === 0 && row.seq <= seq && row.seq >= cover)
    .sort((a, b) => b.seq - a.seq);
  const newest = versions[0];
  if (newest === undefined || newest.kind === RowKind.delete || isExpired(newest, at))
    return undefined;
  const { createdAt, expiresAt } = newest;
  const chain: PlainRow[] = [];
  let value: Uint8Array | undefined;
  for (const version of versions) {
    if (isExpired(version, at) || version.kind === RowKind.delete) break;
    if (version.kind === RowKind.put) {
      value = version.value;
      break;
    }
    chain.unshift(version);
  }
  try {
    for (const { operatorId, value: packed } of chain) {
      const operands = unpackOperands(packed, "model").map((operand) => copyBytes(operand));
      value = operators.get(operatorNames[operatorId - 1]!)!.merge(key, value, operands);
    }
  } catch {
    return "error";
  }
  if (value === undefined) return undefined;
  return { value: [...value].join(), seq: newest.seq, createdAt, expiresAt };
}

export function covers({ start, end }: RangeTombstone, key: Uint8Array): boolean {
  return compareBytes(start, key) <= 0 && (end === undefined || compareBytes(key, end) < 0);
}

function isExpired({ expiresAt }: PlainRow, at: number): boolean {
  return expiresAt !== 0 && expiresAt <= at;
}

export function joinContents(contents: readonly Content[]): Content {
  return {
    rows: contents.flatMap(({ rows }) => rows),
    rangeDeletes: contents.flatMap(({ rangeDeletes }) => rangeDeletes),
  };
}

const keys = fc.oneof(
  { weight: 6, arbitrary: fc.nat(11).map((n) => Uint8Array.of(97 + n)) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.nat(11), fc.nat(2)).map(([a, b]) => Uint8Array.of(97 + a, b)),
  },
  { weight: 1, arbitrary: fc.constant(new Uint8Array(0)) },
);
const expiries = fc.oneof(
  { weight: 5, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.integer({ min: 995, max: 1000 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1001, max: 1006 }) },
);
const operands = fc.oneof(
  { weight: 12, arbitrary: fc.nat(9).map((n) => text(String(n))) },
  { weight: 1, arbitrary: fc.constant(text("")) },
  { weight: 1, arbitrary: fc.constant(text("!")) },
);

interface Cut {
  readonly cut: boolean;
  readonly loads: boolean;
}
type Operation = { readonly row: PlainRow } | { readonly range: RangeTombstone } | Cut;

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(keys, fc.nat(40), expiries).map(([key, length, expiresAt]) => ({
      row: plainRow(key, 0, { value: new Uint8Array(length).fill(length), expiresAt }),
    })),
  },
  {
    weight: 3,
    arbitrary: keys.map((key) => ({
      row: plainRow(key, 0, { kind: RowKind.delete, value: new Uint8Array(0) }),
    })),
  },
  {
    weight: 7,
    arbitrary: fc
      .tuple(
        keys,
        fc.array(operands, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 2 }),
        expiries,
      )
      .map(([key, all, operatorId, expiresAt]) => ({
        row: plainRow(key, 0, {
          kind: RowKind.merge,
          operatorId,
          expiresAt,
          value: packOperands(all),
        }),
      })),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(keys, fc.option(keys, { freq: 8 })).map(([a, b]): Operation => {
      if (b === null) return { range: { start: a, end: undefined, seq: 0 } };
      const [start, end] = compareBytes(a, b) < 0 ? [a, b] : [b, Uint8Array.of(...a, 0)];
      return { range: { start, end, seq: 0 } };
    }),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.boolean(), fc.boolean()).map(([cut, loads]) => ({ cut, loads })),
  },
);

/** A source with the keys at which its SSTs are cut. */
export interface ModelSource extends Content {
  /** The seq of all rows, which carry none; 0: they do. */
  readonly seq: number;
  readonly cuts: readonly Uint8Array[];
}

export interface History {
  /** Newest first. */
  readonly sources: readonly ModelSource[];
  /** What lies beneath them; of nothing at the bottom. */
  readonly beneath: Content;
  readonly isBottom: boolean;
  readonly retainSeq: number;
  readonly lastSeq: number;
}

/** Writes in order of their seqs, cut into sources of one age each. */
export const histories: fc.Arbitrary<History> = fc
  .record({
    // By default, fast-check makes short ones.
    operations: fc.array(operation, { minLength: 1, maxLength: 70, size: "max" }),
    isBottom: fc.boolean(),
    retained: fc.integer({ min: 0, max: 100 }),
    cuts: fc.array(keys, { maxLength: 3 }),
  })
  .map(({ operations, isBottom, retained, cuts }) => {
    const contents: ModelSource[] = [];
    let rows: PlainRow[] = [];
    let rangeDeletes: RangeTombstone[] = [];
    let seq = 0;
    const close = (loads: boolean): void => {
      const newest = new Map(rows.map((row) => [row.key.join(), row]));
      const isLoad = loads && rangeDeletes.length === 0 && rows.length > 0;
      if (rows.length + rangeDeletes.length > 0) {
        const puts = [...newest.values()].filter(({ kind }) => kind === RowKind.put);
        const all = isLoad ? puts.map((row) => ({ ...row, seq: 0 })) : rows;
        if (all.length + rangeDeletes.length > 0) {
          contents.unshift({
            rows: sortRows([...all]),
            rangeDeletes,
            seq: isLoad ? ++seq : 0,
            cuts,
          });
        }
      }
      rows = [];
      rangeDeletes = [];
    };
    for (const each of operations) {
      if ("cut" in each) {
        if (each.cut) close(each.loads);
        continue;
      }
      // Some share the seq of a range delete: what a batch writes after it.
      const lastRange = rangeDeletes.at(-1);
      if ("row" in each && lastRange !== undefined && lastRange.seq === seq && seq % 2 === 0) {
        const isTaken = rows.some(
          (row) => row.seq === seq && compareBytes(row.key, each.row.key) === 0,
        );
        if (!isTaken) {
          rows.push({ ...each.row, seq, createdAt: 1 + seq });
          continue;
        }
      }
      seq++;
      if ("row" in each) rows.push({ ...each.row, seq, createdAt: 1 + seq });
      else if ("range" in each) rangeDeletes.push({ ...each.range, seq });
    }
    close(false);
    const beneath = isBottom || contents.length < 2 ? undefined : contents.pop();
    return {
      sources: contents,
      beneath: beneath === undefined ? { rows: [], rangeDeletes: [] } : withSeqs(beneath),
      isBottom: isBottom,
      retainSeq: Math.round((seq * retained) / 100),
      lastSeq: seq,
    };
  })
  .filter(({ sources }) => sources.length > 0);

/** Puts, and some deletes, of sources that have few keys in common, so that much of them can be copied. */
export const historiesApart: fc.Arbitrary<History> = fc
  .record({
    sources: fc.array(
      fc.record({
        from: fc.nat(200),
        count: fc.integer({ min: 1, max: 60 }),
        step: fc.integer({ min: 1, max: 4 }),
        valueBytes: fc.integer({ min: 1, max: 60 }),
        kind: fc.constantFrom(
          "puts",
          "puts",
          "puts",
          "deletes",
          "load",
          "load",
          "ranges",
          "versions",
        ),
        cuts: fc.array(fc.nat(250), { maxLength: 2 }),
      }),
      { minLength: 1, maxLength: 5 },
    ),
    isBottom: fc.boolean(),
    retained: fc.constantFrom(0, 50, 100, 100, 100),
  })
  .map(({ sources, isBottom, retained }) => {
    let seq = 0;
    const keyOf = (n: number): Uint8Array => Uint8Array.of(98, Math.min(n, 255), 7);
    const contents = sources.map(({ from, count, step, valueBytes, kind, cuts }): ModelSource => {
      const loadSeq = kind === "load" ? ++seq : 0;
      const rows: PlainRow[] = [];
      for (let i = 0; i < count && from + i * step < 256; i++) {
        const key = keyOf(from + i * step);
        const isDelete = kind === "deletes" && i % 3 === 0;
        const versions = kind === "versions" && i % 5 === 0 ? 3 : 1;
        for (let v = 0; v < versions; v++) {
          const at = kind === "load" ? 0 : ++seq;
          const value = new Uint8Array(isDelete ? 0 : valueBytes).fill(i);
          const over = {
            value,
            createdAt: 1 + at + loadSeq,
            ...(isDelete ? { kind: RowKind.delete } : {}),
          };
          rows.push(plainRow(key, at, over));
        }
      }
      const middle = keyOf(from + Math.floor(count / 2) * step);
      const end = keyOf(from + Math.floor(count / 2) * step + 9);
      const hasRange = kind === "ranges" && compareBytes(middle, end) < 0;
      const rangeDeletes = hasRange ? [{ start: middle, end, seq: ++seq }] : [];
      return { rows: sortRows(rows), rangeDeletes, seq: loadSeq, cuts: cuts.map(keyOf) };
    });
    return {
      ...{ sources: contents.reverse(), beneath: { rows: [], rangeDeletes: [] }, isBottom },
      ...{ retainSeq: Math.round((seq * retained) / 100), lastSeq: seq },
    };
  });

/** Rows with the seqs that reads see. */
export function withSeqs({ rows, rangeDeletes, seq }: ModelSource): Content {
  return { rows: seq === 0 ? rows : rows.map((row) => ({ ...row, seq })), rangeDeletes };
}

export interface Sizes {
  readonly blockBytes: number;
  readonly indexPartitionBytes: number;
  readonly sstBytesMax: number;
  readonly prefixExtractor?: PrefixExtractor | undefined;
}

export const jobSizes: fc.Arbitrary<Sizes> = fc.record({
  blockBytes: fc.constantFrom(40, 100, 4096),
  indexPartitionBytes: fc.constantFrom(1, 60, 4096),
  sstBytesMax: fc.constantFrom(1, 80, 300, 1_000_000),
});

/** Stores the sources, in SSTs that end where the cuts say. */
export async function storeSources(
  store: MemoryObjectStore,
  sources: readonly ModelSource[],
  sizes: Sizes,
  idsFrom = 0,
): Promise<JobSource[]> {
  let count = idsFrom;
  const stored: JobSource[] = [];
  for (const { rows, rangeDeletes, seq, cuts } of sources) {
    const ssts: SstInfo[] = [];
    const edges = [...cuts]
      .sort(compareBytes)
      .filter((cut, i, all) => i === 0 || compareBytes(cut, all[i - 1]!) > 0);
    for (let i = 0; i <= edges.length; i++) {
      const from = i === 0 ? new Uint8Array(0) : edges[i - 1]!;
      const to = edges[i];
      const id = `01AAAAAAAA${String(++count).padStart(16, "0")}`;
      const { blockBytes, indexPartitionBytes, prefixExtractor } = sizes;
      const builder = new SstBuilder({
        ...{ id, databaseId, blockBytes, indexPartitionBytes, prefixExtractor },
      });
      const within = (key: Uint8Array): boolean => covers({ start: from, end: to, seq: 0 }, key);
      for (const row of rows) if (within(row.key)) builder.add(toRef(row));
      for (const each of rangeDeletes) {
        const clipped = clip(each, from, to);
        if (clipped !== undefined) builder.addRangeDelete(clipped);
      }
      if (builder.rowCount === 0 && !builder.hasRangeDeletes) continue;
      const { chunks, info } = builder.finish();
      await store.put(ObjectPaths.sst(id), concatBytes(chunks));
      ssts.push(info);
    }
    // A load that has moved into a run says its seq with each SST.
    const isRun = seq % 2 === 1;
    stored.push({
      ssts: isRun ? ssts.map((info) => ({ ...info, seq })) : ssts,
      seq: isRun ? 0 : seq,
    });
  }
  return stored;
}

function clip(
  { start, end, seq }: RangeTombstone,
  from: Uint8Array,
  to: Uint8Array | undefined,
): RangeTombstone | undefined {
  const low = compareBytes(start, from) < 0 ? from : start;
  const high = end === undefined || (to !== undefined && compareBytes(to, end) < 0) ? to : end;
  return high !== undefined && compareBytes(low, high) >= 0
    ? undefined
    : { start: low, end: high, seq };
}

export function newJob(over: Partial<CompactionJob>): CompactionJob {
  return {
    ...{ id: jobId, reason: "test", inputs: { l0: [], runs: [] }, level: 0 },
    ...{ retainSeq: 0, expiredAt: now, isBottom: false, sstBytesMax: 1000 },
    ...{ status: JobStatus.open, claim: "", worker: "", signNumber: 0, attempts: 0 },
    ...{ failure: "", ranges: [], rewrites: false, writerEpoch: 0, ...over },
  };
}

export function newTask(
  history: Pick<History, "isBottom" | "retainSeq">,
  sources: readonly JobSource[],
  sizes: Sizes,
  over: Partial<CompactionJob> = {},
): JobTask {
  const { isBottom, retainSeq } = history;
  return {
    ...{ databaseId, sources },
    job: newJob({ isBottom, retainSeq, sstBytesMax: sizes.sstBytesMax, ...over }),
    build: {
      ...{ blockBytes: sizes.blockBytes, filter: "bloom", filterBitsPerKey: 10 },
      ...{ unfilteredSstBytesMax: 0, compression: undefined },
    },
  };
}

export interface RunOptions extends Partial<SliceRunnerOptions> {
  readonly progress?: ((ranges: readonly JobRange[]) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly filter?: CompactionFilter | undefined;
}

/** Ids are made of the time alone: a run that is resumed gives the same ones. */
export async function runTask(
  store: MemoryObjectStore,
  task: JobTask,
  { progress, signal, ...over }: RunOptions = {},
): Promise<readonly JobRange[]> {
  const runner = new SliceRunner({
    ...{
      store,
      clock: { ...systemClock, now: () => 0 },
      operatorNames,
      operators,
      rangesInFlight: 1,
    },
    random: { ...seededRandom(1), bytes: (count) => new Uint8Array(count) },
    ...over,
  });
  const events = { progress: (ranges: readonly JobRange[]) => progress?.(ranges) };
  return runner.run(task, events, signal ?? new AbortController().signal);
}

export interface DecodedOutput extends Content {
  readonly info: SstInfo;
  readonly bytes: Uint8Array;
  readonly copiedBlockCount: number;
}

/** Every output, checked byte by byte, in key order. Moved SSTs have what their info says of seqs. */
export async function decodeOutputs(
  store: MemoryObjectStore,
  ranges: readonly JobRange[],
  prefixExtractor?: PrefixExtractor,
): Promise<DecodedOutput[]> {
  const outputs: DecodedOutput[] = [];
  for (const info of ranges.flatMap((range) => range.outputs)) {
    const object = ObjectPaths.sst(info.id);
    const { bytes } = (await store.get(object))!;
    const rows: PlainRow[] = [];
    const rangeDeletes: RangeTombstone[] = [];
    const found = verifySst(bytes, {
      ...{ object, databaseId, id: info.id, prefixExtractor },
      onRow: (row) => void rows.push(toPlain(row)),
      onRangeDeletes: (each) => void rangeDeletes.push(...each.tombstones()),
    });
    if (JSON.stringify({ ...found, seq: info.seq }) !== JSON.stringify(info)) {
      throw new Error(`${object} is not what the job says: ${JSON.stringify([found, info])}`);
    }
    const copiedBlockCount = copiedBlocksOf(bytes, object);
    const content = withSeqs({ rows, rangeDeletes, seq: info.seq, cuts: [] });
    outputs.push({ ...content, info, bytes, copiedBlockCount });
  }
  return outputs;
}

function copiedBlocksOf(bytes: Uint8Array, object: string): number {
  const footer = readFooter(bytes, bytes.length, object);
  const { offset, length } = sectionOf(footer, SectionId.properties);
  return readProperties(bytes.subarray(offset, offset + length - 5), object, offset)
    .copiedBlockCount;
}

/** Each lies behind the one before, and no key is in two of them. */
export function expectApart(outputs: readonly Content[]): void {
  for (let i = 1; i < outputs.length; i++) {
    const before = extentOf(outputs[i - 1]!);
    const { first } = extentOf(outputs[i]!);
    expect(before.isEndless).toBe(false);
    if (before.last !== undefined) expect(compareBytes(before.last, first)).toBeLessThan(0);
    if (before.end !== undefined) expect(compareBytes(before.end, first)).toBeLessThanOrEqual(0);
  }
}

/** Of an output, where its rows and range deletes begin, and the last key or the end that they reach to. */
function extentOf({ rows, rangeDeletes }: Content): {
  first: Uint8Array;
  last: Uint8Array | undefined;
  end: Uint8Array | undefined;
  isEndless: boolean;
} {
  const starts = [...rows.map(({ key }) => key), ...rangeDeletes.map(({ start }) => start)];
  const ends = rangeDeletes.flatMap(({ end }) => (end === undefined ? [] : [end]));
  return {
    first: starts.sort(compareBytes)[0]!,
    last: rows.at(-1)?.key,
    end: ends.sort(compareBytes).at(-1),
    isEndless: rangeDeletes.some(({ end }) => end === undefined),
  };
}
