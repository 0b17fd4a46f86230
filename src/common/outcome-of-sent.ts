/** What is told of a write that was sent, and that nobody waits for any more. */
import { FencedError, type MoraineError, StoreError, UnknownOutcomeError } from "./errors.js";

/** It is not known whether it was stored, whatever ended the waiting: `what` begins the sentence. */
export function outcomeOfSent(error: MoraineError, what = "this write was stored"): MoraineError {
  if (error instanceof FencedError || error instanceof UnknownOutcomeError) return error;
  if (error instanceof StoreError && error.kind === "unknown") return error;
  return new UnknownOutcomeError(
    `It is not known whether ${what}: ${error.message} Reopen the database to find out.`,
    { cause: error },
  );
}
