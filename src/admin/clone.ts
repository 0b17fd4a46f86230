/** `clone`: a database at another path that begins as a state of this one, or with a part of its keys, and shares its objects. */
import { type KeyRange, requireRangeObject } from "../common/key-range.js";
import { checkOptions, requireSignal } from "../common/options.js";
import { requireCheckpointName } from "../db/checkpoint-options.js";
import type { Location } from "../db/location.js";
import { type KeySpan, toKeySpan } from "./clip-span.js";
import { type CloneResult, cloneFrom } from "./clone-attempt.js";
import type { AdminContext } from "./context.js";

export interface CloneOptions {
  /** Id or name. Default: all that is durable when the call is made. */
  checkpoint?: string | undefined;
  /** Only these keys. Default: all. */
  range?: KeyRange | undefined;
  /** Before the clone is there, it leaves nothing of it; after that the clone stays. */
  signal?: AbortSignal | undefined;
}

export async function clone(
  context: AdminContext,
  target: Location,
  options: CloneOptions = {},
): Promise<CloneResult> {
  checkOptions(options, ["checkpoint", "range", "signal"], "clone");
  const { checkpoint, range, signal } = options;
  if (checkpoint !== undefined) requireCheckpointName(checkpoint, "checkpoint");
  requireSignal(signal);
  return cloneFrom([{ context, checkpoint, span: spanOf(range) }], target, signal);
}

export function spanOf(range: KeyRange | undefined): KeySpan | undefined {
  if (range === undefined) return undefined;
  requireRangeObject(range);
  return toKeySpan(range);
}
