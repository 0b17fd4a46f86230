/** What can happen to a database, as commands for fast-check: each does it to both sides and compares. */
import * as fc from "fast-check";
import { expect } from "vitest";
import { compareBytes } from "../../src/common/bytes.js";
import type { Db, KeyLike, KeyRange, LifetimeOptions, ScanOptions } from "../../src/index.js";
import { expectEqual } from "../support/expect-equal.js";
import { command, type Step } from "./command.js";
import { lifetimeArbitrary } from "./lifetimes.js";
import { loadSteps } from "./load-steps.js";
import { type AnyOperation, isWithin, type Model, show, toBytes } from "./model.js";
import { tellHidden } from "./seen.js";
import { allRows } from "./world.js";
import {
  checkSeq,
  hasEffect,
  keyArbitrary,
  operationArbitrary,
  rangeArbitrary,
  showOperation,
  write,
  writesArbitrary,
} from "./writes.js";

type Durability = "memory" | "durable";

/** Asks and looks at the durable seq in the same tick: a read is a function of the state at its call. */
function seqSeen(model: Model, db: Db, durability: Durability): number {
  return durability === "durable" ? db.stats().durableSeq : model.lastSeq;
}

/** `lifetime` is for what says nothing, in a batch. */
const writeStep = (
  operations: readonly AnyOperation[],
  asArray: boolean,
  durable: boolean,
  lifetime: LifetimeOptions,
): Step =>
  command(
    "write",
    { operations: operations.map(showOperation), durable, lifetime },
    async (model, world) => {
      const ofWrite = asArray || operations.length !== 1 ? lifetime : {};
      const { seq } = await write(world.db, operations, asArray, { durable, ...ofWrite });
      checkSeq(model, operations, seq);
      if (!hasEffect(operations)) return;
      model.add(seq, operations, ofWrite);
      if (durable) model.acknowledge(seq);
    },
  );

/** Several writes that nobody waits for in between. */
const burstStep = (writes: readonly (readonly AnyOperation[])[]): Step =>
  command(
    "burst",
    writes.map((operations) => operations.map(showOperation)),
    async (model, world) => {
      const results = await Promise.all(writes.map((one) => write(world.db, one, false, {})));
      for (const [i, { seq }] of results.entries()) {
        // One without effect does not wait for those before it.
        if (!hasEffect(writes[i]!)) {
          expect(seq).toBeLessThanOrEqual(model.lastSeq);
          continue;
        }
        expect(seq).toBe(model.lastSeq + 1);
        model.add(seq, writes[i]!);
        model.acknowledge(seq);
      }
    },
  );

export const flushStep = (to: "wal" | "l0"): Step =>
  command("flush", to, async (model, world) => {
    const { durableSeq } = await world.db.flush({ to });
    // Seqs that were given and lost before this handle are no token.
    if (model.lastSeq > model.openedSeq) expect(durableSeq).toBe(model.lastSeq);
    else expect(durableSeq).toBeLessThanOrEqual(model.lastSeq);
    model.acknowledge(durableSeq);
    if (to !== "l0") return;
    expect(world.db.stats().memTableBytes).toBe(0);
    model.flushedSeqs.push(durableSeq);
  });

const reopenStep = (flush: boolean | "wal"): Step =>
  command("reopen", flush, async (model, world) => {
    await world.db.close({ flush });
    if (flush !== false) model.acknowledge(model.lastSeq);
    await world.openDb();
    model.recover(await allRows(world.db), world.db.seq);
  });

/** Writes go out, and after some turns of the event loop the process is gone. */
const crashStep = (writes: readonly (readonly AnyOperation[])[], turns: number): Step =>
  command(
    "crash",
    { turns, writes: writes.map((w) => w.map(showOperation)) },
    async (model, world) => {
      for (const operations of writes) {
        if (hasEffect(operations)) model.add(model.lastSeq + 1, operations);
        write(world.db, operations, false, {}).catch(() => undefined);
      }
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
      model.acknowledge(world.db.stats().durableSeq);
      world.crash();
      await world.openDb();
      model.recover(await allRows(world.db), world.db.seq);
    },
  );

const getStep = (key: KeyLike, durability: Durability): Step =>
  command("get", [key, durability], async (model, { db }) => {
    const seqMax = seqSeen(model, db, durability);
    const row = model.rowAt(seqMax, key);
    tellHidden(model, seqMax, (hidden) => compareBytes(hidden, toBytes(key)) === 0);
    const [value, entry, has] = await Promise.all([
      db.get(key, { durability }),
      db.getEntry(key, { durability }),
      db.has(key, { durability }),
    ]);
    expectEqual(
      [value, entry?.value, entry?.seq, entry?.expiresAt, has],
      [row?.value, row?.value, row?.seq, row?.expiresAt, row !== undefined],
    );
  });

const getManyStep = (keys: readonly KeyLike[], durability: Durability): Step =>
  command("getMany", [keys, durability], async (model, { db }) => {
    const seq = seqSeen(model, db, durability);
    const values = await db.getMany(keys, { durability });
    expectEqual(
      values,
      keys.map((key) => model.rowAt(seq, key)?.value),
    );
  });

interface ScanPlan {
  readonly range: KeyRange;
  readonly reverse: boolean;
  readonly limit: number | undefined;
  readonly durability: Durability;
  readonly readAheadBytes: number | undefined;
  readonly shape: "scan" | "keys" | "values";
  /** After each: so many rows are read. */
  readonly seeks: readonly (readonly [KeyLike, number])[];
}

const scanStep = (plan: ScanPlan): Step =>
  command("scan", plan, async (model, { db }) => {
    const { range, reverse, limit, durability, readAheadBytes, shape, seeks } = plan;
    const seqMax = seqSeen(model, db, durability);
    const inOrder = model.rowsAt(seqMax).filter((row) => isWithin(row.key, range));
    tellHidden(model, seqMax, (hidden) => isWithin(hidden, range));
    if (reverse) inOrder.reverse();
    const shaped = inOrder.map(({ key, value }) =>
      shape === "scan" ? { key, value } : shape === "keys" ? key : value,
    );
    const options: ScanOptions = { ...range, reverse, limit, durability, readAheadBytes };
    const scan = db[shape](options);
    let left = limit ?? Number.POSITIVE_INFINITY;
    let at = 0;
    for (const [key, count] of seeks) {
      scan.seek(key);
      const sought = toBytes(key);
      at = inOrder.findIndex((row) => {
        const order = compareBytes(row.key, sought);
        return reverse ? order <= 0 : order >= 0;
      });
      if (at < 0) at = inOrder.length;
      const taken = Math.min(count, left, inOrder.length - at);
      expectEqual(await scan.nextMany(count), shaped.slice(at, at + taken));
      at += taken;
      left -= taken;
    }
    const rest: unknown[] = [];
    for await (const row of scan) rest.push(row);
    expectEqual(rest, shaped.slice(at, at + Math.min(left, shaped.length)));
  });

const readerStep = (refresh: boolean, key: KeyLike): Step =>
  command("reader", { refresh, key }, async (model, world) => {
    const { durableSeq } = world.db.stats();
    const isNew = world.reader === undefined;
    const reader = await world.openReader();
    if (refresh) await reader.refresh();
    if (refresh || isNew) expect(reader.seq).toBeGreaterThanOrEqual(durableSeq);
    const seq = reader.seq;
    expect(show(await allRows(reader))).toBe(show(model.rowsAt(seq)));
    expectEqual(await reader.get(key), model.rowAt(seq, key)?.value);
  });

const closeReaderStep: Step = command("closeReader", "", (_, world) => world.closeReader());

const durabilityArbitrary = fc.constantFrom<Durability>("memory", "memory", "durable");
const planArbitrary: fc.Arbitrary<ScanPlan> = fc.record({
  range: rangeArbitrary,
  reverse: fc.boolean(),
  limit: fc.option(fc.nat(6), { nil: undefined }),
  durability: durabilityArbitrary,
  readAheadBytes: fc.constantFrom(undefined, 0, 100),
  shape: fc.constantFrom<"scan" | "keys" | "values">("scan", "keys", "values"),
  seeks: fc.array(fc.tuple(keyArbitrary, fc.integer({ min: 1, max: 3 })), { maxLength: 3 }),
});

const writeArbitrary = fc
  .tuple(
    fc.array(operationArbitrary, { maxLength: 6 }),
    fc.boolean(),
    fc.boolean(),
    lifetimeArbitrary,
  )
  .map(([operations, asArray, durable, lifetime]) =>
    writeStep(operations, asArray, durable, lifetime),
  );

/** Writes come first and often, so that there is something to read. */
export const stepArbitraries: fc.Arbitrary<Step>[] = [
  writeArbitrary,
  writeArbitrary,
  writesArbitrary.map(burstStep),
  ...loadSteps,
  fc.constantFrom<"wal" | "l0">("wal", "l0", "l0").map(flushStep),
  fc.constantFrom<boolean | "wal">(true, "wal", false).map(reopenStep),
  fc.tuple(writesArbitrary, fc.nat(6)).map(([writes, turns]) => crashStep(writes, turns)),
  fc.tuple(keyArbitrary, durabilityArbitrary).map(([key, d]) => getStep(key, d)),
  fc
    .tuple(fc.array(keyArbitrary, { maxLength: 8 }), durabilityArbitrary)
    .map(([k, d]) => getManyStep(k, d)),
  planArbitrary.map(scanStep),
  planArbitrary.map(scanStep),
  fc.tuple(fc.boolean(), keyArbitrary).map(([refresh, key]) => readerStep(refresh, key)),
  fc.constant(closeReaderStep),
];
