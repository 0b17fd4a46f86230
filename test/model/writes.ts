/** What the model test writes: operations of all kinds, as the database is given them, and the keys and ranges that they are of. */
import * as fc from "fast-check";
import { expect } from "vitest";
import type {
  Db,
  KeyLike,
  KeyRange,
  WriteBatch,
  WriteOperation,
  WriteOptions,
  WriteResult,
} from "../../src/index.js";
import { lifetimeArbitrary } from "./lifetimes.js";
import { Merge } from "./merges.js";
import { type AnyOperation, type Model, nameOf, toBytes } from "./model.js";
import { RangeDelete, rangeDeleteArbitrary } from "./range-deletes.js";

/** An empty range adds nothing to a batch, and a batch without operations takes no seq. */
export function hasEffect(operations: readonly AnyOperation[]): boolean {
  return operations.some((one) => !(one instanceof RangeDelete && one.isEmpty));
}

/** A write of them got `seq`: the next one, or the last one where it had no effect. The model does not have it yet. */
export function checkSeq(model: Model, operations: readonly AnyOperation[], seq: number): void {
  expect(seq).toBe(model.lastSeq + (hasEffect(operations) ? 1 : 0));
}

function toOperation(operation: AnyOperation): WriteOperation {
  if (operation instanceof RangeDelete) return { type: "deleteRange", range: operation.range };
  const [key, value, lifetime] = operation;
  if (value === undefined) return { type: "delete", key };
  if (!(value instanceof Merge)) return { type: "put", key, value, ...lifetime };
  return { type: "merge", key, operand: value.operand, operator: value.operator, ...lifetime };
}

function toBatch(db: Db, operations: readonly AnyOperation[]): WriteBatch {
  const batch = db.batch();
  for (const operation of operations) {
    if (operation instanceof RangeDelete) {
      if (operation.prefix === undefined) batch.deleteRange(operation.range);
      else batch.deletePrefix(operation.prefix);
      continue;
    }
    const [key, value, lifetime] = operation;
    if (value === undefined) batch.delete(key);
    else if (!(value instanceof Merge)) batch.put(key, value, lifetime);
    else batch.merge(key, value.operand, { operator: value.operator, ...lifetime });
  }
  return batch;
}

/** As one batch, in either form. */
export function writeAll(
  db: Db,
  operations: readonly AnyOperation[],
  asArray: boolean,
  options: WriteOptions,
): Promise<WriteResult> {
  return db.write(asArray ? operations.map(toOperation) : toBatch(db, operations), options);
}

/** One operation by its own method, several as one batch. */
export function write(
  db: Db,
  operations: readonly AnyOperation[],
  asArray: boolean,
  options: WriteOptions,
): Promise<WriteResult> {
  const [first] = operations;
  if (first === undefined || operations.length > 1 || asArray) {
    return writeAll(db, operations, asArray, options);
  }
  if (first instanceof RangeDelete) {
    const { range, prefix } = first;
    const { durable } = options;
    if (prefix === undefined) return db.deleteRange(range, { durable });
    return db.deletePrefix(prefix, { durable });
  }
  const [key, value, lifetime] = first;
  if (value === undefined) return db.delete(key, options);
  if (!(value instanceof Merge)) return db.put(key, value, { ...options, ...lifetime });
  const { operator, operand } = value;
  return db.merge(key, operand, { operator, ...options, ...lifetime });
}

export function showOperation(operation: AnyOperation): string {
  if (operation instanceof RangeDelete) return String(operation);
  const [key, value, lifetime] = operation;
  const name = nameOf(toBytes(key).subarray(0, 6));
  if (value === undefined) return `delete ${name}`;
  if (value instanceof Merge) return `merge ${name} ${value} ${fc.stringify(lifetime)}`;
  return `put ${name}=${value.length}:${value[0] ?? ""} ${fc.stringify(lifetime)}`;
}

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

const valueArbitrary: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.nat(255),
    fc.oneof({ weight: 9, arbitrary: fc.nat(40) }, { weight: 1, arbitrary: fc.constant(6000) }),
  )
  .map(([fill, length]) => new Uint8Array(length).fill(fill));

export const rangeDeletes: fc.Arbitrary<RangeDelete> = rangeDeleteArbitrary(keyArbitrary);

/** Without merges. */
export const operationArbitrary: fc.Arbitrary<AnyOperation> = fc.oneof(
  { weight: 9, arbitrary: fc.tuple(keyArbitrary, valueArbitrary, lifetimeArbitrary) },
  { weight: 3, arbitrary: fc.tuple(keyArbitrary, fc.constant(undefined)) },
  { weight: 1, arbitrary: rangeDeletes },
);

export const writesArbitrary: fc.Arbitrary<AnyOperation[][]> = fc.array(
  fc.array(operationArbitrary, { minLength: 1, maxLength: 4 }),
  { maxLength: 6 },
);
