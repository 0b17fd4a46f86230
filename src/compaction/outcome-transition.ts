/** What a worker commits when a job has ended. */
import { messageOf } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import type { JobOutcome } from "./job-run.js";
import { failJob, finishJob, releaseJob, type StateTransition } from "./job-transitions.js";

/** Undefined when it is nobody's business any more. */
export function outcomeTransition(
  id: Ulid,
  claim: Ulid,
  outcome: JobOutcome,
): StateTransition | undefined {
  if (outcome.kind === "done") return finishJob(id, claim, outcome.ranges);
  if (outcome.kind === "failed") return failJob(id, claim, messageOf(outcome.error));
  if (outcome.kind === "released") return releaseJob(id, claim, outcome.ranges);
  return undefined;
}
