/** A task and its progress are the same on both sides of a thread's port, and no more crosses than has to. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  applyChange,
  joinTask,
  ProgressSender,
  splitTask,
  withOwnKeys,
} from "../../../src/compaction/crossing-task.js";
import type { JobRunner, JobTask } from "../../../src/compaction/job.js";
import type { FromJobs } from "../../../src/compaction/job-messages.js";
import { JobThread } from "../../../src/compaction/job-thread.js";
import type { JobRange } from "../../../src/format/compactions.js";
import type { SstInfo } from "../../../src/format/manifest.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { storeTask } from "../../support/thread-task.js";

const { sources, ...rest } = await storeTask(new MemoryObjectStore(), {
  ...{ entries: 1, rows: 10, valueBytes: 10 },
});
const info = sources[0]!.ssts[0]!;

function infos(count: number, from = 0): SstInfo[] {
  return Array.from({ length: count }, (_, i) => ({ ...info, id: `sst ${from + i}` }));
}

function range(over: Partial<JobRange>): JobRange {
  const key = new Uint8Array([1]);
  return { start: key, end: key, endless: false, resumeAt: key, done: false, outputs: [], ...over };
}

function taskOf(counts: readonly number[], outputCounts: readonly number[]): JobTask {
  let made = 0;
  const next = (count: number): SstInfo[] => {
    made += count;
    return infos(count, made - count);
  };
  return {
    ...rest,
    sources: counts.map((count, i) => ({ ssts: next(count), seq: i })),
    job: { ...rest.job, ranges: outputCounts.map((count) => range({ outputs: next(count) })) },
  };
}

const counts = fc.array(fc.nat({ max: 5 }), { maxLength: 5 });

describe("a task", () => {
  test("is what it was when its head and SSTs have crossed", () => {
    fc.assert(
      fc.property(counts, counts, (sources, outputs) => {
        const task = taskOf(sources, outputs);
        const { head, ssts } = splitTask(task);
        expect(ssts.length).toBe([...sources, ...outputs].reduce((a, b) => a + b, 0));
        expect(joinTask(structuredClone(head), structuredClone(ssts))).toEqual(task);
      }),
    );
  });

  test("takes no more along than its keys", () => {
    const large = new Uint8Array(1000);
    const span = { start: large.subarray(1, 3), end: large.subarray(3, 5) };
    const rangeDeletes = [{ ...span, endless: false, count: 1, minSeq: 1, maxSeq: 1 }];
    const views = { firstKey: large.subarray(5, 9), lastKey: large.subarray(9, 12), rangeDeletes };
    const own = withOwnKeys({ ...info, ...views });
    expect(own).toEqual({ ...info, ...views });
    for (const key of [
      own.firstKey,
      own.lastKey,
      own.rangeDeletes[0]!.start,
      own.rangeDeletes[0]!.end,
    ]) {
      expect(key.buffer.byteLength).toBe(key.length);
    }
  });
});

describe("progress", () => {
  const steps = fc.array(
    fc.record({ index: fc.nat({ max: 2 }), outputs: fc.nat({ max: 2 }), done: fc.boolean() }),
  );

  test("is the same where it arrives, and each output crosses once", () => {
    fc.assert(
      fc.property(fc.nat({ max: 3 }), steps, (before, taken) => {
        // Some were there before, as of a job that is resumed; ranges are planned once.
        let ranges = Array.from({ length: before }, (_, i) => range({ outputs: infos(i) }));
        let arrived: readonly JobRange[] = structuredClone(ranges);
        const sender = new ProgressSender(ranges);
        let crossed = 0;
        const tell = (): void => {
          const change = structuredClone(sender.changeTo(ranges));
          for (const { outputs } of [...(change?.ranges ?? []), ...(change?.farther ?? [])]) {
            crossed += outputs.length;
          }
          arrived = applyChange(arrived, change);
          expect(arrived).toEqual(ranges);
        };
        if (before === 0) ranges = [range({}), range({}), range({})];
        tell();
        let made = 0;
        for (const [i, { index, outputs, done }] of taken.entries()) {
          const one = ranges[index % ranges.length];
          if (one === undefined) break;
          made += outputs;
          const next = {
            ...{ ...one, done, resumeAt: new Uint8Array([i, outputs]) },
            outputs: [...one.outputs, ...infos(outputs, i * 10)],
          };
          ranges = ranges.with(index % ranges.length, next);
          tell();
          expect(sender.changeTo(ranges)).toBeUndefined();
        }
        expect(crossed).toBe(made);
      }),
    );
  });
});

describe("inside a thread,", () => {
  function thread(run: JobRunner["run"]): { posted: FromJobs[]; jobs: JobThread } {
    const posted: FromJobs[] = [];
    const port = { postMessage: (message: FromJobs): void => void posted.push(message) };
    return { posted, jobs: new JobThread(port, { run, close: async () => undefined }) };
  }
  const { head, ssts } = splitTask(taskOf([3], []));
  const job = { type: "job", id: 1, head, operatorNames: [] } as const;

  test("a job begins when all of its SSTs are there", async () => {
    const begun: JobTask[] = [];
    const { posted, jobs } = thread(async (task) => {
      begun.push(task);
      return [range({ done: true })];
    });
    jobs.take(job);
    jobs.take({ type: "ssts", id: 1, ssts: ssts.slice(0, 2) });
    expect(begun).toEqual([]);
    jobs.take({ type: "ssts", id: 1, ssts: ssts.slice(2) });
    expect(begun).toEqual([taskOf([3], [])]);
    await Promise.resolve();
    await Promise.resolve();
    expect(posted).toMatchObject([{ type: "done", id: 1, change: { ranges: [{ done: true }] } }]);
  });

  test("a job that is aborted before that never begins, and is answered", () => {
    const { posted, jobs } = thread(() => Promise.reject(new Error("it has begun")));
    jobs.take(job);
    jobs.take({ type: "ssts", id: 1, ssts: ssts.slice(0, 2) });
    jobs.take({ type: "abort", id: 1 });
    jobs.take({ type: "ssts", id: 1, ssts: ssts.slice(2) });
    expect(posted).toMatchObject([
      { type: "failed", id: 1, error: { message: "The job was aborted." } },
    ]);
  });
});
