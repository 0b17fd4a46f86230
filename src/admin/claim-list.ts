/** `newestClaim`: the claim that counts at a path, with its heartbeat. */
import type { Claim } from "../format/claim.js";
import { decodeClaim } from "../format/claim.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths, parseClaimPath } from "../object-store/paths.js";

export interface StoredClaim {
  readonly number: number;
  readonly claim: Claim;
  /** ms since 1970 by the store's clock: of the claim, or of its last heartbeat. */
  readonly lastBeatAt: number;
  /** Its exporter has said that it is at work no more. */
  readonly isEnded: boolean;
}

/** Undefined when nobody exports there. A listing, and two GETs where there is a claim. Throws `CorruptionError`. */
export async function newestClaim(
  store: ObjectStore,
  signal: AbortSignal | undefined,
): Promise<StoredClaim | undefined> {
  for (;;) {
    const number = await highestNumber(store, signal);
    if (number === undefined) return undefined;
    const path = ObjectPaths.claim(number);
    const beatPath = ObjectPaths.claimHeartbeat(number);
    const [found, beat] = await Promise.all([
      store.get(path, { signal }),
      store.get(beatPath, { signal }),
    ]);
    // It has ended meanwhile.
    if (found === undefined) continue;
    const claim = decodeClaim(found.bytes, path, number);
    const heartbeat = beat && decodeClaim(beat.bytes, beatPath, number);
    // One that was late belongs to a claim that had this number before.
    const isOwn = heartbeat?.id === claim.id;
    return {
      ...{ number, claim, isEnded: isOwn && heartbeat.ended },
      lastBeatAt: Math.max(found.lastModified, isOwn && beat ? beat.lastModified : 0),
    };
  }
}

async function highestNumber(
  store: ObjectStore,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  let highest: number | undefined;
  for await (const { key } of store.list({ prefix: ObjectPaths.claimPrefix, signal })) {
    const name = parseClaimPath(key);
    if (name !== undefined && !name.isHeartbeat) highest = Math.max(highest ?? 0, name.number);
  }
  return highest;
}
