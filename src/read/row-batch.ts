/** `RowBatch`: the rows of one `nextMany`, copied into few buffers, which costs far less than two arrays of their own per row. */
import { type Bytes, copyBytes, emptyBytes } from "../common/bytes.js";
import type { RowRef } from "../common/row.js";
import type { ScanShape } from "./scan-shape.js";

/** Larger buffers gain nothing, and a row that is kept keeps its buffer. */
const bufferBytesMax = 256 * 1024;

export class RowBatch<T> {
  readonly items: T[] = [];
  /** Bytes of keys and values that have been copied. */
  byteCount = 0;
  readonly #shape: ScanShape<T>;
  /** How many rows are expected in all. */
  readonly #count: number;
  readonly #rowBytes: number;
  #buffer: Bytes = emptyBytes;
  #used = 0;

  /** Room is made for `count` rows of `rowBytes` bytes; both are only estimates. */
  constructor(shape: ScanShape<T>, count: number, rowBytes: number) {
    this.#shape = shape;
    this.#count = count;
    this.#rowBytes = rowBytes;
  }

  add(row: RowRef): void {
    const { hasKey, hasValue, map } = this.#shape;
    const key = hasKey ? this.#copy(row.keyBytes, row.keyStart, row.keyEnd) : emptyBytes;
    const value = hasValue ? this.#copy(row.valueBytes, row.valueStart, row.valueEnd) : emptyBytes;
    this.items.push(map(key, value));
  }

  #copy(bytes: Uint8Array, start: number, end: number): Bytes {
    const length = end - start;
    this.byteCount += length;
    if (length > bufferBytesMax / 8) return copyBytes(bytes, start, end);
    if (length > this.#buffer.length - this.#used) this.#grow(length);
    const copy = this.#buffer.subarray(this.#used, this.#used + length);
    if (length <= 32) {
      for (let i = 0; i < length; i++) copy[i] = bytes[start + i]!;
    } else copy.set(bytes.subarray(start, end));
    this.#used += length;
    return copy;
  }

  /** A new buffer for what is still expected, with an eighth to spare. */
  #grow(length: number): void {
    const expected = (this.#count - this.items.length) * this.#rowBytes * 1.125;
    this.#buffer = new Uint8Array(Math.max(length, Math.min(expected, bufferBytesMax)) | 0);
    this.#used = 0;
  }
}
