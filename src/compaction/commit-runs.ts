/** `CommitRuns`: commits what jobs have made, all that are done in one manifest where that is possible. */
import type { Ulid, UlidFactory } from "../common/ids.js";
import type { CompactionJob, JobRange } from "../format/compactions.js";
import type { Manifest } from "../format/manifest.js";
import { applyCompaction, StaleInputsError } from "../manifest/compaction-transitions.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { RoundContext } from "./coordinator-options.js";
import { hasInputs, retainSeqOf } from "./plan-job.js";
import { type BuiltChange, buildRunChange, runsNeeded } from "./run-change.js";
import type { CompactionPick } from "./strategy.js";

export interface DoneJob {
  readonly job: CompactionJob;
  readonly ranges: readonly JobRange[];
}

export interface CommittedRuns {
  readonly committed: ReadonlySet<Ulid>;
  /** Never to be committed. */
  readonly given: ReadonlySet<Ulid>;
  /** Some have to be tried again on the manifest that there is now. */
  readonly isIncomplete: boolean;
}

interface Ready {
  readonly id: Ulid;
  readonly manifestNumber: number;
  readonly built: BuiltChange;
}

export class CommitRuns {
  readonly #options: RoundContext;
  readonly #ids: UlidFactory;
  readonly #epoch: number;
  /** Changes whose commit has no outcome yet: built again, they would name what stays of runs differently. */
  #ready = new Map<Ulid, Ready>();

  constructor(options: RoundContext, ids: UlidFactory, epoch: number) {
    this.#options = options;
    this.#ids = ids;
    this.#epoch = epoch;
  }

  async commit(
    done: readonly DoneJob[],
    floor: Ulid,
    signal: AbortSignal | undefined,
  ): Promise<CommittedRuns> {
    const { storedManifest, lists } = this.#options;
    const committed = new Set<Ulid>();
    const given = new Set<Ulid>();
    if (done.length === 0) return { committed, given, isIncomplete: false };
    const { current } = storedManifest;
    const needed = new Set(
      done.flatMap(({ job }) =>
        job.id <= current.compactorFloor ? [] : runsNeeded(current, job.inputs, job.level),
      ),
    );
    // What needs a list that cannot be read has no place.
    const { manifest } = await lists.of(current, [...needed], signal);
    const ready: Ready[] = [];
    for (const { job, ranges } of done) {
      const change =
        job.id <= manifest.compactorFloor ? undefined : this.#build(manifest, job, ranges);
      if (change !== undefined) ready.push(change);
      else if (this.#wasCommitted(manifest, job.id))
        this.#count(this.#ready.get(job.id)!, committed);
      else given.add(job.id);
    }
    this.#ready = new Map(ready.map((change) => [change.id, change]));
    for (const { built } of ready) await this.#storeLists(built, signal);
    const stale = await this.#apply(
      ready.map(({ built }) => built),
      floor,
      signal,
    );
    ready.forEach((change, i) => {
      if (!stale.has(i)) this.#count(change, committed);
    });
    this.#ready.clear();
    // Alone, and on the manifest that it was built for: it will never apply.
    if (stale.size === 1 && ready.length === 1) given.add(ready[0]!.id);
    return { committed, given, isIncomplete: committed.size + given.size < done.length };
  }

  /** The inputs go, rows and all. */
  async drop(
    manifest: Manifest,
    { inputs, level }: CompactionPick,
    floor: Ulid,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const built = buildRunChange({
      ...{ manifest, inputs, outputs: [], id: this.#ids.last, level, ids: this.#ids },
      ...{ retainSeq: retainSeqOf(manifest), rewrites: true },
    });
    if (built === undefined) return;
    await this.#storeLists(built, signal);
    await this.#apply([built], floor, signal);
  }

  /** A commit whose outcome was not known, and that was found since. */
  #wasCommitted({ runs }: Manifest, id: Ulid): boolean {
    const runsTo = this.#ready.get(id)?.built.change.runsTo ?? [];
    return runsTo.length > 0 && runsTo.every((made) => runs.some((run) => run.id === made.id));
  }

  #count({ id, built }: Ready, committed: Set<Ulid>): void {
    const { totals } = this.#options;
    committed.add(id);
    totals.committedJobs++;
    totals.inputBytes += built.inputBytes;
    totals.outputBytes += built.outputBytes;
    totals.movedSsts += built.movedSsts;
  }

  #build(manifest: Manifest, job: CompactionJob, ranges: readonly JobRange[]): Ready | undefined {
    const { id, inputs, level, retainSeq, rewrites } = job;
    const known = this.#ready.get(id);
    if (known?.manifestNumber === manifest.number) return known;
    if (!hasInputs(manifest, inputs)) return undefined;
    const outputs = ranges.flatMap((range) => range.outputs);
    const busyRuns = new Set(
      this.#options.compactions.current.jobs
        .filter((other) => other.id !== id)
        .flatMap((other) => other.inputs.runs.map((run) => run.id)),
    );
    const built = buildRunChange({
      ...{ manifest, inputs, outputs, id, level, retainSeq, rewrites, busyRuns, ids: this.#ids },
    });
    return built && { id, manifestNumber: manifest.number, built };
  }

  async #storeLists({ lists }: BuiltChange, signal: AbortSignal | undefined): Promise<void> {
    const { store } = this.#options;
    for (const { id, bytes } of lists) await store.put(ObjectPaths.run(id), bytes, { signal });
  }

  /** The indexes of those that did not apply. */
  async #apply(
    changes: readonly BuiltChange[],
    floor: Ulid,
    signal: AbortSignal | undefined,
  ): Promise<ReadonlySet<number>> {
    const stale = new Set<number>();
    if (changes.length === 0) return stale;
    const manifest = await this.#options.storedManifest.commit(
      (newest) => {
        stale.clear();
        return changes.reduce((changed, { change }, i) => {
          try {
            return applyCompaction({ ...change, floor })(changed);
          } catch (error) {
            if (!(error instanceof StaleInputsError)) throw error;
            stale.add(i);
            return changed;
          }
        }, newest);
      },
      { compactorEpoch: this.#epoch, signal },
    );
    this.#options.onCommitted?.(manifest);
    return stale;
  }
}
