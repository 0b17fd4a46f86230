/** Rows for tests: made from a few words, and iterated from a sorted array with pending steps where the test wants them. */
import { compareBytes, copyBytes, encodeUtf8 } from "../../src/common/bytes.js";
import { compareRows, RowKind, RowRef } from "../../src/common/row.js";
import { type RowIterator, Step } from "../../src/iterator/row-iterator.js";

export interface TestRow {
  key: string | Uint8Array;
  seq: number;
  value?: string;
  kind?: RowKind;
  expiresAt?: number;
}

export function makeRow(from: TestRow): RowRef {
  const row = new RowRef();
  row.keyBytes = typeof from.key === "string" ? encodeUtf8(from.key) : from.key;
  row.keyEnd = row.keyBytes.length;
  row.valueBytes = encodeUtf8(from.value ?? "");
  row.valueEnd = row.valueBytes.length;
  row.seq = from.seq;
  row.kind = from.kind ?? RowKind.put;
  row.expiresAt = from.expiresAt ?? 0;
  return row;
}

/** In storage order; rows that compare equal keep their order. */
export function makeRows(from: readonly TestRow[]): RowRef[] {
  return from.map(makeRow).sort(compareRows);
}

export interface ArrayIteratorOptions {
  reverse?: boolean;
  /** Every how many steps one is pending first; 0: never. */
  pendingEvery?: number;
  /** Called by each fill before it ends. */
  onFill?: (signal: AbortSignal | undefined) => Promise<void> | void;
}

/** As hostile as the contract allows: the key stands in scratch memory, and misuse throws. */
export class ArrayIterator implements RowIterator {
  readonly row: RowRef = new RowRef();
  closed = false;
  fillCount = 0;
  readonly #rows: readonly RowRef[];
  readonly #options: ArrayIteratorOptions;
  readonly #scratch = new Uint8Array(256);
  #index = -1;
  #steps = 0;
  #pending = false;
  #filled = false;
  #ended = false;
  #filling = false;

  /** `rows` in storage order, whatever the direction. */
  constructor(rows: readonly RowRef[], options: ArrayIteratorOptions = {}) {
    this.#rows = options.reverse ? [...rows].reverse() : rows;
    this.#options = options;
  }

  step(): Step {
    this.#requireIdle();
    const every = this.#options.pendingEvery ?? 0;
    this.#scratch.fill(0xee);
    if (this.#pending) return Step.pending;
    if (this.#ended) return Step.end;
    if (every > 0 && !this.#filled && ++this.#steps % every === 0) {
      this.#pending = true;
      return Step.pending;
    }
    this.#filled = false;
    this.#ended = this.#index + 1 >= this.#rows.length;
    if (this.#ended) return Step.end;
    const row = this.#rows[++this.#index]!;
    this.row.copyFrom(row);
    this.#scratch.set(row.key());
    this.row.keyBytes = this.#scratch;
    this.row.keyStart = 0;
    this.row.keyEnd = row.keyEnd - row.keyStart;
    return Step.row;
  }

  async fill(signal?: AbortSignal): Promise<void> {
    this.#requireIdle();
    if (!this.#pending) throw new Error("fill without a pending step");
    this.#filling = true;
    this.fillCount++;
    try {
      await this.#options.onFill?.(signal);
      await Promise.resolve();
      this.#pending = false;
      this.#filled = true;
    } finally {
      this.#filling = false;
    }
  }

  seek(key: Uint8Array): void {
    this.#requireIdle();
    const target = copyBytes(key);
    this.#scratch.fill(0xee);
    this.#pending = false;
    this.#filled = false;
    this.#ended = false;
    const sign = this.#options.reverse ? -1 : 1;
    const at = this.#rows.findIndex((row) => sign * compareBytes(row.key(), target) >= 0);
    this.#index = (at === -1 ? this.#rows.length : at) - 1;
  }

  close(): void {
    this.closed = true;
  }

  #requireIdle(): void {
    if (this.closed) throw new Error("used after close");
    if (this.#filling) throw new Error("used while filling");
  }
}

/** Every row that is left, in a form that compares well. */
export async function drain(rows: RowIterator): Promise<string[]> {
  const seen: string[] = [];
  for (;;) {
    const step = rows.step();
    if (step === Step.end) return seen;
    if (step === Step.pending) await rows.fill();
    else seen.push(showRow(rows.row));
  }
}

export function showRow(row: RowRef): string {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
  return `${text(row.key())}@${row.seq}=${text(row.value())}`;
}
