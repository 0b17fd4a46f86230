/** What every method of a closed handle throws. */
import { ClosedError, FencedError, type MoraineError } from "../common/errors.js";

/** `reason` is what closed the handle, if it was an error: a fenced writer stays fenced for ever. */
export function closedError(reason: MoraineError | undefined): MoraineError {
  if (reason instanceof FencedError) {
    return new FencedError(reason.message, {
      ownEpoch: reason.ownEpoch,
      seenEpoch: reason.seenEpoch,
      cause: reason,
    });
  }
  if (reason === undefined) return new ClosedError("This handle is closed. Open a new one.");
  return new ClosedError(`This handle was closed by an error: ${reason.message}`, {
    cause: reason,
  });
}
