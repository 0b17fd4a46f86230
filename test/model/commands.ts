/** What can happen to a database, as commands for fast-check: each does it to both sides and compares. */
import * as fc from "fast-check";
import { expect } from "vitest";
import { compareBytes } from "../../src/common/bytes.js";
import type {
  Db,
  KeyLike,
  KeyRange,
  LifetimeOptions,
  LoadEntry,
  ScanOptions,
  WriteOptions,
} from "../../src/index.js";
import { lifetimeArbitrary, livingArbitrary } from "./lifetimes.js";
import { isWithin, Model, nameOf, type Operation, show, toBytes } from "./model.js";
import { allRows, World } from "./world.js";

export type Step = fc.AsyncCommand<Model, World>;
type Durability = "memory" | "durable";

export function command(
  name: string,
  detail: unknown,
  run: (model: Model, world: World) => Promise<void>,
): Step {
  return { check: () => true, run, toString: () => `${name}(${fc.stringify(detail)})` };
}

/** Asks and looks at the durable seq in the same tick: a read is a function of the state at its call. */
function seqSeen(model: Model, db: Db, durability: Durability): number {
  return durability === "durable" ? db.stats().durableSeq : model.lastSeq;
}

function write(db: Db, operations: readonly Operation[], asArray: boolean, options: WriteOptions) {
  const [first] = operations;
  if (operations.length === 1 && !asArray) {
    const [key, value, lifetime] = first!;
    return value === undefined
      ? db.delete(key, options)
      : db.put(key, value, { ...options, ...lifetime });
  }
  if (asArray) {
    return db.write(
      operations.map(([key, value, lifetime]) =>
        value === undefined ? { type: "delete", key } : { type: "put", key, value, ...lifetime },
      ),
      options,
    );
  }
  const batch = db.batch();
  for (const [key, value, lifetime] of operations) {
    if (value === undefined) batch.delete(key);
    else batch.put(key, value, lifetime);
  }
  return db.write(batch, options);
}

/** `lifetime` is for what says nothing, in a batch. */
const writeStep = (
  operations: readonly Operation[],
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
      if (operations.length === 0) return;
      expect(seq).toBe(model.lastSeq + 1);
      model.add(seq, operations, ofWrite);
      if (durable) model.acknowledge(seq);
    },
  );

/** Several writes that nobody waits for in between. */
const burstStep = (writes: readonly (readonly Operation[])[]): Step =>
  command(
    "burst",
    writes.map((operations) => operations.map(showOperation)),
    async (model, world) => {
      const results = await Promise.all(writes.map((one) => write(world.db, one, false, {})));
      for (const [i, { seq }] of results.entries()) {
        expect(seq).toBe(model.lastSeq + 1);
        model.add(seq, writes[i]!);
        model.acknowledge(seq);
      }
    },
  );

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
const loadAmongStep = (plan: LoadPlan, writes: readonly (readonly Operation[])[]): Step =>
  command(
    "loadAmong",
    { ...showPlan(plan), writes: writes.map((operations) => operations.map(showOperation)) },
    async (model, { db }) => {
      const before = model.lastSeq;
      const [loaded, ...results] = await Promise.all([
        load(db, plan),
        ...writes.map((one) => write(db, one, false, {})),
      ]);
      for (const [i, { seq }] of results.entries()) model.add(seq, writes[i]!);
      const total = db.seq - before;
      const seqBefore = loaded.seq - (total - writes.length);
      if (plan.rows.length > 0) {
        const own = results.filter(({ seq }) => seq > seqBefore && seq <= loaded.seq);
        expect(own, "writes between the seqs of a load").toEqual([]);
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

const flushStep = (to: "wal" | "l0"): Step =>
  command("flush", to, async (model, world) => {
    const { durableSeq } = await world.db.flush({ to });
    // Seqs that were given and lost before this handle are no token.
    if (model.lastSeq > model.openedSeq) expect(durableSeq).toBe(model.lastSeq);
    else expect(durableSeq).toBeLessThanOrEqual(model.lastSeq);
    model.acknowledge(durableSeq);
    if (to === "l0") expect(world.db.stats().memTableBytes).toBe(0);
  });

const reopenStep = (flush: boolean | "wal"): Step =>
  command("reopen", flush, async (model, world) => {
    await world.db.close({ flush });
    if (flush !== false) model.acknowledge(model.lastSeq);
    await world.openDb();
    model.recover(await allRows(world.db), world.db.seq);
  });

/** Writes go out, and after some turns of the event loop the process is gone. */
const crashStep = (writes: readonly (readonly Operation[])[], turns: number): Step =>
  command(
    "crash",
    { turns, writes: writes.map((w) => w.map(showOperation)) },
    async (model, world) => {
      for (const operations of writes) {
        model.add(model.lastSeq + 1, operations);
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
    const row = model.rowAt(seqSeen(model, db, durability), key);
    const [value, entry, has] = await Promise.all([
      db.get(key, { durability }),
      db.getEntry(key, { durability }),
      db.has(key, { durability }),
    ]);
    expect([value, entry?.value, entry?.seq, entry?.expiresAt, has]).toEqual([
      row?.value,
      row?.value,
      row?.seq,
      row?.expiresAt,
      row !== undefined,
    ]);
  });

const getManyStep = (keys: readonly KeyLike[], durability: Durability): Step =>
  command("getMany", [keys, durability], async (model, { db }) => {
    const seq = seqSeen(model, db, durability);
    const values = await db.getMany(keys, { durability });
    expect(values).toEqual(keys.map((key) => model.rowAt(seq, key)?.value));
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
    const inOrder = model
      .rowsAt(seqSeen(model, db, durability))
      .filter((row) => isWithin(row.key, range));
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
      expect(await scan.nextMany(count)).toEqual(shaped.slice(at, at + taken));
      at += taken;
      left -= taken;
    }
    const rest: unknown[] = [];
    for await (const row of scan) rest.push(row);
    expect(rest).toEqual(shaped.slice(at, at + Math.min(left, shaped.length)));
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
    expect(await reader.get(key)).toEqual(model.rowAt(seq, key)?.value);
  });

const closeReaderStep: Step = command("closeReader", "", (_, world) => world.closeReader());

export const keyArbitrary: fc.Arbitrary<KeyLike> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("a", "aa", "ab", "b", "ba", "c", "", "\u{1f600}") },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      Uint8Array.of(0),
      Uint8Array.of(0x61, 0),
      Uint8Array.of(255),
      Uint8Array.of(255, 255),
      new Uint8Array(300).fill(0x61),
    ),
  },
);
const valueArbitrary = fc
  .tuple(
    fc.nat(255),
    fc.oneof({ weight: 9, arbitrary: fc.nat(40) }, { weight: 1, arbitrary: fc.constant(6000) }),
  )
  .map(([fill, length]) => new Uint8Array(length).fill(fill));
const operationArbitrary: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(keyArbitrary, valueArbitrary, lifetimeArbitrary) },
  { weight: 1, arbitrary: fc.tuple(keyArbitrary, fc.constant(undefined)) },
);
const writesArbitrary = fc.array(fc.array(operationArbitrary, { minLength: 1, maxLength: 4 }), {
  maxLength: 6,
});
const durabilityArbitrary = fc.constantFrom<Durability>("memory", "memory", "durable");
export const rangeArbitrary: fc.Arbitrary<KeyRange> = fc
  .tuple(
    fc.option(fc.tuple(fc.constantFrom("gt", "gte"), keyArbitrary)),
    fc.option(fc.tuple(fc.constantFrom("lt", "lte"), keyArbitrary)),
    fc.option(keyArbitrary, { freq: 3 }),
  )
  .map(([lower, upper, prefix]) => ({
    ...(lower && { [lower[0]]: lower[1] }),
    ...(upper && { [upper[0]]: upper[1] }),
    ...(prefix !== null && { prefix }),
  }));

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

/** Writes come first and often, so that there is something to read. */
export const stepArbitraries: fc.Arbitrary<Step>[] = [
  writeArbitrary,
  writeArbitrary,
  writesArbitrary.map(burstStep),
  planToLoadArbitrary.map(loadStep),
  fc.tuple(planToLoadArbitrary, fc.nat(8)).map(([plan, turns]) => abortedLoadStep(plan, turns)),
  fc
    .tuple(planToLoadArbitrary, writesArbitrary)
    .map(([plan, writes]) => loadAmongStep(plan, writes)),
  fc.tuple(planToLoadArbitrary, fc.nat(10)).map(([plan, turns]) => crashedLoadStep(plan, turns)),
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

function showOperation([key, value, lifetime]: Operation): string {
  const name = nameOf(toBytes(key).subarray(0, 6));
  if (value === undefined) return `delete ${name}`;
  return `put ${name}=${value.length}:${value[0] ?? ""} ${fc.stringify(lifetime)}`;
}

export { Model, World };
