/** `runRange`: one range of a job, output after output, from where it was left to its end. */
import { compareBytes, copyBytes, emptyBytes } from "../common/bytes.js";
import type { Ulid } from "../common/ids.js";
import type { JobRange } from "../format/compactions.js";
import type { JobContext } from "./job-context.js";
import type { MergedRows } from "./merge-range.js";
import { storeOutput } from "./output-writer.js";
import { RangeSegments } from "./range-segments.js";

/** Calls `onStored` with what the range has become after each output, and last of all when it is done. */
export async function runRange(
  context: JobContext,
  range: JobRange,
  onStored: (range: JobRange) => void,
): Promise<void> {
  const end = range.endless ? undefined : range.end;
  const segments = new RangeSegments(context, range);
  let at = range;
  let rows: MergedRows | undefined;
  while (!at.done) {
    context.signal.throwIfAborted();
    let id: Ulid | undefined;
    const output = await storeOutput(
      {
        ...{ context, segments, start: at.resumeAt, end },
        id: () => {
          id ??= context.ids.next();
          return id;
        },
      },
      rows,
    );
    const { info, next } = output;
    rows = output.rows;
    const isDone = next === undefined || (end !== undefined && compareBytes(next, end) >= 0);
    at = {
      ...at,
      resumeAt: isDone ? (end ?? emptyBytes) : copyBytes(next),
      done: isDone,
      outputs: info === undefined ? at.outputs : [...at.outputs, info],
    };
    onStored(at);
  }
}
