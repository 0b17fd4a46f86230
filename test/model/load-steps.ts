/** Bulk loads at random moments: alone, called off, beside writes, and cut short by a crash. */
import * as fc from "fast-check";
import { expect } from "vitest";
import { compareBytes } from "../../src/common/bytes.js";
import type { Db, KeyLike, LifetimeOptions, LoadEntry } from "../../src/index.js";
import { expectEqual } from "../support/expect-equal.js";
import { command, type Step } from "./command.js";
import { livingArbitrary } from "./lifetimes.js";
import { type AnyOperation, type Model, toBytes } from "./model.js";
import { allRows } from "./world.js";
import { hasEffect, keyArbitrary, showOperation, write, writesArbitrary } from "./writes.js";

/** Rows to load, and how they are given. */
interface LoadPlan {
  readonly rows: readonly (readonly [KeyLike, Uint8Array, LifetimeOptions])[];
  readonly sorted: boolean;
  readonly shape: "pairs" | "objects" | "slow";
}

function load(db: Db, { rows, shape }: LoadPlan, signal?: AbortSignal) {
  const entries = rows.map(([key, value, lifetime]) => ({ key, value, ...lifetime }));
  if (shape === "pairs") {
    const asPair = ([key, value, lifetime]: LoadPlan["rows"][number], i: number): LoadEntry =>
      Object.keys(lifetime).length === 0 ? [key, value] : entries[i]!;
    return db.load(rows.map(asPair), { signal });
  }
  if (shape === "objects") return db.load(entries, { signal });
  const oneByOne = async function* () {
    for (const entry of entries) {
      await new Promise((resolve) => setImmediate(resolve));
      yield entry;
    }
  };
  return db.load(oneByOne(), { signal });
}

/** The database holds a load whose seqs lie in a range: they are read from it. */
async function learnLoad(
  model: Model,
  db: Db,
  { rows }: LoadPlan,
  range: { seqBefore: number; seq: number },
): Promise<void> {
  const seqs = new Map<KeyLike, number>();
  for (const [key] of rows) {
    const seq = (await db.getEntry(key))?.seq ?? 0;
    if (seq > range.seqBefore && seq <= range.seq) seqs.set(key, seq);
  }
  model.addLoad(rows, range, (key) => seqs.get(key));
}

const showPlan = ({ rows, sorted, shape }: LoadPlan) => ({
  ...{ sorted, shape },
  rows: rows.map(showOperation),
});

const loadStep = (plan: LoadPlan): Step =>
  command("load", showPlan(plan), async (model, { db }) => {
    const seqBefore = model.lastSeq;
    const { seq } = await load(db, plan);
    expect(seq).toBe(db.seq);
    if (plan.rows.length === 0) return;
    expect(seq).toBeGreaterThan(seqBefore);
    await learnLoad(model, db, plan, { seqBefore, seq });
    for (const [key] of plan.rows) expect((await db.getEntry(key))?.seq).toBeGreaterThan(seqBefore);
    model.acknowledge(seq);
  });

/** Called off after some turns of the event loop: wholly there, or not at all. */
const abortedLoadStep = (plan: LoadPlan, turns: number): Step =>
  command("abortedLoad", { ...showPlan(plan), turns }, async (model, { db }) => {
    const seqBefore = model.lastSeq;
    const abort = new AbortController();
    const outcome = load(db, plan, abort.signal).then(
      ({ seq }) => seq,
      (error: unknown) => error,
    );
    for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
    abort.abort(new Error("enough"));
    const result = await outcome;
    const { seq } = db;
    if (typeof result === "number") expect(result).toBe(seq);
    else expect(result).toBe(abort.signal.reason);
    if (seq === seqBefore) return;
    await learnLoad(model, db, plan, { seqBefore, seq });
    if (typeof result === "number") model.acknowledge(seq);
  });

/** A load beside writes: it takes its seqs somewhere among them, all at once. */
const loadAmongStep = (plan: LoadPlan, writes: readonly (readonly AnyOperation[])[]): Step =>
  command(
    "loadAmong",
    { ...showPlan(plan), writes: writes.map((operations) => operations.map(showOperation)) },
    async (model, { db }) => {
      const before = model.lastSeq;
      const [loaded, ...results] = await Promise.all([
        load(db, plan),
        ...writes.map((one) => write(db, one, false, {})),
      ]);
      const written = results.map(({ seq }, i) => ({ seq, operations: writes[i]! }));
      const own = written.filter(({ operations }) => hasEffect(operations));
      for (const { seq, operations } of own) model.add(seq, operations);
      const total = db.seq - before;
      const seqBefore = loaded.seq - (total - own.length);
      if (plan.rows.length > 0) {
        const between = own.filter(({ seq }) => seq > seqBefore && seq <= loaded.seq);
        expectEqual(between, [], "writes between the seqs of a load");
        await learnLoad(model, db, plan, { seqBefore, seq: loaded.seq });
      }
      model.acknowledge(db.seq);
      expect(model.lastSeq).toBe(db.seq);
    },
  );

/** The process is gone some turns after a load has begun. */
const crashedLoadStep = (plan: LoadPlan, turns: number): Step =>
  command("crashedLoad", { ...showPlan(plan), turns }, async (model, world) => {
    const seqBefore = model.lastSeq;
    load(world.db, plan).catch(() => undefined);
    for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
    const { durableSeq } = world.db.stats();
    world.crash();
    await world.openDb();
    const found = await allRows(world.db);
    const seq = Math.max(0, ...found.map((row) => row.seq));
    if (seq > seqBefore) await learnLoad(model, world.db, plan, { seqBefore, seq });
    model.acknowledge(durableSeq);
    model.recover(found, world.db.seq);
  });

const planToLoadArbitrary: fc.Arbitrary<LoadPlan> = fc
  .record({
    rows: fc.array(
      fc.tuple(
        keyArbitrary,
        fc
          .tuple(fc.nat(255), fc.constantFrom(0, 3, 30, 2000, 5000))
          .map(([fill, length]) => new Uint8Array(length).fill(fill)),
        // All are seen at once: what became of a load is read from its rows.
        livingArbitrary,
      ),
      { maxLength: 9 },
    ),
    sorted: fc.boolean(),
    shape: fc.constantFrom<LoadPlan["shape"]>("pairs", "objects", "slow"),
  })
  .map((plan) => {
    if (!plan.sorted) return plan;
    const rows = plan.rows.toSorted(([a], [b]) => compareBytes(toBytes(a), toBytes(b)));
    return { ...plan, rows };
  });

export const loadSteps: fc.Arbitrary<Step>[] = [
  planToLoadArbitrary.map(loadStep),
  fc.tuple(planToLoadArbitrary, fc.nat(8)).map(([plan, turns]) => abortedLoadStep(plan, turns)),
  fc
    .tuple(planToLoadArbitrary, writesArbitrary)
    .map(([plan, writes]) => loadAmongStep(plan, writes)),
  fc.tuple(planToLoadArbitrary, fc.nat(10)).map(([plan, turns]) => crashedLoadStep(plan, turns)),
];
