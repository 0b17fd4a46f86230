/** Batches in which keys are put, deleted and merged more than once. Where the database has no operators, nothing happens. */
import * as fc from "fast-check";
import { expect } from "vitest";
import type { Db, LifetimeOptions, WriteBatch, WriteOperation } from "../../src/index.js";
import { command, keyArbitrary, type Step } from "./commands.js";
import { endOf, lifetimeArbitrary } from "./lifetimes.js";
import { Merge, mergeArbitrary } from "./merges.js";
import { type MergeOperation, nameOf, type Operation, toBytes } from "./model.js";

type Any = Operation | MergeOperation;

const toOperation = ([key, value, lifetime]: Any): WriteOperation => {
  if (value === undefined) return { type: "delete", key };
  if (!(value instanceof Merge)) return { type: "put", key, value, ...lifetime };
  return { type: "merge", key, operand: value.operand, operator: value.operator, ...lifetime };
};

function toBatch(db: Db, operations: readonly Any[]): WriteBatch {
  const batch = db.batch();
  for (const [key, value, lifetime] of operations) {
    if (value === undefined) batch.delete(key);
    else if (!(value instanceof Merge)) batch.put(key, value, lifetime);
    else batch.merge(key, value.operand, { operator: value.operator, ...lifetime });
  }
  return batch;
}

/** Two operators of a key whose value the batch does not know cannot stand in one row. */
function mixesOperators(
  operations: readonly Any[],
  now: number,
  ofWrite: LifetimeOptions,
): boolean {
  /** The operator of a key whose value is not known; undefined where it is. */
  const unknown = new Map<string, string | undefined>();
  const over = new Map<string, boolean>();
  for (const [key, value, lifetime] of operations) {
    const name = nameOf(toBytes(key));
    if (!(value instanceof Merge) || over.get(name)) unknown.set(name, undefined);
    else if (!unknown.has(name)) unknown.set(name, value.operator);
    else if (![undefined, value.operator].includes(unknown.get(name))) return true;
    const end = endOf([lifetime, ofWrite], now);
    over.set(name, value !== undefined && end !== undefined && end <= now);
  }
  return false;
}

const show = ([key, value, lifetime]: Any): string =>
  `${nameOf(toBytes(key).subarray(0, 6))} ${value instanceof Merge ? value : (value?.length ?? "deleted")} ${fc.stringify(lifetime)}`;

const batchStep = (
  operations: readonly Any[],
  asArray: boolean,
  durable: boolean,
  lifetime: LifetimeOptions,
): Step =>
  command("batch", [operations.map(show), durable, lifetime], async (model, world) => {
    if (!world.hasOperators) return;
    const { db } = world;
    const batch = asArray ? operations.map(toOperation) : toBatch(db, operations);
    const writing = db.write(batch, { durable, ...lifetime });
    if (mixesOperators(operations, model.now, lifetime)) {
      await expect(writing).rejects.toMatchObject({ kind: "invalid" });
      expect(db.seq).toBe(model.lastSeq);
      return;
    }
    const { seq } = await writing;
    expect(seq).toBe(model.lastSeq + 1);
    model.add(seq, operations, lifetime);
    if (durable) model.acknowledge(seq);
  });

const valueArbitrary = fc.nat(30).map((length) => new Uint8Array(length).fill(length));
const operationArbitrary: fc.Arbitrary<Any> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(keyArbitrary, mergeArbitrary, lifetimeArbitrary) },
  { weight: 1, arbitrary: fc.tuple(keyArbitrary, valueArbitrary, lifetimeArbitrary) },
  { weight: 1, arbitrary: fc.tuple(keyArbitrary, fc.constant(undefined)) },
);
/** Of few keys, so that they are repeated. */
const operationsArbitrary = fc
  .tuple(
    fc.array(operationArbitrary, { minLength: 1, maxLength: 10 }),
    fc.integer({ min: 1, max: 4 }),
  )
  .map(([operations, keyCount]) =>
    operations.map((operation, i): Any => {
      const [, ...rest] = operation;
      return [operations[i % keyCount]?.[0] ?? operation[0], ...rest] as Any;
    }),
  );

export const batchSteps: fc.Arbitrary<Step>[] = Array(2).fill(
  fc
    .tuple(operationsArbitrary, fc.boolean(), fc.boolean(), lifetimeArbitrary)
    .map(([operations, asArray, durable, lifetime]) =>
      batchStep(operations, asArray, durable, lifetime),
    ),
);
