/**
 * The model of a database: the batches that were written, in order. A state is what the batches up to a seq leave behind, so
 * that a reader, a read of what is durable, and a database after a crash can each be compared with a prefix.
 */
import { compareBytes, encodeUtf8 } from "../../src/common/bytes.js";
import type { KeyLike, KeyRange, LifetimeOptions } from "../../src/index.js";
import { endOf } from "./lifetimes.js";
import { Merge } from "./merges.js";

/** A value of undefined is a delete. */
export type Operation = readonly [
  key: KeyLike,
  value: Uint8Array | undefined,
  lifetime?: LifetimeOptions,
];

export type MergeOperation = readonly [key: KeyLike, merge: Merge, lifetime: LifetimeOptions];

export interface Batch {
  readonly seq: number;
  readonly operations: readonly (Operation | MergeOperation)[];
  readonly createdAt: number;
  /** Of the puts that say nothing. */
  readonly lifetime: LifetimeOptions;
  /** A part of a load that is not its last: there is no state that ends with it. */
  readonly isPart: boolean;
}

export interface ModelRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly seq: number;
  readonly expiresAt?: number | undefined;
}

export class Model {
  batches: Batch[] = [];
  /** Everything up to here was acknowledged as durable. */
  acknowledgedSeq = 0;

  /** The last seq that was given. */
  lastSeq = 0;
  /** `lastSeq` when the handle was opened. */
  openedSeq = 0;
  /** What time it is. */
  now: number;
  readonly #default: LifetimeOptions;

  constructor(now: number, defaultTtlMs?: number) {
    this.now = now;
    this.#default = { ttlMs: defaultTtlMs };
  }

  /** `lifetime` is that of the puts that say nothing. */
  add(
    seq: number,
    operations: readonly (Operation | MergeOperation)[],
    lifetime?: LifetimeOptions,
  ): void {
    this.batches.push({ seq, operations, isPart: false, ...this.#times(lifetime) });
    this.lastSeq = seq;
  }

  /**
   * A load of `rows`, whose seqs lie above `seqBefore` and end at `seq`. How it was cut into entries, each with a seq, is up to the
   * engine: `seqOf` tells what became of the last row of a key, or undefined where a later write hides it.
   */
  addLoad(
    rows: readonly Operation[],
    range: { seqBefore: number; seq: number },
    seqOf: (key: KeyLike) => number | undefined,
  ): void {
    const { seqBefore, seq } = range;
    const lastOfKey = new Map<string, Operation>();
    for (const row of rows) {
      const name = nameOf(toBytes(row[0]));
      lastOfKey.delete(name);
      lastOfKey.set(name, row);
    }
    const parts = new Map<number, Operation[]>([[seq, []]]);
    let last = seqBefore + 1;
    for (const row of lastOfKey.values()) {
      const own = seqOf(row[0]);
      if (own !== undefined && (own < last || own > seq)) {
        throw new Error(`A row of a load has seq ${own}, not one from ${last} to ${seq}.`);
      }
      last = own ?? last;
      const part = parts.get(own ?? seq);
      if (part === undefined) parts.set(own!, [row]);
      else part.push(row);
    }
    for (const [partSeq, operations] of parts) {
      this.batches.push({ seq: partSeq, operations, isPart: partSeq < seq, ...this.#times() });
    }
    this.batches.sort((a, b) => a.seq - b.seq);
    this.lastSeq = Math.max(this.lastSeq, seq);
  }

  #times(lifetime?: LifetimeOptions): Pick<Batch, "createdAt" | "lifetime"> {
    const said = lifetime?.ttlMs !== undefined || lifetime?.expiresAt !== undefined;
    return { createdAt: this.now, lifetime: said ? lifetime : this.#default };
  }

  acknowledge(seq: number): void {
    // Seqs that were given and lost end no state.
    const last = this.batches.findLast((batch) => batch.seq <= seq)?.seq ?? 0;
    this.acknowledgedSeq = Math.max(this.acknowledgedSeq, last);
  }

  /** Rows in key order. */
  rowsAt(seq: number): ModelRow[] {
    const rows = new Map<string, ModelRow>();
    for (const batch of this.batches) {
      if (batch.seq > seq) break;
      for (const [key, value, lifetime] of batch.operations) {
        const bytes = toBytes(key);
        const name = nameOf(bytes);
        const expiresAt = endOf([lifetime, batch.lifetime], batch.createdAt);
        const before = rows.get(name);
        // What a batch has itself written before is folded when it is written.
        const at = before?.seq === batch.seq ? batch.createdAt : this.now;
        const sum =
          value instanceof Merge
            ? value.appliedTo(before && isAlive(before, at) ? before.value : undefined)
            : value;
        if (sum === undefined) rows.delete(name);
        else rows.set(name, { key: bytes, value: sum, seq: batch.seq, expiresAt });
      }
    }
    return [...rows.values()]
      .filter((row) => isAlive(row, this.now))
      .sort((a, b) => compareBytes(a.key, b.key));
  }

  rowAt(seq: number, key: KeyLike): ModelRow | undefined {
    const bytes = toBytes(key);
    return this.rowsAt(seq).find((row) => compareBytes(row.key, bytes) === 0);
  }

  /**
   * After a crash: what is there must be a prefix that holds everything acknowledged; what is beyond it never was. `seq` is
   * the last that the new handle knows of: above the prefix where a commit told of seqs whose writes were lost.
   */
  recover(found: readonly ModelRow[], seq: number): void {
    const whole = this.batches.filter(({ isPart }) => !isPart);
    const ends = [0, ...whole.map((batch) => batch.seq)].filter((end) => end <= seq);
    const shown = show(found);
    const end = ends.findLast(
      (candidate) => candidate >= this.acknowledgedSeq && show(this.rowsAt(candidate)) === shown,
    );
    if (end === undefined) {
      const expected = ends
        .filter((candidate) => candidate >= this.acknowledgedSeq)
        .map((candidate) => `  up to seq ${candidate}: ${show(this.rowsAt(candidate))}`);
      throw new Error(
        `After the crash there is ${shown}, which is no prefix with seq ${this.acknowledgedSeq}:\n${expected.join("\n")}`,
      );
    }
    this.batches = this.batches.filter((batch) => batch.seq <= end);
    this.acknowledgedSeq = Math.max(this.acknowledgedSeq, end);
    this.lastSeq = seq;
    this.openedSeq = seq;
  }
}

function isAlive({ expiresAt }: ModelRow, now: number): boolean {
  return expiresAt === undefined || now < expiresAt;
}

export function toBytes(key: KeyLike): Uint8Array {
  return typeof key === "string" ? encodeUtf8(key) : key;
}

export function nameOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

export function isWithin(key: Uint8Array, range: KeyRange): boolean {
  const { gt, gte, lt, lte, prefix } = range;
  return (
    (gt === undefined || compareBytes(key, toBytes(gt)) > 0) &&
    (gte === undefined || compareBytes(key, toBytes(gte)) >= 0) &&
    (lt === undefined || compareBytes(key, toBytes(lt)) < 0) &&
    (lte === undefined || compareBytes(key, toBytes(lte)) <= 0) &&
    (prefix === undefined || nameOf(key).startsWith(nameOf(toBytes(prefix))))
  );
}

/** Short, and equal only for equal rows. */
export function show(rows: readonly ModelRow[]): string {
  return rows
    .map(({ key, value, seq, expiresAt }) => {
      const name = key.length > 8 ? `${nameOf(key.subarray(0, 4))}…${key.length}` : nameOf(key);
      return `${JSON.stringify(name)}@${seq}=${value.length}:${value[0] ?? ""}${expiresAt === undefined ? "" : `!${expiresAt}`}`;
    })
    .join(" ");
}
