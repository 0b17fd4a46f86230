/** `union`: one database of several that have no key in common, which shares their objects. It is a clone of more than one. */
import { describeType } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import type { KeyRange } from "../common/key-range.js";
import { checkOptions } from "../common/options.js";
import { requireCheckpointName } from "../db/checkpoint-options.js";
import type { Location } from "../db/location.js";
import { readerSettingNames } from "../db/settings.js";
import type { WalOption } from "../db/wal-place.js";
import type { AdminOptions } from "./admin-options.js";
import { spanOf } from "./clone.js";
import { type CloneResult, type CloneSource, cloneFrom } from "./clone-attempt.js";
import type { AdminContext } from "./context.js";
import { openContext } from "./open-context.js";

/** What a union takes from one database. */
export interface UnionSource {
  location: Location;
  /** Id or name. Default: all that is durable when the call is made. */
  checkpoint?: string | undefined;
  /** Only these keys. Default: all. */
  range?: KeyRange | undefined;
  /** Where its log is, when that is a store of its own: as of `Db.open`. */
  wal?: WalOption | undefined;
}

/**
 * For all sources; before the union is there, `signal` leaves nothing of it, but where objects of one database lie at several places: copies of these,
 * and the checkpoints that tell of them, stay for the next call.
 */
export type UnionOptions = Omit<AdminOptions, "wal">;

const sourcesMax = 1000;

export async function union(
  target: Location,
  sources: readonly UnionSource[],
  options: UnionOptions = {},
): Promise<CloneResult> {
  if (!Array.isArray(sources) || sources.length === 0 || sources.length > sourcesMax) {
    throw new InvalidArgumentError(
      `A union takes an array of 1 to ${sourcesMax} sources, such as [{ location }, { location, range }], not ${Array.isArray(sources) ? `one of ${sources.length}` : describeType(sources)}.`,
    );
  }
  checkOptions(options, ["clock", "random", "signal", ...readerSettingNames], "union");
  const spans = sources.map((source) => {
    checkOptions(source, ["location", "checkpoint", "range", "wal"], "a source of a union");
    if (source === undefined) throw new InvalidArgumentError("A source of a union is undefined.");
    if (source.checkpoint !== undefined) requireCheckpointName(source.checkpoint, "checkpoint");
    return spanOf(source.range);
  });
  const contexts: AdminContext[] = [];
  try {
    const parts: CloneSource[] = [];
    for (const [i, { location, checkpoint, wal }] of sources.entries()) {
      const context = await openContext(location, { ...options, wal });
      contexts.push(context);
      parts.push({ context, checkpoint, span: spans[i] });
    }
    return await cloneFrom(parts, target, options.signal);
  } finally {
    for (const { place, walPlace } of contexts) {
      place.close();
      walPlace?.open?.close();
    }
  }
}
