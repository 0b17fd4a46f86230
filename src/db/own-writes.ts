/** `OwnWrites`: what a transaction has written, as rows and range deletes that lie over the state that it reads. */
import { compareBytes, copyBytes } from "../common/bytes.js";
import { KeyMap } from "../common/key-map.js";
import type { HalfOpenRange } from "../common/range-tombstone.js";
import { RowKind, type RowRef } from "../common/row.js";
import { expiryBytesMax, operationBytesMax } from "../format/wal-record.js";
import type { RowIterator } from "../iterator/row-iterator.js";
import type { RowSource } from "../iterator/row-source.js";
import { RangeDeletes } from "../memtable/range-deletes.js";
import { OwnRows } from "./own-rows.js";
import { type OwnWrite, setRow } from "./own-write.js";
import { SortedWrites } from "./sorted-writes.js";

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
  /** As of the last time that somebody asked for their order. */
  #sorted: SortedWrites = SortedWrites.none;
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
    const dropped = writes.within({ start, end });
    let bytes = this.#bytes + operationBytesMax(start, end) + expiryBytesMax;
    for (const { key, value } of dropped) bytes -= operationBytesMax(key, value);
    if (bytes > bytesMax) return false;
    this.#bytes = bytes;
    for (const { key } of dropped) this.#writes.delete(key);
    if (dropped.length > 0) this.#sorted = writes.without({ start, end });
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
    this.#sorted = SortedWrites.none;
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
    return this.#freeze(SortedWrites.none.with(writes));
  }

  #freeze(writes: SortedWrites): RowSource {
    return new OwnRows(writes, this.seq, this.#rangeDeletes?.fragmented() ?? []);
  }

  #set(write: OwnWrite): void {
    this.#writes.set(write.key, write);
    this.#fresh.push(write);
  }

  #inOrder(): SortedWrites {
    if (this.#fresh.length === 0) return this.#sorted;
    const fresh = this.#fresh
      .filter((write) => this.#writes.get(write.key) === write)
      .sort((a, b) => compareBytes(a.key, b.key));
    this.#fresh = [];
    this.#sorted = this.#sorted.with(fresh);
    return this.#sorted;
  }
}
