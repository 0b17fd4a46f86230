/**
 * `ResolvingIterator`: what `VisibleIterator` gives, where there may be merges: one row per key, with what the merges that the read sees add up to
 * as its value.
 *
 * Forward, the newest version comes first: if it is a merge, the older ones are collected until nothing behind them counts. In reverse
 * the versions are collected until the source stands at another key. What stands beyond the last row needed is held for the next step.
 * Keys outside the bounds and rows that have expired are not folded: nobody sees them, and a failing operator there is nobody's failure.
 */
import {
  allocateBytes,
  type Bytes,
  compareRanges,
  copyBytes,
  emptyBytes,
} from "../common/bytes.js";
import { clampSeek, isAboveLower, isBelowUpper, isEmpty } from "../common/key-range.js";
import { RowKind, RowRef } from "../common/row.js";
import {
  type ApplyOperator,
  foldVersions,
  hidesOlder,
  type Version,
} from "../merge/fold-versions.js";
import { type KeyedRows, type KeyPlace, type RowIterator, Step } from "./row-iterator.js";
import type { VisibleOptions } from "./visible-iterator.js";
import { isVisible } from "./visible-row.js";

export interface ResolvingOptions extends VisibleOptions {
  readonly apply: ApplyOperator;
}

/** One version of the key that is being collected. */
interface CollectedVersion extends Version {
  readonly seq: number;
  readonly createdAt: number;
}

/** Takes `rows` over: it seeks, steps and closes it. `step` throws what `apply` throws, and `CorruptionError`, and again until a `seek`. */
export class ResolvingIterator implements KeyedRows {
  readonly row: RowRef = new RowRef();
  readonly #rows: RowIterator;
  readonly #options: ResolvingOptions;
  readonly #empty: boolean;
  #ended = false;
  #failure: unknown;
  /** The key that is being collected, or that was given last, when `#hasKey`. */
  #key: Bytes = allocateBytes(64);
  #keyLength = 0;
  #hasKey = false;
  /** Versions of the key: newest first, in reverse oldest first. Empty: none is being collected. */
  #versions: CollectedVersion[] = [];
  #now = 0;
  /** The source stands at a row that has not been looked at. */
  #held = false;

  constructor(rows: RowIterator, options: ResolvingOptions) {
    this.#rows = rows;
    this.#options = options;
    const { bounds, reverse } = options;
    this.#empty = isEmpty(bounds);
    const first = reverse ? bounds.upper : bounds.lower;
    if (!this.#empty && first !== undefined) rows.seek(first);
  }

  step(): Step {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#ended || this.#empty) return Step.end;
    try {
      for (;;) {
        const step = this.#stepKey();
        if (step === Step.pending) return step;
        if (step === Step.end || this.#isBehind(this.row)) {
          this.#ended = true;
          return Step.end;
        }
        if (!this.#isBefore(this.row) && isVisible(this.row, this.#options.now)) return step;
      }
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  fill(signal?: AbortSignal): Promise<void> {
    return this.#rows.fill(signal);
  }

  /** A key outside the bounds counts as the nearest one inside. */
  seek(key: Uint8Array): void {
    this.#rows.seek(clampSeek(this.#options.bounds, this.#options.reverse, key));
    this.#ended = false;
    this.#failure = undefined;
    this.#versions = [];
    this.#hasKey = false;
    this.#held = false;
  }

  place(): KeyPlace | undefined {
    if (!this.#hasKey) return undefined;
    const key = copyBytes(this.#key, 0, this.#keyLength);
    return { key, isDecided: this.#versions.length === 0 };
  }

  close(): void {
    this.#ended = true;
    this.#versions = [];
    this.#rows.close();
  }

  /** The newest version of the next key, folded if anybody sees it. */
  #stepKey(): Step {
    const source = this.#rows.row;
    const { reverse, seqMax } = this.#options;
    for (;;) {
      if (!this.#held) {
        const step = this.#rows.step();
        if (step === Step.pending) return step;
        if (step === Step.end) return this.#versions.length > 0 ? this.#give() : step;
      }
      this.#held = false;
      if (source.seq > seqMax) continue;
      if (this.#hasKey && this.#isKeyOf(source)) {
        if (reverse) this.#collectNewer(source);
        else if (this.#collectOlder(source)) return this.#give();
      } else if (this.#versions.length > 0) {
        this.#held = true;
        return this.#give();
      } else {
        this.#keepKey(source);
        if (reverse || this.#isToFold(source)) this.#versions.push(versionOf(source));
        else {
          this.row.copyFrom(source);
          return Step.row;
        }
      }
    }
  }

  /** Forward. True when nothing older counts. The same (key, seq) again is no news. */
  #collectOlder(source: RowRef): boolean {
    const last = this.#versions.at(-1);
    // None: the key has been given, or stands as it is.
    if (last === undefined || source.seq >= last.seq) return false;
    const version = versionOf(source);
    this.#versions.push(version);
    return hidesOlder(version, this.#now);
  }

  /** In reverse: a put or delete hides what was collected. */
  #collectNewer(source: RowRef): void {
    if (source.seq <= this.#versions.at(-1)!.seq) return;
    if (source.kind !== RowKind.merge) this.#versions = [];
    this.#versions.push(versionOf(source));
  }

  /** Makes `row` of what was collected. */
  #give(): Step {
    const { reverse, apply } = this.#options;
    const versions = reverse ? this.#versions.reverse() : this.#versions;
    this.#versions = [];
    const newest = versions[0]!;
    const row = this.row;
    row.keyBytes = this.#key;
    row.keyStart = 0;
    row.keyEnd = this.#keyLength;
    row.kind = newest.kind;
    row.seq = newest.seq;
    row.createdAt = newest.createdAt;
    row.expiresAt = newest.expiresAt;
    row.operatorId = newest.operatorId;
    let value: Uint8Array | undefined = newest.value;
    // Forward, nothing else is collected.
    if (!reverse || this.#isToFold(row)) {
      value = foldVersions(row.key(), versions, this.#now, apply);
      row.kind = value === undefined ? RowKind.delete : RowKind.put;
      row.operatorId = 0;
    }
    row.valueBytes = value ?? emptyBytes;
    row.valueStart = 0;
    row.valueEnd = row.valueBytes.length;
    return Step.row;
  }

  /** True for a merge that somebody may see, as the newest version of its key. */
  #isToFold(row: RowRef): boolean {
    if (row.kind !== RowKind.merge) return false;
    if (this.#isBefore(row) || this.#isBehind(row)) return false;
    this.#now = this.#options.now();
    return row.expiresAt === 0 || row.expiresAt > this.#now;
  }

  /** True before the bounds, in the iterator's direction. */
  #isBefore({ keyBytes, keyStart, keyEnd }: RowRef): boolean {
    const { bounds, reverse } = this.#options;
    return reverse
      ? !isBelowUpper(bounds, keyBytes, keyStart, keyEnd)
      : !isAboveLower(bounds, keyBytes, keyStart, keyEnd);
  }

  #isBehind({ keyBytes, keyStart, keyEnd }: RowRef): boolean {
    const { bounds, reverse } = this.#options;
    return reverse
      ? !isAboveLower(bounds, keyBytes, keyStart, keyEnd)
      : !isBelowUpper(bounds, keyBytes, keyStart, keyEnd);
  }

  #isKeyOf(row: RowRef): boolean {
    const { keyBytes, keyStart, keyEnd } = row;
    return compareRanges(keyBytes, keyStart, keyEnd, this.#key, 0, this.#keyLength) === 0;
  }

  /** Copies the key: the source overwrites its own at the next step. */
  #keepKey(row: RowRef): void {
    const length = row.keyEnd - row.keyStart;
    if (length > this.#key.length) this.#key = allocateBytes(2 * length);
    const { keyBytes, keyStart } = row;
    const key = this.#key;
    for (let i = 0; i < length; i++) key[i] = keyBytes[keyStart + i]!;
    this.#keyLength = length;
    this.#hasKey = true;
  }
}

function versionOf(row: RowRef): CollectedVersion {
  const { kind, seq, createdAt, expiresAt, operatorId } = row;
  return { kind, seq, createdAt, expiresAt, operatorId, value: row.value() };
}
