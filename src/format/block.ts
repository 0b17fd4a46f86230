/**
 * `Block`: a data block, decoded as far as it is needed.
 *
 *   payload:  varint base seq | varint base creation time | rows | u32 offset of each restart | u32 restart count
 *   row:      varint shared key bytes | varint unshared key bytes | u8 kind and flags
 *             | varint |seq - base| | varint |creation time - base|
 *             [varint expiry, if flagged] [varint operator id, if merge] [varint value length, unless delete]
 *             | unshared key bytes | value
 *
 * Rows are in storage order: key up, then seq down. The kind is in the low four bits; the flags say that the row expires
 * (0x10) and that seq (0x20) or creation time (0x40) lie below the base, which are those of the first row. Times are ms
 * since 1970. Some rows, the first among them, are restarts: they share nothing, and their offsets, ascending, are at the end.
 */
import { ByteReader, readU32 } from "../common/byte-reader.js";
import { compareRanges } from "../common/bytes.js";
import { CorruptionError, UnsupportedError } from "../common/errors.js";
import { RowKind, type RowRef } from "../common/row.js";

/** Stored beside the row kind. Never change or reuse one. */
export const expiresFlag = 0x10;
export const seqBelowFlag = 0x20;
export const createdBelowFlag = 0x40;
const unknownFlags = 0x80;

/** What a search in one block says. `after`: every row of the block lies before the version that is looked for. */
export const BlockFind = { miss: 0, hit: 1, after: 2 } as const;
export type BlockFind = (typeof BlockFind)[keyof typeof BlockFind];

export class Block {
  readonly bytes: Uint8Array;
  readonly rowsStart: number;
  readonly rowsEnd: number;
  readonly restartCount: number;
  readonly #baseSeq: number;
  readonly #baseCreatedAt: number;
  readonly #object: string;
  readonly #blockOffset: number;

  /** `payload` is kept, not copied. `object` and `blockOffset` are for messages. Throws `CorruptionError`. */
  constructor(payload: Uint8Array, object: string, blockOffset: number) {
    this.bytes = payload;
    this.#object = object;
    this.#blockOffset = blockOffset;
    this.restartCount = payload.length < 4 ? 0 : readU32(payload, payload.length - 4);
    this.rowsEnd = payload.length - 4 - this.restartCount * 4;
    if (this.restartCount === 0 || this.rowsEnd < 0) this.fail("a data block is too short");
    const reader = new ByteReader(payload, object, blockOffset, 0, this.rowsEnd);
    this.#baseSeq = reader.varint();
    this.#baseCreatedAt = reader.varint();
    this.rowsStart = reader.offset;
    if (this.restart(0) !== this.rowsStart || this.rowsStart >= this.rowsEnd) {
      this.fail("the first row of a data block is not a restart");
    }
  }

  /** The offset in `bytes` of the row that is a restart. */
  restart(restartIndex: number): number {
    return readU32(this.bytes, this.rowsEnd + restartIndex * 4);
  }

  /**
   * Decodes the row at `offset` and returns how many key bytes it shares with the row before it. Of the key, `row` gets
   * the unshared bytes only, as they lie in the block. The next row begins at `row.valueEnd`.
   */
  parse(offset: number, row: RowRef): number {
    const bytes = this.bytes;
    let at = offset;
    let shared = bytes[at++]!;
    if (shared > 127) {
      shared = readLongVarint(bytes, at - 1);
      at = longVarintEnd;
    }
    let unshared = bytes[at++]!;
    if (unshared > 127) {
      unshared = readLongVarint(bytes, at - 1);
      at = longVarintEnd;
    }
    const flags = bytes[at++]!;
    let seqDelta = bytes[at++]!;
    if (seqDelta > 127) {
      seqDelta = readLongVarint(bytes, at - 1);
      at = longVarintEnd;
    }
    let createdDelta = bytes[at++]!;
    if (createdDelta > 127) {
      createdDelta = readLongVarint(bytes, at - 1);
      at = longVarintEnd;
    }
    row.seq = this.#baseSeq + ((flags & seqBelowFlag) === 0 ? seqDelta : -seqDelta);
    row.createdAt =
      this.#baseCreatedAt + ((flags & createdBelowFlag) === 0 ? createdDelta : -createdDelta);
    const kind = flags & 15;
    let valueLength = 0;
    if ((flags & expiresFlag) === 0) {
      row.expiresAt = 0;
    } else {
      row.expiresAt = readLongVarint(bytes, at);
      at = longVarintEnd;
    }
    if (kind === RowKind.put) {
      row.kind = RowKind.put;
      row.operatorId = 0;
      valueLength = bytes[at++]!;
      if (valueLength > 127) {
        valueLength = readLongVarint(bytes, at - 1);
        at = longVarintEnd;
      }
    } else if (kind === RowKind.delete) {
      row.kind = RowKind.delete;
      row.operatorId = 0;
    } else if (kind === RowKind.merge) {
      row.kind = RowKind.merge;
      row.operatorId = readLongVarint(bytes, at);
      valueLength = readLongVarint(bytes, longVarintEnd);
      at = longVarintEnd;
    }
    const valueStart = at + unshared;
    row.keyBytes = bytes;
    row.keyStart = at;
    row.keyEnd = valueStart;
    row.valueBytes = bytes;
    row.valueStart = valueStart;
    row.valueEnd = valueStart + valueLength;
    // One comparison for all of it: numbers that ran past the end are NaN, or make the row too long.
    if (!(row.valueEnd <= this.rowsEnd) || kind === 0) this.fail("a row does not end", offset);
    if (kind > RowKind.merge || (flags & unknownFlags) !== 0) this.#refuse(flags);
    return shared;
  }

  /**
   * Looks for the newest version of `key` with a seq at or below `seqMax`. On a hit `row` is that version: its key is the
   * array passed in, its value lies in this block. Otherwise the content of `row` means nothing.
   */
  find(key: Uint8Array, seqMax: number, row: RowRef): BlockFind {
    let low = 0;
    let high = this.restartCount;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      this.parse(this.restart(middle), row);
      const order = compareRanges(row.keyBytes, row.keyStart, row.keyEnd, key, 0, key.length);
      if (order < 0 || (order === 0 && row.seq > seqMax)) low = middle;
      else high = middle;
    }
    // Keys are compared without being put together: `matched` is how much of `key` the row before agrees with.
    let matched = 0;
    let previousLength = 0;
    const rowsEnd = this.rowsEnd;
    for (let at = this.restart(low); at < rowsEnd; at = row.valueEnd) {
      const shared = this.parse(at, row);
      if (shared > previousLength) this.fail("a key shares more than there is", at);
      const { keyStart, keyEnd } = row;
      const length = shared + keyEnd - keyStart;
      previousLength = length;
      if (shared === 0) matched = 0; // a restart says nothing about the row before it
      if (shared > matched) continue; // differs from `key` where the row before did, and is below it
      if (shared < matched) return BlockFind.miss; // grew where the row before agreed: above `key`
      const bytes = this.bytes;
      const end = Math.min(length, key.length);
      let i = matched;
      let suffix = keyStart + i - shared;
      while (i < end && bytes[suffix] === key[i]) {
        i++;
        suffix++;
      }
      matched = i;
      if (i < end) {
        if (bytes[suffix]! > key[i]!) return BlockFind.miss;
      } else if (length > key.length) {
        return BlockFind.miss;
      } else if (length === key.length && row.seq <= seqMax) {
        row.keyBytes = key;
        row.keyStart = 0;
        row.keyEnd = key.length;
        return BlockFind.hit;
      }
    }
    return BlockFind.after;
  }

  fail(detail: string, offset = 0): never {
    throw new CorruptionError(this.#object, detail, { offset: this.#blockOffset + offset });
  }

  #refuse(flags: number): never {
    throw new UnsupportedError(
      `Object "${this.#object}" has a row of kind and flags ${flags}, which this version of Moraine does not know. Use a newer version.`,
    );
  }
}

/** Where the varint ended that `readLongVarint` read last. A variable, so that a row is decoded without allocating. */
let longVarintEnd = 0;

/** A varint of any length; NaN when it runs past the end or has more than eight bytes. */
function readLongVarint(bytes: Uint8Array, offset: number): number {
  let at = offset;
  let byte = bytes[at++]!;
  let value = byte & 127;
  if (byte > 127) {
    byte = bytes[at++]!;
    value |= (byte & 127) << 7;
    if (byte > 127) {
      byte = bytes[at++]!;
      value |= (byte & 127) << 14;
      if (byte > 127) {
        byte = bytes[at++]!;
        value |= (byte & 127) << 21;
        let scale = 2 ** 28;
        while (byte > 127) {
          byte = bytes[at++]!;
          value += (byte & 127) * scale;
          scale *= 128;
          if (at - offset > 8) value = Number.NaN;
        }
      }
    }
  }
  longVarintEnd = at;
  return at > bytes.length ? Number.NaN : value;
}
