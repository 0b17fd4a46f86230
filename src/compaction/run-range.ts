/** `runRange`: one range of a job, output after output, from where it was left to its end. */
import { emptyBytes } from "../common/bytes.js";
import type { JobRange } from "../format/compactions.js";
import type { JobContext } from "./job-context.js";
import type { MergedRows } from "./merge-range.js";
import { storeOutput } from "./output-writer.js";

/** Calls `onStored` with what the range has become after each output, and last of all when it is done. */
export async function runRange(
  context: JobContext,
  range: JobRange,
  onStored: (range: JobRange) => void,
): Promise<void> {
  const end = range.endless ? undefined : range.end;
  let at = range;
  let rows: MergedRows | undefined;
  while (!at.done) {
    context.signal.throwIfAborted();
    const place = { start: at.resumeAt, end };
    const output = await storeOutput(context, context.ids.next(), place, rows);
    const { info, next } = output;
    rows = output.rows;
    at = {
      ...at,
      resumeAt: next ?? end ?? emptyBytes,
      done: next === undefined,
      outputs: info === undefined ? at.outputs : [...at.outputs, info],
    };
    onStored(at);
  }
}
