/**
 * `RetainedRows`: of all versions of each key, those that a compaction keeps.
 *
 * Versions above the retained seq stay as they are. Of those at or below it, newest first, what a read at that seq sees stays: a put or
 * delete ends the list, and so does what has expired or a range delete covers; merges are folded onto what lies beneath them, where
 * that is known. What only hides what is older goes at the bottom, where nothing is. The rows in between are not touched, and most are
 * given out where the source has them.
 */
import { allocateBytes, type Bytes } from "../common/bytes.js";
import { RowKind, RowRef } from "../common/row.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import type { MergeOperators } from "../merge/merge-operators.js";
import { askFilter, type CompactionFilter } from "./compaction-filter.js";
import { deleteAt, foldOnto, joinMerges, type KeptVersion, versionOf } from "./fold-merges.js";
import type { CoverWalk } from "./retained-range-deletes.js";

export interface RetentionOptions {
  readonly retainSeq: number;
  /** ms since 1970 */
  readonly expiredAt: number;
  readonly isBottom: boolean;
  /** Undefined: no range delete covers anything. */
  readonly cover: CoverWalk | undefined;
  /** Undefined: merges stay as they are. */
  readonly operators: MergeOperators | undefined;
  readonly filter: CompactionFilter | undefined;
}

/** Merges of one key that wait for what lies beneath them: so many more than were left by it are joined, so that they take less memory. */
const waitingMax = 512;
/** So many bytes of them do not wait any longer, and stay as they are. */
const waitingBytesMax = 64 * 1024 * 1024;
const versionOverheadBytes = 128;

/** What lies beneath the merges that have been collected. */
const Beneath = { unknown: 0, nothing: 1, version: 2 } as const;
type Beneath = (typeof Beneath)[keyof typeof Beneath];

/** Takes `rows` over, which run forwards. `step` throws `CompactionFilterError`, and what `rows` throws. */
export class RetainedRows {
  /** Valid after a `step` that gave a row, until the next one; not always the same object. */
  row: RowRef;
  readonly #rows: RowIterator;
  readonly #source: RowRef;
  readonly #options: RetentionOptions;
  /** For rows that are not given as they are. */
  readonly #made: RowRef = new RowRef();
  /** Of the key at hand, which is the beginning of the buffer. */
  #key: Bytes = allocateBytes(64);
  #keyLength = -1;
  #lastSeq = 0;
  /** All that is left of the key goes. */
  #isDone = false;
  /** A version at or below the retained seq has been given. */
  #hasGiven = false;
  /** The highest seq, up to the retained one, of a range delete over the key; -1: not looked for yet. */
  #cover = -1;
  /** Merges at or below the retained seq, newest first, that are not given yet. */
  #merges: KeptVersion[] = [];
  #joinedCount = 0;
  #mergeBytes = 0;
  /** Merges of the key are given as they come. */
  #isPassing = false;
  /** To be given before anything else. */
  #ready: KeptVersion[] = [];
  #readyIndex = 0;
  /** The source stands at a row that has not been looked at. */
  #isHeld = false;

  constructor(rows: RowIterator, options: RetentionOptions) {
    this.#rows = rows;
    this.#source = rows.row;
    this.row = rows.row;
    this.#options = options;
  }

  /** As of a `RowIterator`. */
  step(): Step {
    for (;;) {
      if (this.#readyIndex < this.#ready.length) {
        this.#give(this.#ready[this.#readyIndex++]!);
        return Step.row;
      }
      if (!this.#isHeld) {
        const step = this.#rows.step();
        if (step === Step.pending) return step;
        if (step === Step.end) {
          if (this.#merges.length === 0) return step;
          this.#endOfKey();
          continue;
        }
      }
      this.#isHeld = false;
      const { seq } = this.#source;
      if (!this.#isKeyOf(this.#source)) {
        if (this.#merges.length > 0) {
          this.#isHeld = true;
          this.#endOfKey();
          continue;
        }
        this.#keepKey(this.#source);
      } else if (this.#isDone || seq >= this.#lastSeq) {
        // The same (key, seq) again is no news: the newer source has given it.
        continue;
      }
      this.#lastSeq = seq;
      if (seq > this.#options.retainSeq || this.#keeps()) {
        this.row = this.#source;
        return Step.row;
      }
    }
  }

  /** As of a `RowIterator`. */
  fill(signal?: AbortSignal): Promise<void> {
    return this.#rows.fill(signal);
  }

  close(): void {
    this.#merges = [];
    this.#ready = [];
    this.#rows.close();
  }

  /** Looks at a version at or below the retained seq. True when it is to be given as it stands. */
  #keeps(): boolean {
    const row = this.#source;
    const { cover, expiredAt, isBottom, operators, filter } = this.#options;
    if (cover !== undefined) {
      if (this.#cover < 0) this.#cover = cover.coverOf(row.keyBytes, row.keyStart, row.keyEnd);
      if (row.seq < this.#cover) {
        this.#end(Beneath.nothing);
        return false;
      }
    }
    if (row.kind === RowKind.merge && !(row.expiresAt !== 0 && row.expiresAt <= expiredAt)) {
      if (operators === undefined || this.#isPassing) {
        this.#hasGiven = true;
        return true;
      }
      this.#collect(versionOf(row), operators);
      return false;
    }
    const isLive = row.kind === RowKind.put && !(row.expiresAt !== 0 && row.expiresAt <= expiredAt);
    if (this.#merges.length > 0 || (isLive && filter !== undefined)) {
      const version = versionOf(row);
      this.#end(Beneath.version, isLive ? version : deleteAt(version));
      return false;
    }
    this.#isDone = true;
    if (isLive || (row.kind === RowKind.delete && !isBottom)) return true;
    if (!isBottom) this.#setReady([deleteAt(versionOf(row))]);
    return false;
  }

  #collect(version: KeptVersion, operators: MergeOperators): void {
    this.#merges.push(version);
    this.#mergeBytes += version.value.length + versionOverheadBytes;
    if (this.#merges.length >= 2 * this.#joinedCount + waitingMax) {
      this.#merges = joinMerges(this.#keyBytes(), this.#merges, operators);
      this.#joinedCount = this.#merges.length;
      this.#mergeBytes = this.#merges.reduce(
        (sum, { value }) => sum + value.length + versionOverheadBytes,
        0,
      );
    }
    if (this.#mergeBytes <= waitingBytesMax) return;
    this.#setReady(this.#merges);
    this.#hasGiven = true;
    this.#isPassing = true;
    this.#forgetMerges();
  }

  /** No version of the key is left. */
  #endOfKey(): void {
    this.#end(this.#options.isBottom ? Beneath.nothing : Beneath.unknown);
  }

  /** What is left of the key goes; what was collected becomes ready, with `base` beneath it. */
  #end(beneath: Beneath, base?: KeptVersion): void {
    const { operators, expiredAt, isBottom } = this.#options;
    const merges = this.#merges;
    this.#isDone = true;
    let kept: KeptVersion[] = merges;
    let folded: KeptVersion | undefined;
    if (merges.length > 0 && operators !== undefined) {
      const key = this.#keyBytes();
      if (beneath !== Beneath.unknown) folded = foldOnto(key, merges, base, expiredAt, operators);
      kept = folded === undefined ? joinMerges(key, merges, operators) : [folded];
    }
    if (folded === undefined && base !== undefined) kept = [...kept, base];
    this.#forgetMerges();
    if (kept[0]?.kind === RowKind.put && !this.#hasGiven) kept = [this.#filtered(kept[0])];
    // At the bottom nothing lies beneath that a delete could hide.
    if (isBottom && kept.at(-1)?.kind === RowKind.delete) kept = kept.slice(0, -1);
    this.#setReady(kept);
  }

  #filtered(version: KeptVersion): KeptVersion {
    const { filter } = this.#options;
    if (filter === undefined) return version;
    this.#give(version);
    const value = askFilter(filter, this.row);
    return value === undefined ? deleteAt(version) : { ...version, value };
  }

  #setReady(versions: KeptVersion[]): void {
    this.#ready = versions;
    this.#readyIndex = 0;
  }

  #forgetMerges(): void {
    this.#merges = [];
    this.#joinedCount = 0;
    this.#mergeBytes = 0;
  }

  #give(version: KeptVersion): void {
    const row = this.#made;
    row.keyBytes = this.#key;
    row.keyStart = 0;
    row.keyEnd = this.#keyLength;
    row.valueBytes = version.value;
    row.valueStart = 0;
    row.valueEnd = version.value.length;
    row.kind = version.kind;
    row.seq = version.seq;
    row.createdAt = version.createdAt;
    row.expiresAt = version.expiresAt;
    row.operatorId = version.operatorId;
    this.row = row;
  }

  #keyBytes(): Uint8Array {
    return this.#key.subarray(0, this.#keyLength);
  }

  /** Compares from the end: neighbouring keys share their beginning. */
  #isKeyOf(row: RowRef): boolean {
    const { keyBytes, keyStart } = row;
    const key = this.#key;
    let i = row.keyEnd - keyStart;
    if (i !== this.#keyLength) return false;
    while (i > 0 && keyBytes[keyStart + i - 1] === key[i - 1]) i--;
    return i === 0;
  }

  /** Copies the key: the source overwrites its own at the next step. */
  #keepKey(row: RowRef): void {
    const length = row.keyEnd - row.keyStart;
    if (length > this.#key.length) this.#key = allocateBytes(2 * length);
    const { keyBytes, keyStart } = row;
    const key = this.#key;
    if (length <= 64) {
      for (let i = 0; i < length; i++) key[i] = keyBytes[keyStart + i]!;
    } else key.set(keyBytes.subarray(keyStart, row.keyEnd));
    this.#keyLength = length;
    this.#isDone = false;
    this.#hasGiven = false;
    this.#isPassing = false;
    this.#cover = -1;
  }
}
