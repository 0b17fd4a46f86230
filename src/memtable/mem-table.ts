/** `MemTable`: recent batches, kept as the WAL records that they are, searchable and scannable at any seq. */
import { assert } from "../common/assert.js";
import { ByteReader } from "../common/byte-reader.js";
import { OperationKind, type RowRef } from "../common/row.js";
import {
  newOperationRef,
  operationBytesMax,
  RecordType,
  readOperation,
  readRecordHeader,
  recordHeaderBytes,
  writeOperation,
  writeRecordHeader,
} from "../format/wal-record.js";
import { mergeRows } from "../iterator/merge-iterator.js";
import type { RowIterator } from "../iterator/row-iterator.js";
import type { RowSource } from "../iterator/row-source.js";
import { RangeDeletes } from "./range-deletes.js";
import { RowTable } from "./row-table.js";
import { SegmentIterator } from "./segment-iterator.js";

/** Where the record of a batch lies: bytes that stay as they are for as long as somebody holds them. */
export interface RecordSlice {
  readonly chunk: Uint8Array;
  readonly start: number;
  readonly end: number;
}

export class MemTable implements RowSource {
  /** Seqs of the first and last batch; 0 while empty. */
  firstSeq = 0;
  lastSeq = 0;
  readonly #rows = new RowTable();
  readonly #operation = newOperationRef();
  #rangeDeletes: RangeDeletes | undefined;
  #frozen = false;

  get rowCount(): number {
    return this.#rows.rowCount;
  }

  /** True when there is nothing to keep: neither rows nor range deletes. */
  get isEmpty(): boolean {
    return this.#rows.rowCount === 0 && this.#rangeDeletes === undefined;
  }

  /** Memory that the table takes, about. */
  get bytes(): number {
    if (this.isEmpty) return 0;
    const { arena, columnBytes } = this.#rows;
    return arena.allocated + columnBytes + (this.#rangeDeletes?.memoryBytes ?? 0);
  }

  /** Made with the first one. */
  get rangeDeletes(): RangeDeletes | undefined {
    return this.#rangeDeletes;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  /** No batch is added any more. */
  freeze(): void {
    this.#rows.sortAll();
    this.#frozen = true;
  }

  /** Adds a batch of one operation; the value of a range delete is its end (range-delete-operation.ts). */
  applyOne(
    seq: number,
    createdAt: number,
    kind: OperationKind,
    key: Uint8Array,
    value: Uint8Array,
    expiresAt: number,
    operatorId = 0,
  ): RecordSlice {
    const arena = this.#rows.arena;
    const chunk = arena.reserve(recordHeaderBytes + operationBytesMax(key, value));
    const start = arena.offset;
    const operations = start + recordHeaderBytes;
    const end = writeOperation(chunk, operations, kind, key, value, expiresAt, operatorId);
    const operationBytes = end - operations;
    writeRecordHeader(chunk, start, { operationBytes, seq, createdAt, operationCount: 1 });
    arena.commit(end - start);
    const valueLength = kind === OperationKind.delete ? 0 : value.length;
    const keyStart = end - valueLength - key.length;
    if (kind === OperationKind.rangeDelete) {
      this.#addRangeDelete(arena.chunkIndex, keyStart, key.length, valueLength, seq);
      this.#applied(seq);
      return { chunk, start, end };
    }
    this.#rows.add(
      arena.chunkIndex,
      keyStart,
      key.length,
      valueLength,
      kind,
      seq,
      createdAt,
      expiresAt,
      operatorId,
    );
    this.#applied(seq);
    return { chunk, start, end };
  }

  /**
   * Adds a batch given as pieces of encoded operations, which are copied. The record has one operation for each key: those that a later
   * one replaces are left out. What range deletes cover has been left out before (drop-covered.ts).
   */
  applyBatch(
    seq: number,
    createdAt: number,
    operations: readonly Uint8Array[],
    operationCount: number,
  ): RecordSlice {
    const arena = this.#rows.arena;
    let operationBytes = 0;
    for (const piece of operations) operationBytes += piece.length;
    const length = recordHeaderBytes + operationBytes;
    const chunk = arena.reserve(length);
    const start = arena.offset;
    const operationsStart = writeRecordHeader(chunk, start, {
      operationBytes,
      seq,
      createdAt,
      operationCount,
    });
    let at = operationsStart;
    for (const piece of operations) {
      chunk.set(piece, at);
      at += piece.length;
    }
    arena.commit(length);
    const reader = new ByteReader(chunk, "batch", 0, operationsStart, at);
    const firstRow = this.#rows.rowCount;
    const { replacedCount } = this.#rows;
    this.#addOperations(reader, arena.chunkIndex, seq, createdAt, operationCount);
    const replaced = this.#rows.replacedCount - replacedCount;
    let end = at;
    if (replaced > 0) {
      end = this.#closeGaps(arena.chunkIndex, operationsStart, at, firstRow, seq);
      writeRecordHeader(chunk, start, {
        operationBytes: end - operationsStart,
        seq,
        createdAt,
        operationCount: operationCount - replaced,
      });
    }
    this.#applied(seq);
    return { chunk, start, end };
  }

  /**
   * Adds the batches of a stored WAL object (wal-parts.ts) whose seq is above `afterSeq`, without copying them: `bytes` belongs to the
   * table from now on. `object` is for messages. Gives the number of records added.
   */
  applyRecords(
    bytes: Uint8Array,
    start: number,
    end: number,
    recordCount: number,
    afterSeq: number,
    object: string,
  ): number {
    const reader = new ByteReader(bytes, object, 0, start, end);
    let chunkIndex = -1;
    let added = 0;
    for (let i = 0; i < recordCount; i++) {
      const record = readRecordHeader(reader);
      const seq = record.lastSeq;
      if (seq <= afterSeq) {
        reader.skip(record.bodyBytes);
        continue;
      }
      assert(record.type === RecordType.batch, "a MemTable takes batches, not loads");
      if (chunkIndex < 0) chunkIndex = this.#rows.arena.adopt(bytes);
      const operationsEnd = reader.offset + record.bodyBytes;
      this.#addOperations(reader, chunkIndex, seq, record.createdAt, record.count);
      if (reader.offset !== operationsEnd) reader.fail("the operations do not fill their record");
      this.#applied(seq);
      added++;
    }
    if (reader.remaining !== 0) reader.fail(`${reader.remaining} bytes follow the last record`);
    return added;
  }

  get(key: Uint8Array, seqMax: number, row: RowRef): boolean {
    return this.#rows.find(key, seqMax, row);
  }

  /** Sets `row` to one with a greater seq than `seq` whose key `isWanted`, if there is one. Costs what was written since that seq. */
  findAfter(
    seq: number,
    isWanted: (bytes: Uint8Array, start: number, end: number) => boolean,
    row: RowRef,
  ): boolean {
    const rows = this.#rows;
    for (let at = rows.firstAfter(seq); at < rows.rowCount; at++) {
      if (rows.isReplaced(at)) continue;
      rows.load(at, row);
      if (isWanted(row.keyBytes, row.keyStart, row.keyEnd)) return true;
    }
    return false;
  }

  /** Rows as they are now: later batches do not appear. */
  iterator(reverse: boolean): RowIterator {
    this.#rows.sortTail(true);
    const rows = this.#rows;
    return mergeRows(
      rows.segments.map((segment) => new SegmentIterator(rows, segment.rows, reverse)),
      reverse,
    );
  }

  #addOperations(
    reader: ByteReader,
    chunk: number,
    seq: number,
    createdAt: number,
    count: number,
  ): void {
    const operation = this.#operation;
    for (let i = 0; i < count; i++) {
      readOperation(reader, operation);
      const { kind, keyStart, keyLength, valueLength } = operation;
      if (kind === OperationKind.rangeDelete) {
        this.#addRangeDelete(chunk, keyStart, keyLength, valueLength, seq);
        continue;
      }
      this.#rows.add(
        chunk,
        keyStart,
        keyLength,
        valueLength,
        kind,
        seq,
        createdAt,
        operation.expiresAt,
        operation.operatorId,
      );
    }
  }

  #addRangeDelete(
    chunk: number,
    keyStart: number,
    keyLength: number,
    valueLength: number,
    seq: number,
  ): void {
    this.#rangeDeletes ??= new RangeDeletes(this.#rows.arena);
    this.#rangeDeletes.addOperation(chunk, keyStart, keyLength, valueLength, seq);
  }

  /** Moves the operations of a batch together over those that were replaced; gives their new end. Nobody has seen them yet. */
  #closeGaps(chunk: number, start: number, end: number, firstRow: number, seq: number): number {
    const operation = this.#operation;
    const bytes = this.#rows.arena.chunks[chunk]!;
    const reader = new ByteReader(bytes, "batch", 0, start, end);
    // They move, too.
    this.#rangeDeletes?.takeBack(seq);
    let at = start;
    let row = firstRow;
    while (reader.offset < end) {
      const from = reader.offset;
      readOperation(reader, operation);
      const { kind, keyStart, keyLength, valueLength } = operation;
      const isRow = kind !== OperationKind.rangeDelete;
      if (isRow && this.#rows.isReplaced(row++)) continue;
      bytes.copyWithin(at, from, reader.offset);
      if (isRow) this.#rows.moveDown(row - 1, from - at);
      else this.#addRangeDelete(chunk, keyStart - (from - at), keyLength, valueLength, seq);
      at += reader.offset - from;
    }
    return at;
  }

  #applied(seq: number): void {
    if (this.firstSeq === 0) this.firstSeq = seq;
    this.lastSeq = seq;
    this.#rows.sortTail(false);
  }
}
