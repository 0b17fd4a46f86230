/** `adoptNewest`: takes over what other roles have committed since into the view of a writer. */
import type { Clock } from "../common/clock.js";
import type { Claim } from "./claim.js";
import type { DbState } from "./db-state.js";

/** How often it is looked whether the writer has taken a commit of its own over. */
const waitMs = 10;

export interface AdoptOptions {
  readonly claim: Claim;
  readonly state: DbState;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Resolves when the view has the newest manifest that the store has now, or a later one. `FencedError` when that is a newer writer's. */
export async function adoptNewest({ claim, state, clock, signal }: AdoptOptions): Promise<void> {
  const { stored, epoch } = claim;
  const { number } = await stored.refresh({ epoch, signal });
  for (;;) {
    state.adopt(stored.current);
    if (state.view.manifest.number >= number) return;
    // It has brought rows of this writer to L0, and comes with what takes them out of memory.
    await clock.sleep(waitMs, signal);
  }
}
