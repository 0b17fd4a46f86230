/**
 * The end of checkpoints, as pure functions: by hand, by their ttl, or by a policy. One that a checkpoint which stays was added to lingers until
 * the last such one has gone.
 */
import type { Ulid } from "../common/ids.js";
import type { Checkpoint, Manifest } from "../format/manifest.js";
import type { Transition } from "./transitions.js";

/**
 * Ends these checkpoints, where they are there: each goes unless it is the base of one that stays, and then it lingers, marked as expired. What
 * lingered for those that go goes with them. No change when none of them is there, or all of them linger already.
 */
export function endCheckpoints(ids: Iterable<Ulid>): Transition {
  const ended = new Set(ids);
  return (manifest) => {
    const isEnding = ({ id, isExpired }: Checkpoint): boolean => !isExpired && ended.has(id);
    if (!manifest.checkpoints.some(isEnding)) return manifest;
    const marked = manifest.checkpoints.map((checkpoint) =>
      isEnding(checkpoint) ? { ...checkpoint, isExpired: true, retained: false } : checkpoint,
    );
    return { ...manifest, checkpoints: withoutUnneeded(marked) };
  };
}

/** Without those that have expired and are no base of one that stays. */
function withoutUnneeded(checkpoints: readonly Checkpoint[]): readonly Checkpoint[] {
  const byId = new Map(checkpoints.map((checkpoint) => [checkpoint.id, checkpoint]));
  const needed = new Set<Checkpoint>();
  for (const checkpoint of checkpoints) {
    if (checkpoint.isExpired) continue;
    // All that it was added to, up to one whose own bases are known to be needed.
    let next: Checkpoint | undefined = checkpoint;
    while (next !== undefined && !needed.has(next)) {
      needed.add(next);
      next = byId.get(next.base);
    }
  }
  return checkpoints.filter((checkpoint) => needed.has(checkpoint));
}

/** The checkpoints that are listed: those that have not ended. */
export function liveCheckpoints({ checkpoints }: Manifest): readonly Checkpoint[] {
  return checkpoints.filter(({ isExpired }) => !isExpired);
}
