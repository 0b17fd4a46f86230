/** `RowChecker`: checks the rows of an SST block by block, and counts them. */
import { compareBytes, compareRanges, copyBytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import { RowKind, type RowRef } from "../common/row.js";
import type { Block } from "./block.js";
import { BlockCursor } from "./block-cursor.js";
import type { KeyFilter } from "./filter.js";
import { hashKey } from "./key-hash.js";
import { hashPrefix, type PrefixExtractor, prefixLength } from "./prefix-extractor.js";

export class RowChecker {
  rowCount = 0;
  deleteCount = 0;
  mergeCount = 0;
  shadowedCount = 0;
  expiringCount = 0;
  minSeq: number = Number.MAX_SAFE_INTEGER;
  maxSeq = 0;
  minCreatedAt: number = Number.MAX_SAFE_INTEGER;
  maxCreatedAt = 0;
  maxExpiresAt = 0;
  everyValueExpires = true;
  firstKey: Uint8Array = new Uint8Array(0);
  lastKey: Uint8Array = new Uint8Array(0);
  readonly #object: string;
  readonly #prefixExtractor: PrefixExtractor | undefined;
  readonly #onRow: ((row: RowRef) => void) | undefined;
  readonly #cursor = new BlockCursor();
  #lastSeq = 0;
  /** The separator of the block before: the keys of this one are at or above it. */
  #separator: Uint8Array | undefined;

  constructor(
    object: string,
    prefixExtractor: PrefixExtractor | undefined,
    onRow: ((row: RowRef) => void) | undefined,
  ) {
    this.#object = object;
    this.#prefixExtractor = prefixExtractor;
    this.#onRow = onRow;
  }

  checkBlock(block: Block, filter: KeyFilter, separator: Uint8Array): void {
    const { row } = this.#cursor;
    this.#cursor.reset(block);
    let restartIndex = 0;
    let at = block.rowsStart;
    while (this.#cursor.next()) {
      const isRestart = restartIndex < block.restartCount && block.restart(restartIndex) === at;
      if (isRestart) {
        restartIndex++;
        if (block.bytes[at] !== 0) this.#fail("a restart shares bytes with the row before it");
      }
      at = row.valueEnd;
      this.#checkRow(row);
      if (!filter.mayContain(hashKey(row.keyBytes, row.keyStart, row.keyEnd))) {
        this.#fail("a filter denies a key of its partition");
      }
      this.#checkPrefix(row, filter);
    }
    if (restartIndex !== block.restartCount) this.#fail("a restart points to no row");
    if (compareBytes(this.lastKey, separator) > 0) this.#fail("a separator is below its block");
    this.#separator = copyBytes(separator);
  }

  #checkPrefix({ keyBytes, keyStart, keyEnd }: RowRef, filter: KeyFilter): void {
    if (this.#prefixExtractor === undefined) return;
    const length = prefixLength(this.#prefixExtractor, keyBytes, keyStart, keyEnd);
    if (length >= 0 && !filter.mayContain(hashPrefix(keyBytes, keyStart, keyStart + length))) {
      this.#fail("a filter denies a prefix of its partition");
    }
  }

  #checkRow(row: RowRef): void {
    const { lastKey } = this;
    const { keyBytes, keyStart, keyEnd } = row;
    const order = compareRanges(keyBytes, keyStart, keyEnd, lastKey, 0, lastKey.length);
    if (this.rowCount === 0) this.firstKey = copyBytes(keyBytes, keyStart, keyEnd);
    else if (order < 0 || (order === 0 && row.seq >= this.#lastSeq)) {
      this.#fail("rows are out of order");
    }
    const separator = this.#separator;
    if (
      separator !== undefined &&
      compareRanges(keyBytes, keyStart, keyEnd, separator, 0, separator.length) < 0
    ) {
      this.#fail("a key is below the separator before its block");
    }
    this.rowCount++;
    if (row.kind === RowKind.delete) this.deleteCount++;
    if (row.kind === RowKind.merge) this.mergeCount++;
    if (order === 0 && this.rowCount > 1) this.shadowedCount++;
    if (row.expiresAt !== 0 && row.kind !== RowKind.delete) this.expiringCount++;
    this.minSeq = Math.min(this.minSeq, row.seq);
    this.maxSeq = Math.max(this.maxSeq, row.seq);
    this.minCreatedAt = Math.min(this.minCreatedAt, row.createdAt);
    this.maxCreatedAt = Math.max(this.maxCreatedAt, row.createdAt);
    this.maxExpiresAt = Math.max(this.maxExpiresAt, row.expiresAt);
    if (row.expiresAt === 0 && row.kind !== RowKind.delete) this.everyValueExpires = false;
    if (order !== 0 || this.rowCount === 1) this.lastKey = copyBytes(keyBytes, keyStart, keyEnd);
    this.#lastSeq = row.seq;
    this.#onRow?.(row);
  }

  #fail(detail: string): never {
    throw new CorruptionError(this.#object, detail);
  }
}
