/** `ScanCover`: the range deletes that a scan has to heed, and the SSTs that they leave for it to read. */
import { compareBytes } from "../common/bytes.js";
import type { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import { isAboveLower, isBelowUpper, type KeyBounds } from "../common/key-range.js";
import type { SortedRun, SstInfo } from "../format/manifest.js";
import { highestSeq, lowestSeq, type Sequence } from "./candidates.js";
import { CoverCursor, type CoverPart, type CoverReader } from "./cover-cursor.js";
import type { DbView } from "./db-view.js";
import { isListed } from "./listed-runs.js";
import { holdersOf } from "./stored-range-deletes.js";

export interface ScanCoverOptions {
  readonly bounds: KeyBounds;
  readonly seqMax: number;
}

export class ScanCover {
  readonly #memory: readonly FragmentedTombstones[];
  readonly #stored: readonly SstInfo[];
  /** Runs with lists of their own that name SSTs with range deletes. */
  readonly #listed: readonly SortedRun[];
  readonly #reader: CoverReader;
  readonly #options: ScanCoverOptions;

  constructor(view: DbView, reader: CoverReader, options: ScanCoverOptions) {
    this.#reader = reader;
    this.#options = options;
    const memory = view.tables.flatMap(({ rangeDeletes }) => rangeDeletes?.fragmented() ?? []);
    this.#memory = memory.filter(({ minSeq }) => minSeq <= options.seqMax);
    this.#stored = holdersOf(view.manifest)
      .flat()
      .filter((info) => info.minSeq <= options.seqMax && this.#isWithin(info));
    this.#listed = view.manifest.runs.filter((run) => isListed(run) && this.#isWithin(run));
  }

  /** No range delete that the scan sees covers any key of it. */
  get isEmpty(): boolean {
    return this.#memory.length === 0 && this.#stored.length === 0 && this.#listed.length === 0;
  }

  /**
   * What they say of key after key to rows in memory and those of the sequences: stored ones that are older than all of these say nothing.
   * `isPartial`: rows of others are among them.
   */
  cursor(sequences: readonly Sequence[], isPartial: boolean): CoverCursor {
    let minSeq = isPartial ? 0 : Number.POSITIVE_INFINITY;
    for (const { ssts, entrySeq } of sequences) {
      for (const info of ssts) minSeq = Math.min(minSeq, lowestSeq(info, entrySeq));
    }
    const isNewer = ({ rangeDeletes }: Pick<SstInfo, "rangeDeletes">): boolean =>
      rangeDeletes.some(({ maxSeq }) => maxSeq > minSeq);
    const parts: CoverPart[] = [
      ...this.#memory,
      ...this.#stored.filter(isNewer),
      ...this.#listed.filter(isNewer),
    ];
    return new CoverCursor(parts, this.#reader, this.#options.seqMax);
  }

  /** The sequences without the SSTs that range deletes hide whole, as far as that is known without a request. */
  remaining(sequences: readonly Sequence[]): readonly Sequence[] {
    return sequences
      .map(({ ssts, entrySeq }) => ({
        ssts: ssts.filter((info) => !this.#hidesAll(info, entrySeq)),
        entrySeq,
      }))
      .filter(({ ssts }) => ssts.length > 0);
  }

  #hidesAll(info: SstInfo, entrySeq: number): boolean {
    const seq = highestSeq(info, entrySeq);
    const { firstKey, lastKey } = info;
    const { seqMax } = this.#options;
    return (
      this.#memory.some((part) => part.hidesAll(firstKey, lastKey, seqMax, seq)) ||
      this.#stored.some(
        (other) =>
          other.rangeDeletes.some(
            (span) =>
              span.minSeq > seq &&
              span.maxSeq <= seqMax &&
              compareBytes(span.start, firstKey) <= 0 &&
              (span.endless || compareBytes(lastKey, span.end) < 0),
          ) || this.#reader.rangeDeletesOf(other)?.hidesAll(firstKey, lastKey, seqMax, seq),
      )
    );
  }

  #isWithin({ rangeDeletes }: Pick<SstInfo, "rangeDeletes">): boolean {
    const { bounds } = this.#options;
    return rangeDeletes.some(
      ({ start, end, endless }) =>
        isBelowUpper(bounds, start, 0, start.length) &&
        (endless || isAboveLower(bounds, end, 0, end.length)),
    );
  }
}
