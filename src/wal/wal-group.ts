/** `WalGroup`: whole batches in seq order that become one WAL object, and those who wait for it. */
import { type Deferred, deferred } from "../common/deferred.js";
import type { RecordSlice } from "../memtable/mem-table.js";

export class WalGroup {
  firstSeq = 0;
  lastSeq = 0;
  recordCount = 0;
  bytes = 0;
  /** Somebody waits for it, or its time has come: it is sent as soon as the pipe and the budget allow. */
  wanted = false;
  /** Stored, though perhaps not yet acknowledged: an earlier one is still on its way. */
  stored = false;
  /** The store refused its first attempt in so many words, so it is not stored and never will be. */
  refused = false;
  /** Its id in the log, once it has been sealed. */
  id = 0;
  readonly durable: Deferred<void> = deferred();
  #slices: { chunk: Uint8Array; start: number; end: number }[] = [];

  /** A load has several seqs, a batch has one. */
  add(record: RecordSlice, firstSeq: number, lastSeq: number): void {
    if (this.recordCount === 0) this.firstSeq = firstSeq;
    this.lastSeq = lastSeq;
    this.recordCount++;
    this.bytes += record.end - record.start;
    const last = this.#slices.at(-1);
    if (last !== undefined && last.chunk === record.chunk && last.end === record.start) {
      last.end = record.end;
    } else {
      this.#slices.push({ chunk: record.chunk, start: record.start, end: record.end });
    }
  }

  /** The records as views, and lets go of the memory that they are in. */
  takeRecords(): Uint8Array[] {
    const views = this.#slices.map(({ chunk, start, end }) => chunk.subarray(start, end));
    this.#slices = [];
    return views;
  }
}
