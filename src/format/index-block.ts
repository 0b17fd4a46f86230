/**
 * Reads an index block: separators in ascending order, each with a fixed number of columns (see sst.ts).
 *
 *   entry:    varint shared key bytes | varint unshared key bytes | one varint per column | unshared key bytes
 *   payload:  entries | u32 offset of each restart | u32 restart count
 *
 * Every 16th entry is a restart: it shares nothing. The separator of an entry is at or above every key of what the entry
 * points to, and at or below every key of what the next entry points to (equal only where one key's versions span both).
 *
 * The block is decoded whole when it is opened, so that a search is a plain binary search without a varint.
 */
import { ByteReader, readU32 } from "../common/byte-reader.js";
import { ByteWriter } from "../common/byte-writer.js";
import { type Bytes, compareRanges } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";

export const indexRestartInterval = 16;

export class IndexBlock {
  readonly count: number;
  readonly #keys: Bytes;
  readonly #keyEnds: number[] = [];
  readonly #columns: number[] = [];
  readonly #columnCount: number;

  /** Throws `CorruptionError` when the payload is not an index block, of at least one entry unless it `canBeEmpty`. */
  constructor(
    payload: Uint8Array,
    columnCount: number,
    object: string,
    blockOffset: number,
    canBeEmpty = false,
  ) {
    this.#columnCount = columnCount;
    const restartCount = payload.length < 4 ? 0 : readU32(payload, payload.length - 4);
    const entriesEnd = payload.length - 4 - restartCount * 4;
    if ((restartCount === 0 && !canBeEmpty) || entriesEnd < 0) {
      throw new CorruptionError(object, "an index block is too short", { offset: blockOffset });
    }
    const reader = new ByteReader(payload, object, blockOffset, 0, entriesEnd);
    const keys = new ByteWriter(payload.length);
    let keyStart = 0;
    while (reader.remaining > 0) {
      const isRestart = this.#keyEnds.length % indexRestartInterval === 0;
      const restartIndex = this.#keyEnds.length / indexRestartInterval;
      if (isRestart && readU32(payload, entriesEnd + restartIndex * 4) !== reader.offset) {
        reader.fail("a restart of an index block is not where it should be");
      }
      const shared = reader.varint();
      const unshared = reader.varint();
      if (shared > (isRestart ? 0 : keys.length - keyStart)) {
        reader.fail("a separator shares more than there is");
      }
      for (let i = 0; i < columnCount; i++) this.#columns.push(reader.varint());
      const keyEnd = keys.length;
      keys.reserve(shared + unshared);
      keys.bytes.copyWithin(keyEnd, keyStart, keyStart + shared);
      keys.length += shared;
      keys.raw(reader.raw(unshared));
      keyStart = keyEnd;
      this.#keyEnds.push(keys.length);
    }
    this.count = this.#keyEnds.length;
    if (Math.ceil(this.count / indexRestartInterval) !== restartCount) {
      reader.fail(`${restartCount} restarts do not fit ${this.count} entries`);
    }
    this.#keys = keys.copy();
  }

  /** What the decoded block occupies, about. */
  get memoryBytes(): number {
    return this.#keys.length + (this.#keyEnds.length + this.#columns.length) * 8;
  }

  column(entryIndex: number, columnIndex: number): number {
    return this.#columns[entryIndex * this.#columnCount + columnIndex]!;
  }

  /** A view of the separator of an entry. */
  key(entryIndex: number): Uint8Array {
    return this.#keys.subarray(this.#keyStart(entryIndex), this.#keyEnds[entryIndex]);
  }

  /** Negative, zero or positive: the separator of an entry against `key`. */
  compareKey(entryIndex: number, key: Uint8Array): number {
    const start = this.#keyStart(entryIndex);
    return compareRanges(this.#keys, start, this.#keyEnds[entryIndex]!, key, 0, key.length);
  }

  /** The first entry whose separator is at or above `key`; `count` when there is none. */
  firstAtOrAfter(key: Uint8Array): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.compareKey(middle, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The first entry whose separator is above `key`; `count` when there is none. */
  firstAfter(key: Uint8Array): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.compareKey(middle, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #keyStart(entryIndex: number): number {
    return entryIndex === 0 ? 0 : this.#keyEnds[entryIndex - 1]!;
  }
}
