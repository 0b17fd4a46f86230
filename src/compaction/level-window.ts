/** `bestWindow`: which SSTs of a level go down with the fewest bytes written for them. Pure. */
import type { SstInfo } from "../format/manifest.js";
import { hullOf, type KeySlot, meeting, slotOf } from "./key-slot.js";
import { bytesOf } from "./l0-entries.js";

/** So many SSTs are looked at as the first of those that go: a level may have a hundred thousand. */
const firstsMax = 256;
/** So many go at once at most. */
const windowMax = 16;

export interface WindowLimits {
  /** No more need go. */
  readonly excess: number;
  /** Of both levels, but at least one SST goes. */
  readonly bytesMax: number;
}

/**
 * SSTs one after another that have the least beneath them for their bytes; of several that have none, the most. SSTs of a level are looked at in turn, as
 * `round` rises, so that no key stays up for long where another is always a little cheaper.
 */
export function bestWindow(
  ssts: readonly SstInfo[],
  beneath: readonly SstInfo[],
  { excess, bytesMax }: WindowLimits,
  round: number,
): readonly SstInfo[] {
  const count = Math.min(ssts.length, firstsMax);
  const first = ssts.length === count ? 0 : (round * firstsMax) % ssts.length;
  let best = { start: 0, end: 0, bytes: 0 };
  let bestCost = Number.POSITIVE_INFINITY;
  for (let i = 0; i < count; i++) {
    const start = (first + i) % ssts.length;
    let hull: KeySlot | undefined;
    let bytes = 0;
    for (let end = start + 1; end <= Math.min(ssts.length, start + windowMax); end++) {
      const last = ssts[end - 1]!;
      hull = hullOf(hull, slotOf(last));
      bytes += last.size;
      const { from, to } = meeting(beneath, hull);
      const below = bytesOf(beneath.slice(from, to));
      if (end > start + 1 && bytes + below > bytesMax) break;
      const cost = below / Math.max(1, bytes);
      if (cost < bestCost || (cost === bestCost && bytes > best.bytes)) {
        best = { start, end, bytes };
        bestCost = cost;
      }
      if (bytes >= excess) break;
    }
  }
  return ssts.slice(best.start, best.end);
}
