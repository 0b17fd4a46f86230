/** Snapshots of both handles at random moments, compared with the model at their seq at random later ones; reads at an older seq. */
import * as fc from "fast-check";
import { expect } from "vitest";
import type { Db, DbReader, KeyLike, KeyRange, Snapshot } from "../../src/index.js";
import { expectEqual } from "../support/expect-equal.js";
import { command, type Step } from "./command.js";
import { isWithin, type Model, nameOf, show } from "./model.js";
import { allRows, type World } from "./world.js";
import { keyArbitrary, rangeArbitrary } from "./writes.js";

interface Held {
  readonly snapshot: Snapshot;
  readonly owner: Db | DbReader;
  /** What was durable when it was taken. */
  readonly durableSeq: number;
}

const heldMax = 6;
const held = new WeakMap<World, Held[]>();

/** Those whose handle is still there. */
function heldOf(world: World): Held[] {
  const all = (held.get(world) ?? []).filter(
    ({ owner }) => owner === world.db || owner === world.reader,
  );
  held.set(world, all);
  return all;
}

const takeStep = (ofReader: boolean): Step =>
  command("takeSnapshot", ofReader ? "reader" : "db", async (model, world) => {
    const owner = ofReader ? await world.openReader() : world.db;
    const seq = ofReader ? owner.seq : model.lastSeq;
    const durableSeq = ofReader ? seq : world.db.stats().durableSeq;
    const snapshot = owner.snapshot();
    expect(snapshot.seq).toBe(seq);
    const all = heldOf(world);
    all.push({ snapshot, owner, durableSeq });
    if (all.length > heldMax) await close(all, 0);
    for (const handle of [world.db, world.reader]) {
      if (handle === undefined) continue;
      const own = all.filter((one) => one.owner === handle).map((one) => one.snapshot.seq);
      const { snapshotCount, oldestSnapshotSeq } = handle.stats();
      expect(snapshotCount).toBe(own.length);
      expect(oldestSnapshotSeq).toBe(own.length === 0 ? undefined : Math.min(...own));
    }
  });

async function close(all: Held[], index: number): Promise<void> {
  const [one] = all.splice(index, 1);
  one!.snapshot.close();
  await expect(one!.snapshot.get("a")).rejects.toMatchObject({ kind: "closed" });
  await expect(one!.owner.get("a", { snapshot: one!.snapshot })).rejects.toMatchObject({
    kind: "closed",
  });
}

const closeStep = (index: number): Step =>
  command("closeSnapshot", index, async (_, world) => {
    const all = heldOf(world);
    if (all.length > 0) await close(all, index % all.length);
  });

interface ReadPlan {
  readonly key: KeyLike;
  readonly range: KeyRange;
  readonly reverse: boolean;
}

async function compare(
  model: Model,
  seq: number,
  read: {
    get: (key: KeyLike) => Promise<Uint8Array | undefined>;
    many: (keys: readonly KeyLike[]) => Promise<(Uint8Array | undefined)[]>;
    keys: (options: KeyRange & { reverse: boolean }) => AsyncIterable<Uint8Array>;
  },
  { key, range, reverse }: ReadPlan,
): Promise<void> {
  const value = model.rowAt(seq, key)?.value;
  expectEqual(await read.get(key), value);
  expectEqual(await read.many([key, "a", key]), [value, model.rowAt(seq, "a")?.value, value]);
  const expected = model
    .rowsAt(seq)
    .filter((row) => isWithin(row.key, range))
    .map((row) => nameOf(row.key));
  const seen: string[] = [];
  for await (const one of read.keys({ ...range, reverse })) seen.push(nameOf(one));
  expectEqual(seen, reverse ? expected.toReversed() : expected);
}

const checkStep = (index: number, plan: ReadPlan, how: "method" | "option" | "durable"): Step =>
  command("checkSnapshot", [index, plan, how], async (model, world) => {
    const all = heldOf(world);
    const one = all[index % all.length];
    if (one === undefined) return;
    const { snapshot, owner, durableSeq } = one;
    if (how === "method") {
      expect(show(await allRows(snapshot))).toBe(show(model.rowsAt(snapshot.seq)));
    }
    const durability = how === "durable" ? "durable" : "memory";
    const from = how === "option" ? owner : snapshot;
    const options = how === "option" ? { snapshot } : { durability: durability as "memory" };
    const seq = how === "durable" ? Math.min(snapshot.seq, durableSeq) : snapshot.seq;
    const read = {
      get: (key: KeyLike) => from.get(key, options),
      many: (keys: readonly KeyLike[]) => from.getMany(keys, options),
      keys: (range: KeyRange & { reverse: boolean }) => from.keys({ ...range, ...options }),
    };
    await compare(model, seq, read, plan);
  });

const olderSeqStep = (place: number, plan: ReadPlan): Step =>
  command("olderSeq", [place, plan], async (model, { db }) => {
    const seqs = [0, ...model.batches.filter(({ isPart }) => !isPart).map(({ seq }) => seq)];
    const seq = seqs[place % seqs.length]!;
    const read = {
      get: (key: KeyLike) => db.get(key, { seq }),
      many: (keys: readonly KeyLike[]) => db.getMany(keys, { seq }),
      keys: (range: KeyRange & { reverse: boolean }) => db.keys({ ...range, seq }),
    };
    await compare(model, seq, read, plan);
    await expect(db.get("a", { seq: model.lastSeq + 1 })).rejects.toMatchObject({
      kind: "invalid",
    });
  });

const planArbitrary: fc.Arbitrary<ReadPlan> = fc.record({
  key: keyArbitrary,
  range: rangeArbitrary,
  reverse: fc.boolean(),
});

const checkArbitrary = fc
  .tuple(
    fc.nat(heldMax),
    planArbitrary,
    fc.constantFrom<"method" | "option" | "durable">("method", "option", "durable"),
  )
  .map(([index, plan, how]) => checkStep(index, plan, how));

export const snapshotSteps: fc.Arbitrary<Step>[] = [
  fc.boolean().map(takeStep),
  checkArbitrary,
  checkArbitrary,
  fc.nat(heldMax).map(closeStep),
  fc.tuple(fc.nat(), planArbitrary).map(([place, plan]) => olderSeqStep(place, plan)),
];
