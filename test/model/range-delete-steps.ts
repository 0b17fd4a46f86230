/** Range deletes at random moments: alone, and so many at once that only the SST itself knows them all. */
import * as fc from "fast-check";
import { expect } from "vitest";
import { expectEqual } from "../support/expect-equal.js";
import { command, type Step } from "./command.js";
import { flushStep } from "./commands.js";
import { type AnyOperation, nameOf, show } from "./model.js";
import { manyRangeDeletes, type RangeDelete } from "./range-deletes.js";
import { tellHidden } from "./seen.js";
import { allRows } from "./world.js";
import {
  checkSeq,
  hasEffect,
  operationArbitrary,
  rangeDeletes,
  showOperation,
  write,
  writeAll,
} from "./writes.js";

/** A range delete, by its own method where it is alone, else in the middle of a batch. */
const deleteStep = (
  operations: readonly AnyOperation[],
  asArray: boolean,
  durable: boolean,
): Step =>
  command("rangeDelete", [operations.map(showOperation), durable], async (model, { db }) => {
    const { seq } = await write(db, operations, asArray, { durable });
    checkSeq(model, operations, seq);
    if (!hasEffect(operations)) return;
    model.add(seq, operations);
    if (durable) model.acknowledge(seq);
  });

/** In so many batches, one right after the other. */
const manyStep = (operations: readonly RangeDelete[], batchCount: number): Step =>
  command("manyRangeDeletes", [operations.map(String), batchCount], async (model, { db }) => {
    const batches = Array.from({ length: batchCount }, (_, i) =>
      operations.filter((_operation, j) => j % batchCount === i),
    );
    const results = await Promise.all(
      batches.map((batch) => writeAll(db, batch, false, { durable: false })),
    );
    for (const [i, { seq }] of results.entries()) {
      expect(seq).toBe(model.lastSeq + 1);
      model.add(seq, batches[i]!);
    }
  });

/** Everything is read, as it is and as it was before the last write; by one way of reading first, which finds nothing in caches. */
const readAllStep = (first: "get" | "scan"): Step =>
  command("readAll", first, async (model, { db }) => {
    const seq = model.lastSeq;
    tellHidden(model, seq, () => true);
    const before = model.batches.findLast((batch) => batch.seq < seq && !batch.isPart)?.seq ?? 0;
    const earlier = model.rowsAt(before);
    const keys = earlier.map(({ key }) => key);
    const get = async (): Promise<void> => {
      expectEqual(
        await db.getMany(keys),
        keys.map((key) => model.rowAt(seq, key)?.value),
      );
      expectEqual(
        await db.getMany(keys, { seq: before }),
        earlier.map(({ value }) => value),
      );
    };
    if (first === "get") await get();
    expect(show(await allRows(db))).toBe(show(model.rowsAt(seq)));
    const seen: string[] = [];
    for await (const key of db.keys({ seq: before, reverse: true })) seen.push(nameOf(key));
    expectEqual(seen, keys.map(nameOf).reverse());
    if (first === "scan") await get();
  });

/** One after the other, with the moments at which what is hidden, or what hides it, goes into SSTs. */
const inOrder = (steps: readonly Step[]): Step => ({
  check: () => true,
  run: async (model, world) => {
    for (const step of steps) await step.run(model, world);
  },
  toString: () => steps.map(String).join(", "),
});

const besides = fc.oneof(
  fc.constant([]),
  fc.array(operationArbitrary, { minLength: 1, maxLength: 3 }),
);
const oneArbitrary = fc
  .tuple(fc.tuple(besides, rangeDeletes, besides), fc.boolean(), fc.boolean())
  .map(([[before, one, after], asArray, durable]) =>
    deleteStep([...before, one, ...after], asArray, durable),
  );
const manyArbitrary = fc
  .tuple(manyRangeDeletes, fc.constantFrom(1, 4))
  .map(([many, count]) => manyStep(many, count));
const flushArbitrary = fc.constantFrom([], [flushStep("l0")]);
const readAllArbitrary = fc.constantFrom<"get" | "scan">("get", "scan").map(readAllStep);

export const rangeDeleteSteps: fc.Arbitrary<Step>[] = [
  oneArbitrary,
  fc
    .tuple(flushArbitrary, oneArbitrary, flushArbitrary, readAllArbitrary)
    .map(([before, one, after, readAll]) => inOrder([...before, one, ...after, readAll])),
  fc
    .tuple(flushArbitrary, manyArbitrary, flushArbitrary, readAllArbitrary)
    .map(([before, many, after, readAll]) => inOrder([...before, many, ...after, readAll])),
];
