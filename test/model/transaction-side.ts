/** `Side`: what a test of transactions knows of its database: all that was written, by seq, and what each open transaction has read and written. */
import { encodeUtf8 } from "../../src/common/bytes.js";
import type { Db, Isolation, KeyRange, Transaction } from "../../src/index.js";
import { Merge } from "./merges.js";
import { isWithin } from "./model.js";

export const slots = 3;
const letters = ["a", "b", "c", "d"];
export const keys: readonly string[] = [...letters, "aa", "bb", "ca"];
/** All keys that the tests use, and what lies next to them: two ranges with such bounds overlap if one of these is in both. */
const probes = ["", ...[...keys, "x", "y"].flatMap((key) => [key, `${key}\0`, `${key}!`])].sort();

/** A value of undefined is a delete. */
export interface KeyWrite {
  readonly key: string;
  readonly value: Uint8Array | Merge | undefined;
}

export interface RangeDelete {
  readonly range: KeyRange;
}

export type Operation = KeyWrite | RangeDelete;

type Reached = (key: Uint8Array) => boolean;

/** What was written at a seq. */
export interface Written {
  readonly seq: number;
  readonly operations: readonly Operation[];
  /** The first and the last key of a load. */
  readonly covers?: readonly [string, string];
}

export const isIn = (key: string, range: KeyRange): boolean => isWithin(encodeUtf8(key), range);

/** False for a range that holds no key. */
export const holdsKeys = (range: KeyRange): boolean => probes.some((key) => isIn(key, range));

const touches = (operation: Operation, key: string): boolean =>
  "range" in operation ? isIn(key, operation.range) : operation.key === key;

export class Running {
  readonly tx: Transaction;
  readonly isolation: Isolation;
  /** In the order of the calls. */
  readonly own: Operation[] = [];
  readonly unmarked: Set<string> = new Set();
  readonly readKeys: Set<string> = new Set();
  readonly readRanges: { has: Reached; range: KeyRange }[] = [];

  constructor(tx: Transaction, isolation: Isolation) {
    this.tx = tx;
    this.isolation = isolation;
  }

  write(operation: Operation): void {
    this.own.push(operation);
    if ("key" in operation) this.unmarked.delete(operation.key);
  }

  /** The writes of the key since the last range delete over it. */
  writesOf(key: string): KeyWrite[] {
    const last = this.own.findLastIndex((one) => "range" in one && touches(one, key));
    const since = this.own.slice(last + 1);
    return since.filter((one): one is KeyWrite => "key" in one && one.key === key);
  }

  /** True when the state that was begun with has no part in the value. */
  decides(key: string): boolean {
    return this.own.some(
      (one) => touches(one, key) && ("range" in one || !(one.value instanceof Merge)),
    );
  }

  /** True when the merge cannot stand in one row with those before it. */
  isMixed(key: string, { operator }: Merge): boolean {
    const last = this.writesOf(key).at(-1)?.value;
    return !this.decides(key) && last instanceof Merge && last.operator !== operator;
  }

  get deletedRanges(): KeyRange[] {
    return this.own.flatMap((one) => ("range" in one ? [one.range] : []));
  }
}

function apply(rows: Map<string, Uint8Array>, operation: Operation): void {
  if ("range" in operation) {
    for (const key of rows.keys()) if (touches(operation, key)) rows.delete(key);
    return;
  }
  const { key } = operation;
  let { value } = operation;
  if (value instanceof Merge) value = value.appliedTo(rows.get(key));
  if (value === undefined) rows.delete(key);
  else rows.set(key, value);
}

export class Side {
  readonly written: Written[] = [];
  readonly running: (Running | undefined)[] = new Array(slots).fill(undefined);
  readonly db: Db;

  constructor(db: Db) {
    this.db = db;
  }

  add(seq: number, operations: readonly Operation[], covers?: readonly [string, string]): void {
    this.written.push({ seq, operations, ...(covers && { covers }) });
  }

  get lastSeq(): number {
    return this.written.at(-1)?.seq ?? 0;
  }

  stateAt(seq: number): Map<string, Uint8Array> {
    const rows = new Map<string, Uint8Array>();
    for (const written of this.written) {
      if (written.seq > seq) break;
      for (const operation of written.operations) apply(rows, operation);
    }
    return rows;
  }

  /** The state that a transaction sees. */
  rows({ tx, own }: Running): { key: string; value: Uint8Array }[] {
    const rows = this.stateAt(tx.seq);
    for (const operation of own) apply(rows, operation);
    return [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => ({ key, value }));
  }

  /** A write up to `seq` that the transaction does not go together with. */
  conflict(running: Running, seq: number): Written | undefined {
    const { tx, own, unmarked, readKeys, readRanges, deletedRanges } = running;
    const ownKeys = own.flatMap((one) => ("key" in one ? [one.key] : []));
    const marked = ownKeys.filter((key) => running.writesOf(key).length > 0 && !unmarked.has(key));
    const single = [...readKeys, ...marked];
    const isInRange = (key: string): boolean =>
      readRanges.some(({ has }) => has(encodeUtf8(key))) ||
      deletedRanges.some((range) => isIn(key, range));
    return this.written.find((written) => {
      if (written.seq <= tx.seq || written.seq > seq) return false;
      const { covers } = written;
      if (covers !== undefined) {
        const isCovered = (key: string): boolean => key >= covers[0] && key <= covers[1];
        return single.some(isCovered) || probes.some((key) => isCovered(key) && isInRange(key));
      }
      return written.operations.some((one) =>
        "key" in one
          ? single.includes(one.key) || isInRange(one.key)
          : single.some((key) => touches(one, key)) ||
            probes.some((key) => touches(one, key) && isInRange(key)),
      );
    });
  }
}
