/** Which checkpoints a policy keeps, as pure functions: the newest ones, and of older ones some of each span of time. */
import type { Ulid } from "../common/ids.js";
import { type Checkpoint, CheckpointPurpose, type Manifest } from "../format/manifest.js";
import { endCheckpoints, liveCheckpoints } from "./checkpoint-expiry.js";
import type { Transition } from "./transitions.js";

/** What is kept of the checkpoints that a user made, when one is added: the union of what the rules keep. Without a rule all are kept. */
export interface CheckpointRetention {
  /** The newest so many, from 1. */
  readonly keepNewest?: number | undefined;
  /** Each rule keeps the newest of every span of time, for a while. */
  readonly keepByAge?: readonly KeepByAge[] | undefined;
}

export interface KeepByAge {
  /** ms from 1; the spans begin at multiples of it since 1970, so that hours and days are those of UTC. */
  readonly everyMs: number;
  /** ms from 1: older checkpoints are not kept by this rule. */
  readonly forMs: number;
}

/**
 * Ends the checkpoints that the policy does not keep, with those that are retained left alone. The one that was just added always stays. Ages
 * are by the clocks of those who made the checkpoints: now is when the added one was asked for. The manifest that this one is applied to may be
 * from long before; where it says that it is later than that, its clock counts.
 */
export function applyRetention(policy: CheckpointRetention, added: Ulid): Transition {
  return (manifest) => endCheckpoints(endedByRetention(policy, added, manifest))(manifest);
}

function endedByRetention(
  policy: CheckpointRetention,
  added: Ulid,
  manifest: Manifest,
): readonly Ulid[] {
  const { keepNewest, keepByAge = [] } = policy;
  if (keepNewest === undefined && keepByAge.length === 0) return [];
  // In the order in which they were added.
  const mine = liveCheckpoints(manifest).filter(
    ({ purpose }) => purpose === CheckpointPurpose.user,
  );
  const addedAt = manifest.checkpoints.find(({ id }) => id === added)?.createdAt ?? 0;
  const now = Math.max(manifest.createdAt, addedAt);
  const kept = new Set<Checkpoint>();
  if (keepNewest !== undefined) for (const one of mine.slice(-keepNewest)) kept.add(one);
  for (const { everyMs, forMs } of keepByAge) {
    const newest = new Map<number, Checkpoint>();
    for (const checkpoint of mine) {
      if (now - checkpoint.createdAt >= forMs) continue;
      newest.set(Math.floor(checkpoint.createdAt / everyMs), checkpoint);
    }
    for (const checkpoint of newest.values()) kept.add(checkpoint);
  }
  return mine
    .filter((one) => !kept.has(one) && !one.retained && one.id !== added)
    .map(({ id }) => id);
}
