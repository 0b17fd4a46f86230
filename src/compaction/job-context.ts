/** `JobContext`: what all parts of one run of a job share. */
import type { Clock } from "../common/clock.js";
import type { UlidFactory } from "../common/ids.js";
import type { PrefixExtractor } from "../format/prefix-extractor.js";
import type { MergeOperators } from "../merge/merge-operators.js";
import type { ObjectStore } from "../object-store/object-store.js";
import type { TableStore } from "../sst/table-store.js";
import type { CompactionFilter } from "./compaction-filter.js";
import type { JobTask } from "./job.js";
import type { LoneStretch } from "./lone-stretches.js";
import type { RetainedRangeDeletes } from "./retained-range-deletes.js";

/** Bounds how many bytes compactions write in a time. */
export interface Throttle {
  /** Resolves when so many more may be written. Rejects with `signal.reason`. */
  take(bytes: number, signal: AbortSignal): Promise<void>;
}

export interface JobContext {
  readonly task: JobTask;
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly ids: UlidFactory;
  readonly tables: TableStore;
  readonly rangeDeletes: RetainedRangeDeletes;
  /** Where there is nothing to merge; empty where every row has to be looked at. */
  readonly stretches: readonly LoneStretch[];
  readonly operators: MergeOperators | undefined;
  readonly filter: CompactionFilter | undefined;
  readonly prefixExtractor: PrefixExtractor | undefined;
  readonly throttle: Throttle | undefined;
  readonly signal: AbortSignal;
}
