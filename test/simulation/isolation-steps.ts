/** What the clients of the isolation tests do: one step of a transaction, and writes without one. A list is text: each element and a comma. */
import {
  bytesAppend,
  type Db,
  type KeyRange,
  type MergeOperator,
  type Transaction,
  type WriteOperation,
  type WriteResult,
} from "../../src/index.js";
import type { Op } from "./isolation-checker.js";
import type { Step } from "./isolation-resets.js";
import type { World } from "./world.js";

const listKeys: readonly string[] = ["a", "b", "c", "d"];

/** An operand is a list that comes behind. */
export const mergeOperators: Readonly<Record<string, MergeOperator>> = { append: bytesAppend };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** How a kind of run goes about its steps. */
export interface Manner {
  readonly world: World;
  /** What there is to do, one as likely as the next. */
  readonly kinds?: readonly StepKind[] | undefined;
  /** Nobody else appends it. */
  nextValue(): number;
  /** A list as the checker is to know it. */
  toKnown(list: readonly number[]): readonly number[];
  /** Deletes a range in a transaction, and notes what that means. */
  reset(tx: Transaction): void | Promise<void>;
}

export type StepKind = "read" | "append" | "merge" | "scan" | "reset";

/** As often as each of them is here. */
const usualKinds: readonly StepKind[] = [
  ...(["read", "read", "append", "append", "append"] as const),
  ...(["merge", "merge", "scan", "scan", "reset"] as const),
];

/** One step: reads a list, or some that are neighbours, appends to one, with or without reading it, or resets some. */
export async function operate(
  { world, kinds = usualKinds, nextValue, toKnown, reset }: Manner,
  tx: Transaction,
  ops: { push(op: Op): unknown },
): Promise<void> {
  const key = world.pick(listKeys);
  const kind = world.pick(kinds);
  if (kind === "reset") return reset(tx);
  if (kind === "scan") {
    const reverse = world.chance(0.5);
    const part = world.chance(0.5) ? neighbours(world) : { keys: listKeys, range: {} };
    const lists = await scanLists(tx.scan({ ...part.range, reverse }), part.keys);
    for (const [one, list] of lists) ops.push({ kind: "read", key: one, list: toKnown(list) });
    return;
  }
  if (kind === "merge") {
    const value = nextValue();
    tx.merge(key, toBytes([value]));
    ops.push({ kind: "append", key, value });
    return;
  }
  const list = await readList(tx, key);
  ops.push({ kind: "read", key, list: toKnown(list) });
  if (kind === "read") return;
  const value = nextValue();
  tx.put(key, toBytes([...list, value]));
  ops.push({ kind: "append", key, value });
}

/** A write without a transaction, or a batch: appends by merging and, with `resets`, range deletes. */
export function plainWrite(
  world: World,
  nextValue: () => number,
  resets: "resets" | "appends",
): { steps: Step[]; write(db: Db, durable: boolean): Promise<WriteResult> } {
  const steps: Step[] = [];
  const operations: WriteOperation[] = [];
  const count = world.pick([1, 1, 2, 3, 4]);
  for (let i = 0; i < count; i++) {
    if (resets === "resets" && world.chance(0.3)) {
      const { keys, range } = neighbours(world);
      for (const key of keys) steps.push({ kind: "reset", key, value: nextValue() });
      operations.push({ type: "deleteRange", range });
      continue;
    }
    const step: Step = { kind: "append", key: world.pick(listKeys), value: nextValue() };
    steps.push(step);
    operations.push({ type: "merge", key: step.key, operand: toBytes([step.value]) });
  }
  const [only] = operations;
  const write = (db: Db, durable: boolean): Promise<WriteResult> => {
    if (operations.length > 1 || only === undefined) return db.write(operations, { durable });
    if (only.type === "deleteRange") return db.deleteRange(only.range, { durable });
    if (only.type === "merge") return db.merge(only.key, only.operand, { durable });
    throw new Error(`No plain write does ${only.type}.`);
  };
  return { steps, write };
}

/** Keys beside each other, and a range that covers just these. */
export function neighbours(world: World): { keys: readonly string[]; range: KeyRange } {
  const from = Math.floor(world.random.next() * listKeys.length);
  const count = world.pick([1, 2, 2, 3]);
  const keys = listKeys.slice(from, from + count);
  const gte = keys[0]!;
  const next = listKeys[from + count];
  // Without an end, up to one that is a key of others, or up to one that nobody has.
  if (next === undefined) return { keys, range: { gte } };
  return { keys, range: world.chance(0.5) ? { gte, lt: next } : { gte, lte: keys.at(-1)! } };
}

export async function readList(from: Db | Transaction, key: string): Promise<number[]> {
  return toList(await from.get(key));
}

/** Every list of these that a scan of them has met, also the empty ones. */
export async function scanLists(
  rows: AsyncIterable<{ key: Uint8Array; value: Uint8Array }>,
  keys: readonly string[] = listKeys,
): Promise<Map<string, number[]>> {
  const lists = new Map<string, number[]>(keys.map((key) => [key, []]));
  for await (const { key, value } of rows) lists.set(decoder.decode(key), toList(value));
  return lists;
}

export function toBytes(list: readonly number[]): Uint8Array {
  return encoder.encode(list.map((value) => `${value},`).join(""));
}

function toList(value: Uint8Array | undefined): number[] {
  return value === undefined ? [] : decoder.decode(value).split(",").slice(0, -1).map(Number);
}
