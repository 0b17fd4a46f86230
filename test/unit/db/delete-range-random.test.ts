/** A database with range deletes among all other writes, flushes and openings, against a map. */
import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import {
  bytesAppend,
  Db,
  MemoryObjectStore,
  type Snapshot,
  type WriteOperation,
} from "../../../src/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { sampled } from "../../support/run-counts.js";
import { text } from "./support.js";

beforeAll(loadEngine);

type Operation =
  | { type: "put"; key: string; value: string }
  | { type: "delete"; key: string }
  | { type: "merge"; key: string; operand: string }
  | { type: "deleteRange"; range: { gte?: string; lt?: string } | { all: true } };

type Model = Map<string, string>;

function apply(model: Model, operation: Operation): void {
  if (operation.type === "put") model.set(operation.key, operation.value);
  else if (operation.type === "delete") model.delete(operation.key);
  else if (operation.type === "merge") {
    model.set(operation.key, (model.get(operation.key) ?? "") + operation.operand);
  } else {
    const { gte, lt } = operation.range as { gte?: string; lt?: string };
    for (const key of model.keys()) {
      if ((gte ?? "") <= key && (lt === undefined || key < lt)) model.delete(key);
    }
  }
}

const keys = ["a", "aa", "b", "ba", "c", "d"];
const keyArbitrary = fc.constantFrom(...keys);
const rangeArbitrary = fc.oneof(
  { weight: 6, arbitrary: fc.record({ gte: keyArbitrary, lt: fc.constantFrom(...keys, "e") }) },
  keyArbitrary.map((gte) => ({ gte })),
  keyArbitrary.map((lt) => ({ lt })),
  fc.constant({ all: true } as const),
);
let values = 0;
const operationArbitrary: fc.Arbitrary<Operation> = fc.oneof(
  keyArbitrary.map((key): Operation => ({ type: "put", key, value: `${values++ % 1000};` })),
  keyArbitrary.map((key): Operation => ({ type: "delete", key })),
  keyArbitrary.map((key): Operation => ({ type: "merge", key, operand: `${values++ % 1000},` })),
  rangeArbitrary.map((range): Operation => ({ type: "deleteRange", range })),
);
type Step = readonly Operation[] | "flush" | "open" | "load" | "snapshot";
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: operationArbitrary.map((operation) => [operation]) },
  { weight: 3, arbitrary: fc.array(operationArbitrary, { minLength: 1, maxLength: 6 }) },
  { weight: 4, arbitrary: fc.constantFrom<Step[]>("flush", "open", "load", "snapshot") },
);

const options = { mergeOperators: { log: bytesAppend }, flushIntervalMs: 3_600_000 };
const durable = { durable: false };

function writeOne(db: Db, operation: Operation): Promise<unknown> {
  if (operation.type === "put") return db.put(operation.key, operation.value, durable);
  if (operation.type === "delete") return db.delete(operation.key, durable);
  if (operation.type === "merge") return db.merge(operation.key, operation.operand, durable);
  return db.deleteRange(operation.range, durable);
}

async function check(reads: Db | Snapshot, model: Model): Promise<void> {
  const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
  const found = await Promise.all(keys.map((key) => reads.get(key)));
  expect(found.map(text)).toEqual(keys.map((key) => model.get(key)));
  expect((await reads.getMany(keys)).map(text)).toEqual(keys.map((key) => model.get(key)));
  for (const reverse of [false, true]) {
    const rows = await reads.scan({ reverse }).nextMany(99);
    const shown = rows.map(({ key, value }) => [text(key), text(value)]);
    expect(shown).toEqual(reverse ? expected.toReversed() : expected);
  }
}

test("reads answer what a map says, whatever is where", async () => {
  const run = fc.asyncProperty(fc.array(stepArbitrary, { maxLength: 16 }), async (steps) => {
    const at = { store: new MemoryObjectStore(), path: "db" };
    let db = await Db.open(at, options);
    const model: Model = new Map();
    let held: [Snapshot, Model][] = [];
    for (const step of steps) {
      if (step === "flush") await db.flush({ to: "l0" });
      else if (step === "open") {
        await db.close({ flush: "wal" });
        db = await Db.open(at, options);
        held = [];
      } else if (step === "load") {
        await db.load([
          ["b", "loaded"],
          ["d", "loaded"],
        ]);
        model.set("b", "loaded").set("d", "loaded");
      } else if (step === "snapshot") held.push([db.snapshot(), new Map(model)]);
      else {
        if (step.length === 1) await writeOne(db, step[0]!);
        else await db.write(step as readonly WriteOperation[], durable);
        for (const operation of step) apply(model, operation);
      }
      // First: a scan of what is newest cuts the range deletes, which until then are looked at one by one.
      const last = held.at(-1);
      if (last !== undefined) await check(...last);
      await check(db, model);
    }
    for (const [snapshot, then] of held) {
      await check(snapshot, then);
      snapshot.close();
    }
    await db.close({ flush: false });
  });
  await fc.assert(run, { numRuns: sampled(100) });
});
