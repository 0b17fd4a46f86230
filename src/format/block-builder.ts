/** Builds the payload of a data block, one row at a time; `block.ts` draws the layout. */
import { ByteWriter, writeVarint } from "../common/byte-writer.js";
import { RowKind, type RowRef } from "../common/row.js";
import { createdBelowFlag, expiresFlag, seqBelowFlag } from "./block.js";

/** The most that the numbers before a row's key take: seven varints of up to 8 bytes and the kind. */
const rowHeaderBytesMax = 57;

export class BlockBuilder {
  readonly #restartInterval: number;
  #writer: ByteWriter;
  #restarts: number[] = [];
  #rowCount = 0;
  #baseSeq = 0;
  #baseCreatedAt = 0;

  constructor(restartInterval: number, capacity: number) {
    this.#restartInterval = restartInterval;
    this.#writer = new ByteWriter(capacity);
  }

  get rowCount(): number {
    return this.#rowCount;
  }

  /** Bytes of the payload, if it were finished now. */
  get byteLength(): number {
    return this.#writer.length + this.#restarts.length * 4 + 4;
  }

  /**
   * Rows come in storage order, which the caller checks. `sharedKeyBytes` is how much of its beginning the key has in
   * common with the row before it (anything for the first row).
   */
  add(row: RowRef, sharedKeyBytes: number): void {
    const writer = this.#writer;
    if (this.#rowCount === 0) {
      this.#baseSeq = row.seq;
      this.#baseCreatedAt = row.createdAt;
      writer.varint(row.seq);
      writer.varint(row.createdAt);
    }
    let shared = sharedKeyBytes;
    if (this.#rowCount % this.#restartInterval === 0) {
      shared = 0;
      this.#restarts.push(writer.length);
    }
    this.#rowCount++;
    const valueLength = row.valueEnd - row.valueStart;
    const keyStart = row.keyStart + shared;
    writer.reserve(rowHeaderBytesMax + (row.keyEnd - keyStart) + valueLength);
    const bytes = writer.bytes;
    const seqDelta = row.seq - this.#baseSeq;
    const createdDelta = row.createdAt - this.#baseCreatedAt;
    let at = writeVarint(bytes, writer.length, shared);
    at = writeVarint(bytes, at, row.keyEnd - keyStart);
    bytes[at++] =
      row.kind |
      (row.expiresAt === 0 ? 0 : expiresFlag) |
      (seqDelta < 0 ? seqBelowFlag : 0) |
      (createdDelta < 0 ? createdBelowFlag : 0);
    at = writeVarint(bytes, at, Math.abs(seqDelta));
    at = writeVarint(bytes, at, Math.abs(createdDelta));
    if (row.expiresAt !== 0) at = writeVarint(bytes, at, row.expiresAt);
    if (row.kind === RowKind.merge) at = writeVarint(bytes, at, row.operatorId);
    if (row.kind !== RowKind.delete) at = writeVarint(bytes, at, valueLength);
    writer.length = at;
    if (row.kind === RowKind.delete) {
      writer.raw(row.keyBytes, keyStart, row.keyEnd);
    } else if (row.valueBytes === row.keyBytes && row.valueStart === row.keyEnd) {
      // As in a MemTable.
      writer.raw(row.keyBytes, keyStart, row.valueEnd);
    } else {
      writer.raw(row.keyBytes, keyStart, row.keyEnd);
      writer.raw(row.valueBytes, row.valueStart, row.valueEnd);
    }
  }

  /**
   * The writer that holds the payload, with room for `trailerBytes` more; the builder is empty afterwards. The writer is
   * used again by the next row, unless `keep` is true: then the caller owns it.
   */
  finish(trailerBytes: number, keep: boolean): ByteWriter {
    const writer = this.#writer;
    for (const restart of this.#restarts) writer.u32(restart);
    writer.u32(this.#restarts.length);
    writer.reserve(trailerBytes);
    this.#restarts = [];
    this.#rowCount = 0;
    if (keep) this.#writer = new ByteWriter();
    return writer;
  }

  /** Forgets what `finish` returned, when it was not kept. */
  reset(): void {
    this.#writer.length = 0;
  }
}
