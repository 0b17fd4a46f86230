/** `takePart`: what a clone takes of one pinned state: all that it names and its log holds, or what of it lies inside a span of keys. */
import { ClosedError, InvalidArgumentError } from "../common/errors.js";
import type { SstInfo } from "../format/manifest.js";
import type { ClonePart } from "../manifest/clone-manifest.js";
import { entryOwnedBy, ownedBy } from "../manifest/clone-owners.js";
import { BlockCache } from "../sst/block-cache.js";
import { TableStore } from "../sst/table-store.js";
import { haveKeysInCommon, hullOf, intersectSpans, type KeySpan, showSpan } from "./clip-span.js";
import type { ClipTarget } from "./clip-sst.js";
import { clipData, clipEntry } from "./clip-state.js";
import type { PinnedSource } from "./clone-pins.js";
import { walToL0 } from "./clone-wal.js";
import { walStoreOf } from "./wal-store-of.js";

/** For indexes and filters of the SSTs at the bounds; their rows pass by it. */
const cacheBytes = 16 * 1024 * 1024;

export async function takePart(
  { context, checkpoint, state, externals }: PinnedSource,
  span: KeySpan | undefined,
  target: ClipTarget,
): Promise<ClonePart> {
  const { store, options } = context;
  const walStore = walStoreOf(context, state);
  const { databaseId, lastL0Seq } = state;
  const { memTableBytes } = options.settings;
  const tables = new TableStore({
    ...{ store, databaseId, cache: new BlockCache(cacheBytes), background: true },
  });
  try {
    const clipping = span && { target, tables, databaseId, span };
    const { l0, runs } = clipping ? await clipData(state, clipping) : ownedBy(databaseId, state);
    const logged = await walToL0({
      ...{ target, walStore, databaseId, checkpoint, lastL0Seq, span, memTableBytes },
      takeLoad: async (entry) =>
        clipping ? clipEntry(entry, clipping) : entryOwnedBy(databaseId, entry),
    });
    // Before checkpoints had seqs, all of them were of what L0 holds.
    const seq = Math.max(checkpoint.seq, lastL0Seq);
    return { l0: [...l0, ...logged], runs, state, seq, externals };
  } finally {
    tables.close(new ClosedError("The clone has been made, or has failed."));
  }
}

/** Throws `InvalidArgumentError` where two of the parts may have a key in common, range deletes included. */
export function requireApart(
  parts: readonly { part: ClonePart; span: KeySpan | undefined; name: string }[],
): void {
  const hulls = parts.flatMap(({ part, span, name }) => {
    const hull = hullOf(stored(part));
    // Of what was clipped nothing is outside, though of long range deletes it is only known about where they are.
    return hull === undefined ? [] : [{ name, span: span ? intersectSpans(hull, span) : hull }];
  });
  for (const [i, a] of hulls.entries()) {
    for (const b of hulls.slice(i + 1)) {
      if (!haveKeysInCommon(a.span, b.span)) continue;
      throw new InvalidArgumentError(
        `${a.name} and ${b.name} both have keys ${showSpan(intersectSpans(a.span, b.span))}, or range deletes that reach there. Give each source a "range", so that no key is in two of them.`,
      );
    }
  }
}

/** What is left of a run that is too long for the manifest says of itself what its SSTs would. */
function* stored({
  l0,
  runs,
}: ClonePart): Generator<Pick<SstInfo, "firstKey" | "lastKey" | "rangeDeletes">> {
  for (const { ssts } of l0) yield* ssts;
  for (const run of runs) {
    if (run.listBytes > 0) yield run;
    else yield* run.ssts;
  }
}
