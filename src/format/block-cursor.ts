/**
 * `BlockCursor`: walks the rows of a block in both directions, and finds a place in it. All synchronous; a step allocates nothing.
 *
 * Forward, a key is put together in a buffer that holds the key before it. In reverse, all keys between two restarts are put
 * together once, one behind the other, and then handed out from the last to the first.
 */
import { allocateBytes, type Bytes, compareRanges, emptyBytes } from "../common/bytes.js";
import { RowRef } from "../common/row.js";
import type { Block } from "./block.js";

export class BlockCursor {
  /** Valid after a call that returned true, until the next call. */
  readonly row: RowRef = new RowRef();
  #block: Block | undefined;
  /** Of the row that the cursor stands on; -1 when it stands on none. */
  #offset = -1;
  #nextOffset = 0;
  #key: Bytes = emptyBytes;
  /** The interval between two restarts whose keys are put together. */
  #interval = -1;
  /** Which row of the interval the cursor stands on; -1 when `#key` holds its key instead. */
  #position = -1;
  #intervalCount = 0;
  #intervalOffsets: number[] = [];
  #intervalKeyEnds: number[] = [];
  #intervalKeys: Bytes = emptyBytes;

  /** Takes another block, or none. The cursor then stands nowhere: `next` gives the first row, `previous` the last. */
  reset(block: Block | undefined): void {
    this.#block = block;
    this.#offset = -1;
    this.#interval = -1;
    this.#position = -1;
  }

  /** False at the end: the cursor stays where it is. */
  next(): boolean {
    const block = this.#block;
    if (block === undefined) return false;
    const row = this.row;
    let at = this.#nextOffset;
    let previousLength = 0;
    if (this.#offset < 0) at = block.rowsStart;
    else if (at >= block.rowsEnd) return false;
    else previousLength = row.keyEnd - row.keyStart;
    if (this.#position >= 0) this.#leaveInterval(previousLength);
    const shared = block.parse(at, row);
    if (shared > previousLength) block.fail("a key shares more than there is", at);
    const keyEnd = shared + row.keyEnd - row.keyStart;
    if (keyEnd > this.#key.length) this.#key = grow(this.#key, shared, keyEnd);
    copyRange(block.bytes, row.keyStart, row.keyEnd, this.#key, shared);
    row.keyBytes = this.#key;
    row.keyStart = 0;
    row.keyEnd = keyEnd;
    this.#offset = at;
    this.#nextOffset = row.valueEnd;
    return true;
  }

  /** False at the beginning: the cursor stays where it is. */
  previous(): boolean {
    const block = this.#block;
    if (block === undefined || this.#offset === block.rowsStart) return false;
    if (this.#position > 0) return this.#enter(this.#position - 1);
    if (this.#offset < 0) {
      this.#loadInterval(block, block.restartCount - 1);
      return this.#enter(this.#intervalCount - 1);
    }
    const interval = this.#position === 0 ? this.#interval : intervalOf(block, this.#offset);
    if (this.#offset === block.restart(interval)) {
      this.#loadInterval(block, interval - 1);
      return this.#enter(this.#intervalCount - 1);
    }
    const offset = this.#offset;
    this.#loadInterval(block, interval);
    return this.#enter(this.#intervalOffsets.lastIndexOf(offset, this.#intervalCount - 1) - 1);
  }

  seekFirst(): boolean {
    this.reset(this.#block);
    return this.next();
  }

  seekLast(): boolean {
    this.reset(this.#block);
    return this.previous();
  }

  /** Moves to the first row whose key is at or above `key`. False when there is none. */
  seekAtOrAfter(key: Uint8Array): boolean {
    const block = this.#block;
    if (block === undefined) return false;
    this.reset(block);
    const interval = this.#lastRestart(block, key, -1);
    if (interval > 0) {
      // As if it stood on a row without a key just before the restart.
      this.#offset = block.rowsStart;
      this.#nextOffset = block.restart(interval);
      this.row.keyStart = this.row.keyEnd = 0;
    }
    while (this.next()) {
      const { row } = this;
      if (compareRanges(row.keyBytes, 0, row.keyEnd, key, 0, key.length) >= 0) return true;
    }
    return false;
  }

  /** Moves to the last row whose key is at or below `key`. False when there is none. */
  seekAtOrBefore(key: Uint8Array): boolean {
    const block = this.#block;
    if (block === undefined) return false;
    this.reset(block);
    const interval = this.#lastRestart(block, key, 0);
    if (interval < 0) return false;
    this.#loadInterval(block, interval);
    const ends = this.#intervalKeyEnds;
    let position = this.#intervalCount - 1;
    while (position > 0) {
      const order = compareRanges(
        this.#intervalKeys,
        ends[position - 1]!,
        ends[position]!,
        key,
        0,
        key.length,
      );
      if (order <= 0) break;
      position--;
    }
    return this.#enter(position);
  }

  /** The last restart whose key compares to `key` with at most `orderMax`; -1 when there is none. */
  #lastRestart(block: Block, key: Uint8Array, orderMax: number): number {
    const { row } = this;
    let low = -1;
    let high = block.restartCount;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      block.parse(block.restart(middle), row);
      const order = compareRanges(row.keyBytes, row.keyStart, row.keyEnd, key, 0, key.length);
      if (order <= orderMax) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Puts the keys of an interval together. */
  #loadInterval(block: Block, interval: number): void {
    const { row } = this;
    const end = interval + 1 < block.restartCount ? block.restart(interval + 1) : block.rowsEnd;
    let count = 0;
    let keyStart = 0;
    let keyEnd = 0;
    for (let at = block.restart(interval); at < end; at = row.valueEnd) {
      const shared = block.parse(at, row);
      if (shared > keyEnd - keyStart) block.fail("a key shares more than there is", at);
      const newEnd = keyEnd + shared + row.keyEnd - row.keyStart;
      if (newEnd > this.#intervalKeys.length) {
        this.#intervalKeys = grow(this.#intervalKeys, keyEnd, newEnd);
      }
      copyRange(this.#intervalKeys, keyStart, keyStart + shared, this.#intervalKeys, keyEnd);
      copyRange(block.bytes, row.keyStart, row.keyEnd, this.#intervalKeys, keyEnd + shared);
      keyStart = keyEnd;
      keyEnd = newEnd;
      this.#intervalOffsets[count] = at;
      this.#intervalKeyEnds[count] = keyEnd;
      count++;
    }
    if (count === 0) block.fail("restarts of a data block are not in order");
    this.#interval = interval;
    this.#intervalCount = count;
  }

  /** Stands on a row of the interval that is loaded. */
  #enter(position: number): boolean {
    const { row } = this;
    const offset = this.#intervalOffsets[position]!;
    this.#block!.parse(offset, row);
    row.keyBytes = this.#intervalKeys;
    row.keyStart = position === 0 ? 0 : this.#intervalKeyEnds[position - 1]!;
    row.keyEnd = this.#intervalKeyEnds[position]!;
    this.#position = position;
    this.#offset = offset;
    this.#nextOffset = row.valueEnd;
    return true;
  }

  /** Before a step forward out of an interval: `#key` has to hold the key of the row. */
  #leaveInterval(keyLength: number): void {
    const { row } = this;
    if (keyLength > this.#key.length) this.#key = grow(this.#key, 0, keyLength);
    copyRange(row.keyBytes, row.keyStart, row.keyEnd, this.#key, 0);
    this.#position = -1;
  }
}

/** The interval that holds the row at `offset`. */
function intervalOf(block: Block, offset: number): number {
  let low = 0;
  let high = block.restartCount;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (block.restart(middle) <= offset) low = middle;
    else high = middle;
  }
  return low;
}

function grow(bytes: Bytes, used: number, needed: number): Bytes {
  const grown = allocateBytes(Math.max(64, needed * 2));
  grown.set(bytes.subarray(0, used));
  return grown;
}

/** A loop for short ranges: a view costs more than it saves there. */
function copyRange(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  targetStart: number,
): void {
  if (end - start <= 32) {
    let to = targetStart;
    for (let i = start; i < end; i++) target[to++] = source[i]!;
  } else {
    target.set(source.subarray(start, end), targetStart);
  }
}
