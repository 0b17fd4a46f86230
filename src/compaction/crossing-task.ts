/**
 * A job on its way into a thread, and what comes back of it. A job of a large database has tens of thousands of SSTs, whose structured clone holds up the
 * event loop: they cross some at a time, apart from the rest. Back comes only what is new.
 */
import { type Bytes, copyBytes, equalBytes } from "../common/bytes.js";
import type { JobRange } from "../format/compactions.js";
import type { SstInfo } from "../format/manifest.js";
import type { JobTask } from "./job.js";

/** How many SSTs one message holds: about a ms of work for who sends it. */
export const sstsPerMessage = 200;

/** A task without SSTs, and how many belong to each source and then to each range. */
export interface TaskHead {
  readonly task: JobTask;
  readonly sstCounts: readonly number[];
}

/** The head, and the SSTs in the order of their counts. */
export function splitTask(task: JobTask): { head: TaskHead; ssts: readonly SstInfo[] } {
  const lists = [
    ...task.sources.map(({ ssts }) => ssts),
    ...task.job.ranges.map(({ outputs }) => outputs),
  ];
  const sources = task.sources.map((source) => ({ ...source, ssts: [] }));
  const ranges = task.job.ranges.map((range) => ({ ...withOwnBytes(range), outputs: [] }));
  return {
    head: {
      task: { ...task, sources, job: { ...task.job, ranges } },
      sstCounts: lists.map(({ length }) => length),
    },
    ssts: lists.flat(),
  };
}

export function joinTask({ task, sstCounts }: TaskHead, ssts: readonly SstInfo[]): JobTask {
  let from = 0;
  const lists = sstCounts.map((count) => {
    from += count;
    return ssts.slice(from - count, from);
  });
  const { length } = task.sources;
  const sources = task.sources.map((source, i) => ({ ...source, ssts: lists[i]! }));
  const ranges = task.job.ranges.map((range, i) => ({ ...range, outputs: lists[length + i]! }));
  return { ...task, sources, job: { ...task.job, ranges } };
}

/** Keys may be views of something larger, all of which would cross with them. */
export function withOwnKeys(info: SstInfo): SstInfo {
  return {
    ...info,
    firstKey: copyBytes(info.firstKey),
    lastKey: copyBytes(info.lastKey),
    rangeDeletes: info.rangeDeletes.map((span) => ({
      ...span,
      start: copyBytes(span.start),
      end: copyBytes(span.end),
    })),
  };
}

function withOwnBytes<Range extends JobRange>(range: Range): Range {
  const { start, end, resumeAt } = range;
  const own = { start: copyBytes(start), end: copyBytes(end), resumeAt: copyBytes(resumeAt) };
  return { ...range, ...own };
}

/** What is new of the ranges of a job. */
export interface ProgressChange {
  /** All of them, where they were cut anew. */
  readonly ranges: readonly JobRange[] | undefined;
  /** Those that have come farther, without the outputs that were told before. */
  readonly farther: readonly (Pick<JobRange, "resumeAt" | "done" | "outputs"> & {
    readonly index: number;
  })[];
}

/** Tells the other thread how far a job has come, each output once. */
export class ProgressSender {
  #told: readonly Told[];

  constructor(ranges: readonly JobRange[]) {
    this.#told = ranges.map(toldOf);
  }

  /** Undefined where nothing is new. */
  changeTo(ranges: readonly JobRange[]): ProgressChange | undefined {
    const told = this.#told;
    this.#told = ranges.map(toldOf);
    if (ranges.length !== told.length) {
      const all = ranges.map((range) => ({
        ...withOwnBytes(range),
        outputs: range.outputs.map(withOwnKeys),
      }));
      return { ranges: all, farther: [] };
    }
    const farther = ranges.flatMap(({ resumeAt, done, outputs }, index) => {
      const before = told[index]!;
      const isNew =
        outputs.length > before.outputCount ||
        done !== before.done ||
        !equalBytes(resumeAt, before.resumeAt);
      if (!isNew) return [];
      const added = outputs.slice(before.outputCount).map(withOwnKeys);
      return [{ index, resumeAt: copyBytes(resumeAt), done, outputs: added }];
    });
    return farther.length === 0 ? undefined : { ranges: undefined, farther };
  }
}

interface Told {
  readonly outputCount: number;
  readonly resumeAt: Bytes;
  readonly done: boolean;
}

function toldOf({ outputs, resumeAt, done }: JobRange): Told {
  return { outputCount: outputs.length, resumeAt, done };
}

export function applyChange(
  ranges: readonly JobRange[],
  change: ProgressChange | undefined,
): readonly JobRange[] {
  if (change === undefined) return ranges;
  const changed = [...(change.ranges ?? ranges)];
  for (const { index, resumeAt, done, outputs } of change.farther) {
    const range = changed[index]!;
    changed[index] = { ...range, resumeAt, done, outputs: [...range.outputs, ...outputs] };
  }
  return changed;
}
