/** Batches in which keys are put, deleted and merged more than once, by key and by range. Where the database has no operators, nothing happens. */
import * as fc from "fast-check";
import { expect } from "vitest";
import type { LifetimeOptions } from "../../src/index.js";
import { command, type Step } from "./command.js";
import { endOf, lifetimeArbitrary } from "./lifetimes.js";
import { Merge, mergeArbitrary } from "./merges.js";
import { type AnyOperation, nameOf, toBytes } from "./model.js";
import { RangeDelete } from "./range-deletes.js";
import {
  checkSeq,
  hasEffect,
  keyArbitrary,
  rangeDeletes,
  showOperation,
  writeAll,
} from "./writes.js";

/**
 * Two operators of a key whose value the batch does not know cannot stand in one row. What a range delete covers is not in the batch, and what comes
 * after it has nothing beneath.
 */
function mixesOperators(
  operations: readonly AnyOperation[],
  now: number,
  ofWrite: LifetimeOptions,
): boolean {
  /** The operator of a key whose value is not known; undefined where it is. */
  const unknown = new Map<string, string | undefined>();
  const over = new Map<string, boolean>();
  for (const [at, operation] of operations.entries()) {
    if (operation instanceof RangeDelete) continue;
    const [key, value, lifetime] = operation;
    const bytes = toBytes(key);
    const isCovered = operations
      .slice(at)
      .some((later) => later instanceof RangeDelete && later.covers(bytes));
    if (isCovered) continue;
    const name = nameOf(bytes);
    const isDeleted = operations
      .slice(0, at)
      .some((earlier) => earlier instanceof RangeDelete && earlier.covers(bytes));
    if (isDeleted) continue;
    if (!(value instanceof Merge) || over.get(name)) unknown.set(name, undefined);
    else if (!unknown.has(name)) unknown.set(name, value.operator);
    else if (![undefined, value.operator].includes(unknown.get(name))) return true;
    const end = endOf([lifetime, ofWrite], now);
    over.set(name, value !== undefined && end !== undefined && end <= now);
  }
  return false;
}

const batchStep = (
  operations: readonly AnyOperation[],
  asArray: boolean,
  durable: boolean,
  lifetime: LifetimeOptions,
): Step =>
  command("batch", [operations.map(showOperation), durable, lifetime], async (model, world) => {
    if (!world.hasOperators) return;
    const { db } = world;
    const writing = writeAll(db, operations, asArray, { durable, ...lifetime });
    if (mixesOperators(operations, model.now, lifetime)) {
      await expect(writing).rejects.toMatchObject({ kind: "invalid" });
      expect(db.seq).toBe(model.lastSeq);
      return;
    }
    const { seq } = await writing;
    checkSeq(model, operations, seq);
    if (!hasEffect(operations)) return;
    model.add(seq, operations, lifetime);
    if (durable) model.acknowledge(seq);
  });

const valueArbitrary = fc.nat(30).map((length) => new Uint8Array(length).fill(length));
const operationArbitrary: fc.Arbitrary<AnyOperation> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(keyArbitrary, mergeArbitrary, lifetimeArbitrary) },
  { weight: 2, arbitrary: fc.tuple(keyArbitrary, valueArbitrary, lifetimeArbitrary) },
  { weight: 2, arbitrary: fc.tuple(keyArbitrary, fc.constant(undefined)) },
  { weight: 2, arbitrary: rangeDeletes },
);
/** Of few keys, so that they are repeated. */
const operationsArbitrary = fc
  .tuple(
    fc.array(operationArbitrary, { minLength: 1, maxLength: 10 }),
    fc.array(keyArbitrary, { minLength: 1, maxLength: 4 }),
  )
  .map(([operations, keys]) =>
    operations.map((operation, i): AnyOperation => {
      if (operation instanceof RangeDelete) return operation;
      const [, ...rest] = operation;
      return [keys[i % keys.length]!, ...rest] as AnyOperation;
    }),
  );

export const batchSteps: fc.Arbitrary<Step>[] = Array(2).fill(
  fc
    .tuple(operationsArbitrary, fc.boolean(), fc.boolean(), lifetimeArbitrary)
    .map(([operations, asArray, durable, lifetime]) =>
      batchStep(operations, asArray, durable, lifetime),
    ),
);
