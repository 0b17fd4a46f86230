/** `WriteLog`: what makes writes durable, as the write pipeline sees it: the write-ahead log, or L0 itself where there is none. */
import type { MoraineError } from "../common/errors.js";
import type { WalPosition } from "../format/manifest.js";
import type { RecordSlice } from "../memtable/mem-table.js";

export interface WriteLog {
  /** Everything up to here survives any crash. */
  readonly durableSeq: number;
  /** Every object of the log below this id survives any crash: the first id, 1, while there is none. */
  readonly durableEndId: number;
  /** Bytes that wait to be sent or are on their way, beside what MemTables hold. */
  readonly bufferedBytes: number;

  /**
   * Adds a batch, which is in the MemTable already, or a load with the seqs from `firstSeq` (default: `seq`) to `seq`; with
   * `durable` a promise that resolves when it is durable.
   */
  append(
    record: RecordSlice,
    seq: number,
    durable: boolean,
    firstSeq?: number,
  ): Promise<void> | undefined;

  /** Resolves when everything up to `seq` is durable, and sees to it. */
  whenDurable(seq: number): Promise<void>;

  /** Where replay starts when L0 holds everything up to `seq`, all of which is durable. */
  positionAfter(seq: number): WalPosition;

  /** Nothing is sent or acknowledged from now on; whoever waits gets `error`. */
  fail(error: MoraineError): void;
}
