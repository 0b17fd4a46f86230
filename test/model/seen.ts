/** How often range deletes did what in all runs of the model test: agreement says little of code that did not run. */
import { ScanCover } from "../../src/read/scan-cover.js";
import { RangeDeleteStore } from "../../src/sst/range-delete-store.js";
import type { Model } from "./model.js";

export const seenRangeDeletes = {
  /** They were read from an SST. */
  sectionsRead: 0,
  /** A scan left out an SST. */
  sstsOutOfScans: 0,
  /** A get left out an SST. */
  sstsOutOfGets: 0,
  /** A scan sought to the end of what is hidden. */
  seeksOverHidden: 0,
  sstsWithoutRows: 0,
  /** A read did not give a row of an SST that is older than the range delete. */
  hiddenInSsts: 0,
  hiddenInLoads: 0,
  hiddenMerges: 0,
};

/** A read at `seqMax` is about to look at these keys. */
export function tellHidden(
  model: Model,
  seqMax: number,
  isRead: (key: Uint8Array) => boolean,
): void {
  for (const { key, seq, hiddenBy, isLoaded, isMerged } of model.hiddenAt(seqMax)) {
    if (!isRead(key)) continue;
    const isStored = model.flushedSeqs.some((end) => seq <= end && end < hiddenBy);
    if (isStored) seenRangeDeletes.hiddenInSsts++;
    if (isLoaded) seenRangeDeletes.hiddenInLoads++;
    if (isMerged) seenRangeDeletes.hiddenMerges++;
  }
}

/** Replaces a method by one that tells of its results. */
export function watch<
  Name extends string,
  Of extends { [name in Name]: (...args: never[]) => unknown },
>(
  prototype: Of,
  name: Name,
  tell: (result: ReturnType<Of[Name]>, args: Parameters<Of[Name]>, target: Of) => void,
): void {
  const actual = prototype[name];
  const told = function (this: Of, ...args: never[]): unknown {
    const result = actual.apply(this, args);
    tell(result as ReturnType<Of[Name]>, args as Parameters<Of[Name]>, this);
    return result;
  };
  Object.assign(prototype, { [name]: told });
}

watch(RangeDeleteStore.prototype, "load", (loading, [info], store) => {
  if (store.getIfKnown(info) !== undefined) return;
  loading.then(
    () => seenRangeDeletes.sectionsRead++,
    () => undefined,
  );
});
watch(ScanCover.prototype, "remaining", (remaining, [sequences]) => {
  const countOf = (all: typeof remaining): number =>
    all.reduce((sum, { ssts }) => sum + ssts.length, 0);
  seenRangeDeletes.sstsOutOfScans += countOf(sequences) - countOf(remaining);
});
