/** `warm`: the method of handles that brings a key range into the block cache, and into the disk cache where there is one. */
import { throwIfAborted } from "../common/abort.js";
import {
  type KeyRange,
  keyRangeNames,
  requireRangeObject,
  toKeyBounds,
} from "../common/key-range.js";
import { checkOptions, requireSignal } from "../common/options.js";
import type { WarmResult } from "../read/warm.js";
import { onNewest } from "./newer-views.js";
import type { ReadView } from "./read-view.js";

export interface WarmOptions {
  /** Ends it; what is in the cache by then stays there. */
  signal?: AbortSignal | undefined;
}

export async function warm(
  readView: () => ReadView,
  range: KeyRange | undefined,
  options: WarmOptions | undefined,
): Promise<WarmResult> {
  if (range !== undefined) requireRangeObject(range);
  checkOptions(range, keyRangeNames, "warm");
  checkOptions(options, ["signal"], "warm");
  requireSignal(options?.signal);
  const bounds = toKeyBounds(range ?? {});
  const first = readView();
  first.requireOpen();
  const signal = options?.signal;
  throwIfAborted(signal);
  // What has been brought is found in the cache.
  const { result } = await onNewest(first, signal, ({ engine, view, tables, seq, requireOpen }) =>
    engine.warmTables(view, tables, { bounds, seqMax: seq, guard: requireOpen, signal }),
  );
  return result;
}
