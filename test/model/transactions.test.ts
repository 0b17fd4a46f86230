/**
 * Random interleavings of transactions with each other and with plain writes, against a model that knows what each isolation promises:
 * reads see one state and own writes, and a commit is refused if and only if something that it depends on was written meanwhile.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes, encodeUtf8 } from "../../src/common/bytes.js";
import {
  Db,
  type Isolation,
  isMoraineError,
  type KeyRange,
  type OpenOptions,
} from "../../src/index.js";
import { MemoryObjectStore } from "../../src/testing/index.js";
import { expectEqual } from "../support/expect-equal.js";
import { sampled } from "../support/run-counts.js";
import { Merge, mergeArbitrary, operators } from "./merges.js";
import { isWithin, nameOf } from "./model.js";
import {
  holdsKeys,
  isIn,
  type KeyWrite,
  keys,
  type Operation,
  Running,
  Side,
  slots,
} from "./transaction-side.js";

const KiB = 1024;

interface Step {
  run(side: Side): Promise<void>;
  toString(): string;
}

const step = (name: string, detail: unknown, run: (side: Side) => Promise<void>): Step => ({
  run,
  toString: () => `${name}(${fc.stringify(detail)})`,
});

const begin = (slot: number, isolation: Isolation): Step =>
  step("begin", [slot, isolation], async (side) => {
    side.running[slot]?.tx.rollback();
    const tx = side.db.begin({ isolation });
    expect(tx.seq).toBe(side.lastSeq);
    side.running[slot] = new Running(tx, isolation);
  });

const within = (
  slot: number,
  name: string,
  detail: unknown,
  run: (t: Running, s: Side) => unknown,
) =>
  step(name, [slot, detail], async (side) => {
    const running = side.running[slot];
    if (running !== undefined) await run(running, side);
  });

const rangeToDelete = (range: KeyRange): KeyRange | { all: true } =>
  Object.keys(range).length === 0 ? { all: true } : range;

const writeIn = (slot: number, { key, value }: KeyWrite): Step =>
  within(slot, "write", [key, String(value)], (running) => {
    const { tx } = running;
    if (value === undefined) tx.delete(key);
    else if (!(value instanceof Merge)) tx.put(key, value);
    else {
      const { operator, operand } = value;
      const merge = (): void => tx.merge(key, operand, { operator });
      if (running.isMixed(key, value)) {
        expect(merge).toThrow("not known");
        return;
      }
      merge();
    }
    running.write({ key, value });
  });

const deleteRangeIn = (slot: number, range: KeyRange): Step =>
  within(slot, "deleteRange", range, (running) => {
    running.tx.deleteRange(rangeToDelete(range));
    if (holdsKeys(range)) running.write({ range });
  });

const unmark = (slot: number, key: string): Step =>
  within(slot, "unmarkWrite", key, (running) => {
    const call = (): void => running.tx.unmarkWrite(key);
    if (running.writesOf(key).length === 0) expect(call).toThrow("has not written");
    else {
      call();
      running.unmarked.add(key);
    }
  });

const mark = (slot: number, what: string | KeyRange): Step =>
  within(slot, "markRead", what, ({ tx, readKeys, readRanges }) => {
    tx.markRead(what);
    if (typeof what === "string") readKeys.add(what);
    else readRanges.push({ has: (key) => isWithin(key, what), range: what });
  });

const getIn = (slot: number, asked: readonly string[]): Step =>
  within(slot, "get", asked, async (running, side) => {
    const { tx, isolation, readKeys } = running;
    const rows = side.rows(running);
    const expected = asked.map((key) => rows.find((row) => row.key === key)?.value);
    if (isolation === "serializable") {
      for (const key of asked) if (!running.decides(key)) readKeys.add(key);
    }
    if (asked.length !== 1) expectEqual(await tx.getMany(asked), expected);
    else {
      const [value, entry] = await Promise.all([tx.get(asked[0]!), tx.getEntry(asked[0]!)]);
      expectEqual([value, entry?.value], [expected[0], expected[0]]);
      if (entry !== undefined) expect(entry.seq === 0).toBe(running.writesOf(asked[0]!).length > 0);
    }
  });

interface ScanPlan {
  readonly range: KeyRange;
  readonly reverse: boolean;
  readonly limit: number | undefined;
  /** So many rows are read; then, after each seek, so many more. */
  readonly first: number;
  readonly seeks: readonly (readonly [string, number])[];
}

const scanIn = (slot: number, plan: ScanPlan): Step =>
  within(slot, "scan", plan, async (running, side) => {
    const { range, reverse, limit, first, seeks } = plan;
    const { tx, isolation, readRanges } = running;
    const rows = side.rows(running).filter(({ key }) => isIn(key, range));
    if (reverse) rows.reverse();
    const order = (a: string, b: string): number =>
      (reverse ? -1 : 1) * compareBytes(encodeUtf8(a), encodeUtf8(b));
    const scan = tx.keys({ ...range, reverse, limit });
    let left = limit ?? Number.POSITIVE_INFINITY;
    for (const [target, count] of [[undefined, first] as const, ...seeks]) {
      if (target !== undefined) scan.seek(target);
      if (count === 0) continue;
      const from = rows.filter(({ key }) => target === undefined || order(key, target) >= 0);
      const expected = from.slice(0, Math.min(count, left)).map(({ key }) => key);
      const given = (await scan.nextMany(count)).map(nameOf);
      expectEqual(given, expected);
      const isAtEnd = given.length < count && given.length < left;
      left -= given.length;
      const last = given.at(-1);
      if (isolation !== "serializable" || (last === undefined && !isAtEnd)) continue;
      const has = (key: Uint8Array): boolean =>
        isWithin(key, range) &&
        (target === undefined || order(nameOf(key), target) >= 0) &&
        (isAtEnd || order(nameOf(key), last!) <= 0);
      readRanges.push({ has, range });
    }
    await scan.close();
  });

async function commitOne(side: Side, slot: number): Promise<void> {
  const running = side.running[slot];
  if (running === undefined) return;
  side.running[slot] = undefined;
  const { tx, own: operations } = running;
  try {
    const { seq } = await tx.commit({ durable: false });
    if (operations.length === 0) return;
    committed.push({ side, running, seq, operations });
  } catch (error) {
    if (!isMoraineError(error, "conflict")) throw error;
    refused.push({ side, running, seq: error.seq });
  }
}

/** What has come of commits, judged once all that run at the same time are over. */
let committed: { side: Side; running: Running; seq: number; operations: Operation[] }[] = [];
let refused: { side: Side; running: Running; seq: number }[] = [];

function judge(): void {
  for (const { side, seq, operations } of committed.sort((a, b) => a.seq - b.seq)) {
    expect(seq).toBe(side.lastSeq + 1);
    side.add(seq, operations);
  }
  for (const { side, running, seq } of committed) {
    expect(
      side.conflict(running, seq - 1),
      "a commit that should have been refused",
    ).toBeUndefined();
  }
  for (const { side, running, seq } of refused) {
    expect(side.conflict(running, side.lastSeq), "a commit that was refused").toBeDefined();
    const one = side.written.filter((written) => written.seq === seq);
    const alone = Object.assign(Object.create(Side.prototype) as Side, side, { written: one });
    expect(alone.conflict(running, seq), "the write that the error names").toBeDefined();
  }
  committed = [];
  refused = [];
}

const commit = (chosen: readonly number[]): Step =>
  step("commit", chosen, async (side) => {
    await Promise.all([...new Set(chosen)].map((slot) => commitOne(side, slot)));
    judge();
  });

const rollback = (slot: number): Step =>
  step("rollback", slot, async (side) => {
    side.running[slot]?.tx.rollback();
    side.running[slot] = undefined;
  });

const plain = (operations: readonly Operation[], isLoad: boolean): Step =>
  step(isLoad ? "load" : "write", operations, async (side) => {
    const { db } = side;
    const writes = operations.filter((one) => "key" in one || holdsKeys(one.range));
    const loaded = writes.flatMap((one) => ("key" in one ? [one.key] : [])).sort();
    if (isLoad) {
      if (loaded.length === 0) return;
      const value = encodeUtf8("loaded");
      const { seq } = await db.load(loaded.map((key) => ({ key, value })));
      side.add(
        seq,
        loaded.map((key) => ({ key, value })),
        [loaded[0]!, loaded.at(-1)!],
      );
      return;
    }
    const batch = db.batch();
    for (const one of operations) {
      if ("range" in one) batch.deleteRange(rangeToDelete(one.range));
      else if (one.value === undefined) batch.delete(one.key);
      else if (one.value instanceof Merge)
        batch.merge(one.key, one.value.operand, { operator: one.value.operator });
      else batch.put(one.key, one.value);
    }
    const { seq } = await db.write(batch, { durable: false });
    if (writes.length > 0) side.add(seq, writes);
  });

const flush: Step = step("flush", "", async ({ db }) => {
  await db.flush({ to: "l0" });
});

const check: Step = step("check", "", async (side) => {
  const { db, running } = side;
  const seen: string[] = [];
  for await (const { key, value } of db.scan()) seen.push(`${nameOf(key)}=${value}`);
  const expected = [...side.stateAt(side.lastSeq)].map(([key, value]) => `${key}=${value}`);
  expectEqual(seen, expected.sort());
  const open = running.filter((one) => one !== undefined);
  const { transactionCount, oldestSnapshotSeq, conflictWindowBytes } = db.stats();
  expect(transactionCount).toBe(open.length);
  const seqs = open.map(({ tx }) => tx.seq);
  expect(oldestSnapshotSeq).toBe(seqs.length === 0 ? undefined : Math.min(...seqs));
  if (open.length === 0) expect(conflictWindowBytes).toBe(0);
});

const slot = fc.nat(slots - 1);
const key = fc.constantFrom(...keys);
const value: fc.Arbitrary<KeyWrite["value"]> = fc.oneof(
  fc.tuple(fc.nat(30), fc.nat(9)).map(([length, fill]) => new Uint8Array(length).fill(fill)),
  fc.constant(undefined),
  mergeArbitrary,
);
const range: fc.Arbitrary<KeyRange> = fc
  .tuple(
    fc.option(fc.tuple(fc.constantFrom("gt", "gte"), key)),
    fc.option(fc.tuple(fc.constantFrom("lt", "lte"), key)),
  )
  .map(([lower, upper]) => ({
    ...(lower && { [lower[0]]: lower[1] }),
    ...(upper && { [upper[0]]: upper[1] }),
  }));
const plan: fc.Arbitrary<ScanPlan> = fc.record({
  range,
  reverse: fc.boolean(),
  limit: fc.option(fc.nat(4), { nil: undefined }),
  first: fc.nat(8),
  seeks: fc.array(fc.tuple(key, fc.nat(3)), { maxLength: 2 }),
});
const keyWrites = fc.uniqueArray(fc.record({ key, value }), {
  selector: (one) => one.key,
  maxLength: 3,
});
const operations: fc.Arbitrary<Operation[]> = fc.oneof(
  keyWrites,
  range.map((one) => [{ range: one }]),
  fc.tuple(keyWrites, range, keyWrites).map(([before, one, after]) => {
    const isFirst = ({ key: name }: KeyWrite): boolean =>
      !before.some((other) => other.key === name);
    return [...before, { range: one }, ...after.filter(isFirst)];
  }),
);
const isolation = fc.constantFrom<Isolation>("snapshot", "serializable", "serializable");

const steps: fc.Arbitrary<Step>[] = [
  fc.tuple(slot, isolation).map(([s, i]) => begin(s, i)),
  fc.tuple(slot, isolation).map(([s, i]) => begin(s, i)),
  fc.tuple(slot, fc.record({ key, value })).map(([s, write]) => writeIn(s, write)),
  fc.tuple(slot, fc.record({ key, value })).map(([s, write]) => writeIn(s, write)),
  fc.tuple(slot, range).map(([s, r]) => deleteRangeIn(s, r)),
  fc.tuple(slot, key).map(([s, k]) => unmark(s, k)),
  fc.tuple(slot, fc.oneof(key, range)).map(([s, what]) => mark(s, what)),
  fc.tuple(slot, fc.array(key, { maxLength: 3 })).map(([s, asked]) => getIn(s, asked)),
  fc.tuple(slot, fc.array(key, { minLength: 1, maxLength: 1 })).map(([s, k]) => getIn(s, k)),
  fc.tuple(slot, plan).map(([s, p]) => scanIn(s, p)),
  fc.tuple(slot, plan).map(([s, p]) => scanIn(s, p)),
  fc.array(slot, { minLength: 1, maxLength: 3 }).map(commit),
  fc.array(slot, { minLength: 1, maxLength: 1 }).map(commit),
  slot.map(rollback),
  fc.tuple(operations, fc.constantFrom(false, false, true)).map(([o, l]) => plain(o, l)),
  fc.constant(flush),
  fc.constant(check),
];

const readArbitrary = fc.oneof(
  fc
    .tuple(slot, fc.array(key, { minLength: 1, maxLength: 2 }))
    .map(([s, asked]) => getIn(s, asked)),
  fc.tuple(slot, plan).map(([s, p]) => scanIn(s, p)),
  fc.tuple(slot, fc.record({ key, value })).map(([s, write]) => writeIn(s, write)),
  fc.tuple(slot, range).map(([s, r]) => deleteRangeIn(s, r)),
);
/** A transaction from its begin to its commit, so that one that depends on little, and is late, is not rare. */
const whole: fc.Arbitrary<Step> = fc
  .record({
    isolation,
    before: fc.array(readArbitrary, { maxLength: 4 }),
    meanwhile: fc.tuple(operations, fc.constantFrom(false, false, true)),
    isFlushed: fc.boolean(),
    after: fc.array(readArbitrary, { maxLength: 2 }),
    own: fc.record({ key: fc.constantFrom("x", "x", "y", "a"), value }),
    isRead: fc.boolean(),
  })
  .map(({ isolation: which, before, meanwhile, isFlushed, after, own, isRead }) => {
    const parts = [
      begin(0, which),
      ...before,
      plain(...meanwhile),
      ...(isFlushed ? [flush] : []),
      ...after,
      writeIn(0, own),
      ...(isRead ? [getIn(0, [own.key])] : []),
      commit([0]),
    ];
    return step("whole", parts.map(String), async (side) => {
      for (const { run } of parts) await run(side);
    });
  });

const options: fc.Arbitrary<OpenOptions> = fc.record({
  mergeOperators: fc.constant(operators),
  memTableBytes: fc.constantFrom(4 * KiB, undefined),
  unflushedBytesMax: fc.constantFrom(40 * KiB, 256 * KiB),
  conflictWindowBytes: fc.constantFrom(0, 64 * KiB, undefined),
  blockBytes: fc.constantFrom(64, 4096),
  blockCacheBytes: fc.constantFrom(0, undefined),
  flushIntervalMs: fc.constantFrom(1, 3_600_000),
});

test("transactions keep what their isolation promises, whatever runs beside them", async () => {
  await fc.assert(
    fc.asyncProperty(
      options.map((one) =>
        one.memTableBytes === undefined ? { ...one, unflushedBytesMax: undefined } : one,
      ),
      fc.array(fc.oneof(...steps, { weight: 6, arbitrary: whole }), { maxLength: 60, size: "max" }),
      async (one, taken) => {
        const db = await Db.open({ store: new MemoryObjectStore(), path: "db" }, one);
        const side = new Side(db);
        committed = [];
        refused = [];
        for (const { run } of taken) await run(side);
        for (let i = 0; i < slots; i++) await commit([i]).run(side);
        await check.run(side);
        await db.close();
      },
    ),
    { numRuns: sampled(300) },
  );
}, 180_000);
