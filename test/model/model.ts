/**
 * The model of a database: the batches that were written, in order. A state is what the batches up to a seq leave behind, so
 * that a reader, a read of what is durable, and a database after a crash can each be compared with a prefix.
 */
import { compareBytes } from "../../src/common/bytes.js";
import type { KeyLike, LifetimeOptions } from "../../src/index.js";
import { nameOf, toBytes } from "./keys.js";
import { endOf } from "./lifetimes.js";
import { Merge } from "./merges.js";
import { RangeDelete } from "./range-deletes.js";

export { isWithin, nameOf, toBytes } from "./keys.js";

/** A value of undefined is a delete. */
export type Operation = readonly [
  key: KeyLike,
  value: Uint8Array | undefined,
  lifetime?: LifetimeOptions,
];

export type MergeOperation = readonly [key: KeyLike, merge: Merge, lifetime: LifetimeOptions];

export type AnyOperation = Operation | MergeOperation | RangeDelete;

export interface Batch {
  readonly seq: number;
  readonly operations: readonly AnyOperation[];
  readonly createdAt: number;
  /** Of the puts that say nothing. */
  readonly lifetime: LifetimeOptions;
  /** A part of a load that is not its last: there is no state that ends with it. */
  readonly isPart: boolean;
  readonly isLoad: boolean;
}

/** What a range delete hides in a state, of a key that nothing was written to since. */
export interface HiddenRow {
  readonly key: Uint8Array;
  readonly seq: number;
  /** That of the range delete. */
  readonly hiddenBy: number;
  readonly isLoaded: boolean;
  /** Of several merges, or of one onto a value. */
  readonly isMerged: boolean;
}

interface State {
  readonly rows: Map<string, ModelRow>;
  readonly hidden: Map<string, HiddenRow>;
}

export interface ModelRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly seq: number;
  readonly expiresAt?: number | undefined;
  readonly isLoaded?: boolean;
}

export class Model {
  batches: Batch[] = [];
  /** Everything up to here was acknowledged as durable. */
  acknowledgedSeq = 0;

  /** The last seq that was given. */
  lastSeq = 0;
  /** `lastSeq` when the handle was opened. */
  openedSeq = 0;
  /** Seqs up to which everything was in SSTs at some time. */
  readonly flushedSeqs: number[] = [];
  /** What time it is. */
  now: number;
  readonly #default: LifetimeOptions;

  constructor(now: number, defaultTtlMs?: number) {
    this.now = now;
    this.#default = { ttlMs: defaultTtlMs };
  }

  /** `lifetime` is that of the puts that say nothing. */
  add(seq: number, operations: readonly AnyOperation[], lifetime?: LifetimeOptions): void {
    const times = this.#times(lifetime);
    this.batches.push({ seq, operations, isPart: false, isLoad: false, ...times });
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
      const isPart = partSeq < seq;
      this.batches.push({ seq: partSeq, operations, isPart, isLoad: true, ...this.#times() });
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
    return [...this.#stateAt(seq).rows.values()]
      .filter((row) => isAlive(row, this.now))
      .sort((a, b) => compareBytes(a.key, b.key));
  }

  /** What would be there without range deletes. */
  hiddenAt(seq: number): HiddenRow[] {
    return [...this.#stateAt(seq).hidden.values()];
  }

  #stateAt(seq: number): State {
    const state: State = { rows: new Map(), hidden: new Map() };
    const merged = new Set<string>();
    for (const batch of this.batches) {
      if (batch.seq > seq) break;
      for (const operation of batch.operations) {
        if (operation instanceof RangeDelete) hide(state, operation, batch, merged);
        else this.#write(state, operation, batch, merged);
      }
    }
    return state;
  }

  #write(
    { rows, hidden }: State,
    [key, value, lifetime]: Operation | MergeOperation,
    batch: Batch,
    merged: Set<string>,
  ): void {
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
    hidden.delete(name);
    if (value instanceof Merge && before !== undefined) merged.add(name);
    else merged.delete(name);
    if (sum === undefined) rows.delete(name);
    else
      rows.set(name, { key: bytes, value: sum, seq: batch.seq, expiresAt, isLoaded: batch.isLoad });
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

/** `merged`: the keys whose value was merged. */
function hide(
  { rows, hidden }: State,
  operation: RangeDelete,
  { seq: hiddenBy }: Batch,
  merged: ReadonlySet<string>,
): void {
  for (const [name, { key, seq, isLoaded = false }] of rows) {
    if (!operation.covers(key)) continue;
    hidden.set(name, { key, seq, hiddenBy, isLoaded, isMerged: merged.has(name) });
    rows.delete(name);
  }
}

function isAlive({ expiresAt }: ModelRow, now: number): boolean {
  return expiresAt === undefined || now < expiresAt;
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
