/** `OwnWrites`: what a transaction has written, as rows and range deletes that lie over the state that it reads. */
import { compareBytes, copyBytes, equalBytes } from "../common/bytes.js";
import { KeyMap } from "../common/key-map.js";
import type { HalfOpenRange } from "../common/range-tombstone.js";
import { RowKind, type RowRef } from "../common/row.js";
import { expiryBytesMax, operationBytesMax } from "../format/wal-record.js";
import type { RowIterator } from "../iterator/row-iterator.js";
import type { RowSource } from "../iterator/row-source.js";
import { RangeDeletes } from "../memtable/range-deletes.js";
import { OwnRows } from "./own-rows.js";
import { firstAtOrAfter, type OwnWrite, setRow } from "./own-write.js";

/**
 * All of it has a seq of its own, half a step above that of the state: above all that the transaction sees, beneath all that comes later. What a
 * range delete covers of the writes before it is dropped; those after it stay, because a range delete hides only lower seqs.
 */
export class OwnWrites implements RowSource {
  readonly seq: number;
  #writes = new KeyMap<OwnWrite>();
  #rangeDeletes: RangeDeletes | undefined;
  /** Of all writes, at most, as a batch. */
  #bytes = 0;
  /** In key order, as of the last time that somebody asked; never changed. */
  #sorted: readonly OwnWrite[] = [];
  /** What has been written since. */
  #fresh: OwnWrite[] = [];

  /** `readSeq` is that of the state. */
  constructor(readSeq: number) {
    this.seq = readSeq + 0.5;
  }

  get rowCount(): number {
    return this.#writes.size;
  }

  get rangeDeletes(): RangeDeletes | undefined {
    return this.#rangeDeletes;
  }

  get isEmpty(): boolean {
    return this.#writes.size === 0 && this.#rangeDeletes === undefined;
  }

  /** The ranges that were deleted, in the order of the calls. */
  get deleted(): readonly HalfOpenRange[] {
    return this.#rangeDeletes?.all() ?? [];
  }

  /** Copies the key; the value is kept. False where all writes would take more than `bytesMax` in a batch; then nothing is added. */
  add(write: Omit<OwnWrite, "isMarked">, bytesMax: number): boolean {
    const { key, value } = write;
    const before = this.#writes.get(key);
    const freed = before === undefined ? 0 : operationBytesMax(before.key, before.value);
    const bytes = this.#bytes - freed + operationBytesMax(key, value);
    if (bytes > bytesMax) return false;
    this.#bytes = bytes;
    this.#set({ ...write, key: before?.key ?? copyBytes(key), isMarked: true });
    return true;
  }

  /** As `add`; the arrays of the range are kept. */
  deleteRange({ start, end }: HalfOpenRange, bytesMax: number): boolean {
    const writes = this.#inOrder();
    const from = firstAtOrAfter(writes, start);
    const to = end === undefined ? writes.length : firstAtOrAfter(writes, end, from);
    const dropped = writes.slice(from, to);
    let bytes = this.#bytes + operationBytesMax(start, end) + expiryBytesMax;
    for (const { key, value } of dropped) bytes -= operationBytesMax(key, value);
    if (bytes > bytesMax) return false;
    this.#bytes = bytes;
    for (const { key } of dropped) this.#writes.delete(key);
    if (dropped.length > 0) this.#sorted = writes.slice(0, from).concat(writes.slice(to));
    this.#rangeDeletes ??= new RangeDeletes();
    this.#rangeDeletes.add({ start, end, seq: this.seq });
    return true;
  }

  /** False where the key has not been written. */
  unmark(key: Uint8Array): boolean {
    const write = this.#writes.get(key);
    if (write === undefined) return false;
    this.#set({ ...write, isMarked: false });
    return true;
  }

  /** What has been written to the key, since the last range delete that covers it. */
  find(key: Uint8Array): OwnWrite | undefined {
    return this.#writes.get(key);
  }

  /** True when a range delete covers the key: of what lies beneath its writes nothing is seen. */
  covers(key: Uint8Array): boolean {
    return (this.#rangeDeletes?.coverSeq(key, 0, key.length, this.seq) ?? 0) > 0;
  }

  /** True when the state has no part in what a read of the key sees. */
  decides(key: Uint8Array): boolean {
    const write = this.#writes.get(key);
    return (write !== undefined && write.kind !== RowKind.merge) || this.covers(key);
  }

  /** One for each key. */
  values(): IterableIterator<OwnWrite> {
    return this.#writes.values();
  }

  /** Frees all of it. */
  clear(): void {
    this.#bytes = 0;
    this.#writes = new KeyMap();
    this.#rangeDeletes = undefined;
    this.#sorted = [];
    this.#fresh = [];
  }

  get(key: Uint8Array, seqMax: number, row: RowRef): boolean {
    const write = this.#writes.get(key);
    if (write === undefined || this.seq > seqMax) return false;
    setRow(row, write, this.seq);
    return true;
  }

  iterator(reverse: boolean): RowIterator {
    return this.asOfNow().iterator(reverse);
  }

  /** All of it as it is now, whatever is written later. */
  asOfNow(): RowSource {
    return this.#freeze(this.#inOrder());
  }

  /** What a read of these keys needs of it, as it is now. The keys are in order; they may repeat. */
  asOfNowFor(keys: readonly Uint8Array[]): RowSource {
    const writes: OwnWrite[] = [];
    for (const key of keys) {
      const write = this.#writes.get(key);
      if (write !== undefined && write !== writes.at(-1)) writes.push(write);
    }
    return this.#freeze(writes);
  }

  #freeze(writes: readonly OwnWrite[]): RowSource {
    return new OwnRows(writes, this.seq, this.#rangeDeletes?.fragmented() ?? []);
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

/** So few are put into their places without a walk over all. */
const fewWrites = 8;

/** Both in order; of equal keys the newer write. */
function merge(older: readonly OwnWrite[], newer: readonly OwnWrite[]): readonly OwnWrite[] {
  if (older.length === 0) return newer;
  if (newer.length <= fewWrites) return newer.reduce(insert, older);
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

function insert(writes: readonly OwnWrite[], write: OwnWrite): readonly OwnWrite[] {
  const at = firstAtOrAfter(writes, write.key);
  const isThere = at < writes.length && equalBytes(writes[at]!.key, write.key);
  return writes.slice(0, at).concat(write, writes.slice(isThere ? at + 1 : at));
}
