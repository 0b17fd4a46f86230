/** A compaction on request, whoever else compacts the database. */
import { FencedError, UnsupportedError } from "../common/errors.js";
import type { KeyBounds } from "../common/key-range.js";
import type { CompactorRole } from "../compaction/compactor.js";

const attemptsMax = 5;

/** A compactor of another process may take over meanwhile; it is asked to leave that again, but not for ever. */
export async function compactWith(
  role: CompactorRole,
  bounds: KeyBounds | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await role.compact(bounds, signal);
    } catch (error) {
      if (!(error instanceof FencedError)) throw error;
      if (attempt < attemptsMax) continue;
      throw new UnsupportedError(
        "Other compactors have taken this compaction over, again and again. Stop all of them but one, or ask that one.",
        { cause: error },
      );
    }
  }
}
