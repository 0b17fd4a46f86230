/** `Fate`: what the scheduler of a simulated world may decide about a request. */
import { StoreError, type StoreErrorReason } from "../../src/common/errors.js";

/**
 * What may become of a request:
 * - complete: applied and replied to. hold: applied now, replied to later.
 * - refuse, throttle, conflict: not applied, and the caller is told.
 * - lose-reply: applied, outcome unknown. late: outcome unknown, and applied in a later step or never.
 * - kill-before, kill-after, kill-late: its process dies; it is not applied, applied, or applied later.
 */
export type Fate =
  | "complete"
  | "hold"
  | "refuse"
  | "throttle"
  | "conflict"
  | "lose-reply"
  | "late"
  | "kill-before"
  | "kill-after"
  | "kill-late";

/** What a caller is told; "unavailable" where nothing is said. */
const reasons: { readonly [fate in Fate]?: StoreErrorReason } = {
  throttle: "throttled",
  conflict: "conflict",
  "lose-reply": "unknown-outcome",
  late: "unknown-outcome",
};

/** The error of a request that is not replied to. */
export function errorOf(fate: Fate, key: string): StoreError {
  return new StoreError(reasons[fate] ?? "unavailable", `A planned fault: ${fate}.`, {
    object: key,
  });
}
