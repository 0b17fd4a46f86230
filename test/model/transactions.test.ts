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
  type Transaction,
} from "../../src/index.js";
import { MemoryObjectStore } from "../../src/testing/index.js";
import { isWithin, nameOf } from "./model.js";

const KiB = 1024;
const slots = 3;

/** A value of undefined is a delete. */
type Operation = readonly [key: string, value: Uint8Array | undefined];
type Reached = (key: Uint8Array) => boolean;

/** What was written at a seq. */
interface Written {
  readonly seq: number;
  readonly operations: readonly Operation[];
  /** The first and the last key of a load. */
  readonly covers?: readonly [string, string];
}

interface Running {
  readonly tx: Transaction;
  readonly isolation: Isolation;
  readonly own: Map<string, { value: Uint8Array | undefined; isMarked: boolean }>;
  readonly readKeys: Set<string>;
  readonly readRanges: { has: Reached; range: KeyRange }[];
}

class Side {
  readonly written: Written[] = [];
  readonly running: (Running | undefined)[] = new Array(slots).fill(undefined);
  readonly db: Db;

  constructor(db: Db) {
    this.db = db;
  }

  add(seq: number, operations: readonly Operation[], isLoad = false): void {
    const keys = operations.map(([key]) => key).sort();
    const covers = [keys[0]!, keys.at(-1)!] as const;
    this.written.push({ seq, operations, ...(isLoad && { covers }) });
  }

  get lastSeq(): number {
    return this.written.at(-1)?.seq ?? 0;
  }

  stateAt(seq: number): Map<string, Uint8Array> {
    const rows = new Map<string, Uint8Array>();
    for (const written of this.written) {
      if (written.seq > seq) break;
      for (const [key, value] of written.operations) {
        if (value === undefined) rows.delete(key);
        else rows.set(key, value);
      }
    }
    return rows;
  }

  /** The state that a transaction sees. */
  rows({ tx, own }: Running): { key: string; value: Uint8Array }[] {
    const rows = this.stateAt(tx.seq);
    for (const [key, { value }] of own) {
      if (value === undefined) rows.delete(key);
      else rows.set(key, value);
    }
    return [...rows].sort().map(([key, value]) => ({ key, value }));
  }

  /** A write up to `seq` that the transaction does not go together with. */
  conflict({ tx, own, readKeys, readRanges }: Running, seq: number): Written | undefined {
    const keys = [...readKeys, ...[...own].filter(([, w]) => w.isMarked).map(([key]) => key)];
    return this.written.find((written) => {
      if (written.seq <= tx.seq || written.seq > seq) return false;
      const { covers } = written;
      if (covers === undefined) {
        return written.operations.some(
          ([key]) => keys.includes(key) || readRanges.some(({ has }) => has(encodeUtf8(key))),
        );
      }
      const [first, last] = covers;
      if (keys.some((key) => key >= first && key <= last)) return true;
      // Keys have one or two letters: a range that overlaps holds one of these, or lies between two neighbours.
      return readRanges.some(({ has }) =>
        probes.some((key) => key >= first && key <= last && has(encodeUtf8(key))),
      );
    });
  }
}

const letters = ["a", "b", "c", "d"];
const keys = [...letters, "aa", "bb", "ca"];
/** All keys that the tests use, and what lies next to them. */
const probes = keys.flatMap((key) => [key, `${key}\0`, `${key}!`]).sort();

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
    side.running[slot] = {
      ...{ tx, isolation, own: new Map(), readKeys: new Set(), readRanges: [] },
    };
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

const writeIn = (slot: number, key: string, value: Uint8Array | undefined): Step =>
  within(slot, "write", [key, value?.length], ({ tx, own }) => {
    if (value === undefined) tx.delete(key);
    else tx.put(key, value);
    own.set(key, { value, isMarked: true });
  });

const unmark = (slot: number, key: string): Step =>
  within(slot, "unmarkWrite", key, ({ tx, own }) => {
    const write = own.get(key);
    if (write === undefined) expect(() => tx.unmarkWrite(key)).toThrow("has not written");
    else {
      tx.unmarkWrite(key);
      own.set(key, { ...write, isMarked: false });
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
    const { tx, isolation, own, readKeys } = running;
    const rows = side.rows(running);
    const expected = asked.map((key) => rows.find((row) => row.key === key)?.value);
    if (isolation === "serializable") {
      for (const key of asked) if (!own.has(key)) readKeys.add(key);
    }
    if (asked.length !== 1) expect(await tx.getMany(asked)).toEqual(expected);
    else {
      const [value, entry] = await Promise.all([tx.get(asked[0]!), tx.getEntry(asked[0]!)]);
      expect([value, entry?.value]).toEqual([expected[0], expected[0]]);
      if (entry !== undefined) expect(entry.seq === 0).toBe(own.has(asked[0]!));
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
    const rows = side.rows(running).filter(({ key }) => isWithin(encodeUtf8(key), range));
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
      expect(given).toEqual(expected);
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
  const { tx, own } = running;
  const operations = [...own].map(([key, { value }]) => [key, value] as const);
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
    if (operations.length === 0) return;
    if (isLoad) {
      const loaded = operations.map(([key]) => [key, encodeUtf8("loaded")] as const);
      const { seq } = await db.load(loaded);
      side.add(seq, loaded, true);
      return;
    }
    const batch = db.batch();
    for (const [key, value] of operations) {
      if (value === undefined) batch.delete(key);
      else batch.put(key, value);
    }
    const { seq } = await db.write(batch, { durable: false });
    side.add(seq, operations);
  });

const flush: Step = step("flush", "", async ({ db }) => {
  await db.flush({ to: "l0" });
});

const check: Step = step("check", "", async (side) => {
  const { db, running } = side;
  const seen: string[] = [];
  for await (const { key, value } of db.scan()) seen.push(`${nameOf(key)}=${value.length}`);
  const expected = [...side.stateAt(side.lastSeq)].sort();
  expect(seen).toEqual(expected.map(([key, value]) => `${key}=${value.length}`));
  const open = running.filter((one) => one !== undefined);
  const { transactionCount, oldestSnapshotSeq, conflictWindowBytes } = db.stats();
  expect(transactionCount).toBe(open.length);
  const seqs = open.map(({ tx }) => tx.seq);
  expect(oldestSnapshotSeq).toBe(seqs.length === 0 ? undefined : Math.min(...seqs));
  if (open.length === 0) expect(conflictWindowBytes).toBe(0);
});

const slot = fc.nat(slots - 1);
const key = fc.constantFrom(...keys);
const value = fc.option(
  fc.nat(30).map((length) => new Uint8Array(length)),
  { nil: undefined, freq: 3 },
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
const operations = fc.uniqueArray(fc.tuple(key, value), {
  selector: ([name]) => name,
  maxLength: 3,
});
const isolation = fc.constantFrom<Isolation>("snapshot", "serializable", "serializable");

const steps: fc.Arbitrary<Step>[] = [
  fc.tuple(slot, isolation).map(([s, i]) => begin(s, i)),
  fc.tuple(slot, isolation).map(([s, i]) => begin(s, i)),
  fc.tuple(slot, key, value).map(([s, k, v]) => writeIn(s, k, v)),
  fc.tuple(slot, key, value).map(([s, k, v]) => writeIn(s, k, v)),
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
  fc.tuple(slot, key, value).map(([s, k, v]) => writeIn(s, k, v)),
);
/** A transaction from its begin to its commit, so that one that depends on little, and is late, is not rare. */
const whole: fc.Arbitrary<Step> = fc
  .record({
    isolation,
    before: fc.array(readArbitrary, { maxLength: 4 }),
    meanwhile: fc.tuple(operations, fc.constantFrom(false, false, true)),
    isFlushed: fc.boolean(),
    after: fc.array(readArbitrary, { maxLength: 2 }),
    own: fc.tuple(fc.constantFrom("x", "x", "y", "a"), value),
  })
  .map(({ isolation: which, before, meanwhile, isFlushed, after, own }) => {
    const parts = [
      begin(0, which),
      ...before,
      plain(...meanwhile),
      ...(isFlushed ? [flush] : []),
      ...after,
      writeIn(0, ...own),
      commit([0]),
    ];
    return step("whole", parts.map(String), async (side) => {
      for (const { run } of parts) await run(side);
    });
  });

const options: fc.Arbitrary<OpenOptions> = fc.record({
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
    { numRuns: 300 },
  );
}, 180_000);
