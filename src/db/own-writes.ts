/** `OwnWrites`: what a transaction has written, as rows that lie over the state that it reads. */
import { compareBytes, copyBytes } from "../common/bytes.js";
import { KeyMap } from "../common/key-map.js";
import type { RowRef } from "../common/row.js";
import type { TombstoneSource } from "../common/tombstone-source.js";
import { operationBytesMax } from "../format/wal-record.js";
import type { RowIterator } from "../iterator/row-iterator.js";
import type { RowSource } from "../iterator/row-source.js";
import { type OwnWrite, setRow } from "./own-write.js";
import { OwnWritesIterator } from "./own-writes-iterator.js";

/**
 * Rows have the seq of the state that the transaction reads, and stand before all others in the view: where two sources hold the same
 * (key, seq), reads take the row of the earlier one.
 */
export class OwnWrites implements RowSource {
  readonly #seq: number;
  #writes = new KeyMap<OwnWrite>();
  /** Of all writes, at most, as a batch. */
  #bytes = 0;
  /** In key order, as of the last time that somebody asked; never changed. */
  #sorted: readonly OwnWrite[] = [];
  /** What has been written since. */
  #fresh: OwnWrite[] = [];

  constructor(seq: number) {
    this.#seq = seq;
  }

  get rowCount(): number {
    return this.#writes.size;
  }

  get rangeDeletes(): TombstoneSource | undefined {
    return undefined;
  }

  /** Copies key and value. False where all writes would take more than `bytesMax` in a batch; then nothing is added. */
  add(write: Omit<OwnWrite, "isMarked">, bytesMax: number): boolean {
    const { key, value } = write;
    const before = this.#writes.get(key);
    const freed = before === undefined ? 0 : operationBytesMax(before.key, before.value);
    const bytes = this.#bytes - freed + operationBytesMax(key, value);
    if (bytes > bytesMax) return false;
    this.#bytes = bytes;
    this.#set({ ...write, key: copyBytes(key), value: copyBytes(value), isMarked: true });
    return true;
  }

  /** False where the key has not been written. */
  unmark(key: Uint8Array): boolean {
    const write = this.#writes.get(key);
    if (write === undefined) return false;
    this.#set({ ...write, isMarked: false });
    return true;
  }

  has(key: Uint8Array): boolean {
    return this.#writes.has(key);
  }

  /** One for each key. */
  values(): IterableIterator<OwnWrite> {
    return this.#writes.values();
  }

  /** Frees all of it. */
  clear(): void {
    this.#bytes = 0;
    this.#writes = new KeyMap();
    this.#sorted = [];
    this.#fresh = [];
  }

  get(key: Uint8Array, _seqMax: number, row: RowRef): boolean {
    const write = this.#writes.get(key);
    if (write === undefined) return false;
    setRow(row, write, this.#seq);
    return true;
  }

  iterator(reverse: boolean): RowIterator {
    return new OwnWritesIterator(this.#inOrder(), this.#seq, reverse);
  }

  /** Its rows as they are now, whatever is written later. */
  asOfNow(): RowSource {
    const writes = this.#inOrder();
    return {
      rowCount: writes.length,
      rangeDeletes: undefined,
      get: (key, seqMax, row) => this.get(key, seqMax, row),
      iterator: (reverse) => new OwnWritesIterator(writes, this.#seq, reverse),
    };
  }

  #set(write: OwnWrite): void {
    this.#writes.set(write.key, write);
    this.#fresh.push(write);
  }

  #inOrder(): readonly OwnWrite[] {
    if (this.#fresh.length === 0) return this.#sorted;
    const fresh = this.#fresh
      .filter((write) => this.#writes.get(write.key) === write)
      .sort((a, b) => compareBytes(a.key, b.key));
    this.#fresh = [];
    this.#sorted = merge(this.#sorted, fresh);
    return this.#sorted;
  }
}

/** Both in order; of equal keys the newer write. */
function merge(older: readonly OwnWrite[], newer: readonly OwnWrite[]): readonly OwnWrite[] {
  if (older.length === 0) return newer;
  const merged: OwnWrite[] = [];
  let i = 0;
  for (const write of newer) {
    while (i < older.length && compareBytes(older[i]!.key, write.key) < 0) merged.push(older[i++]!);
    if (i < older.length && compareBytes(older[i]!.key, write.key) === 0) i++;
    merged.push(write);
  }
  while (i < older.length) merged.push(older[i++]!);
  return merged;
}
