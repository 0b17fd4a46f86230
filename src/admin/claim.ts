/**
 * `claimTarget`: at most one exporter works at a path. A claim is an object with a number that is created once; of several the highest counts. Its
 * exporter puts a heartbeat beside it each minute. A claim without one for ten minutes, by the store's clock, is dead: whoever creates the next
 * number has taken over. An exporter that finds a higher number, or its own claim gone, stops and touches nothing more. What decides in the end is
 * the manifest, which two of them cannot both create.
 */
import { equalBytes } from "../common/bytes.js";
import type { Clock } from "../common/clock.js";
import { ExistsError, StoreError } from "../common/errors.js";
import { type Ulid, ulidToBytes } from "../common/ids.js";
import type { Random } from "../common/random.js";
import { type Claim, encodeClaim } from "../format/claim.js";
import { StoreAges } from "../gc/store-ages.js";
import { type Instant, instantOf } from "../manifest/stored-manifest.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths, parseClaimPath } from "../object-store/paths.js";
import { newestClaim, type StoredClaim } from "./claim-list.js";

const beatMs = 60_000;
/** Without a heartbeat for so long, by the store's clock, a claim is dead. */
const deadAfterMs = 10 * 60_000;
/** What is written under a claim whose last heartbeat is older, by either clock of the exporter, is no longer deleted. */
const youngMs = 5 * 60_000;

export interface TargetClaimOptions {
  /** At the target's path. */
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Of the claim; never given before. */
  readonly id: Ulid;
  readonly databaseId: Ulid;
  readonly checkpointId: Ulid;
  /** Who exports, for whoever comes meanwhile; empty: nobody in particular. */
  readonly owner: string;
  /** What the target is called in messages. */
  readonly place: string;
  /** The token of the newest manifest there; undefined: there is none. */
  readonly newestToken: Uint8Array | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Throws `ExistsError` while another exporter is at work there, or where one of another database has left what it had copied. */
export async function claimTarget(options: TargetClaimOptions): Promise<TargetClaim> {
  const { store, clock, signal } = options;
  for (;;) {
    const before = await newestClaim(store, signal);
    if (before !== undefined) await requireDead(before, options);
    const number = (before?.number ?? 0) + 1;
    const { id, databaseId, checkpointId, owner } = options;
    const claim: Claim = {
      ...{ number, id, databaseId, checkpointId, owner, beat: 0, ended: false },
      claimedAt: Math.floor(clock.now()),
    };
    const at = instantOf(clock);
    // Another one may have been quicker: then it is looked at.
    if (await createClaim(store, claim, signal)) return new TargetClaim(options, claim, at);
  }
}

/** An unknown outcome is decided by what is there. */
async function createClaim(
  store: ObjectStore,
  claim: Claim,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const path = ObjectPaths.claim(claim.number);
  const bytes = encodeClaim(claim);
  try {
    return (await store.create(path, bytes, { signal })) === "created";
  } catch (error) {
    if (!(error instanceof StoreError) || error.reason !== "unknown-outcome") throw error;
    const found = await store.get(path, { signal });
    // Absent, it may still come: then nobody keeps it alive, and it holds others back for ten minutes.
    if (found === undefined) throw error;
    return equalBytes(found.bytes, bytes);
  }
}

async function requireDead(found: StoredClaim, options: TargetClaimOptions): Promise<void> {
  const { claim, isEnded, lastBeatAt } = found;
  const { place, store, random, newestToken, signal } = options;
  // The first one deletes nothing after its manifest. One that had taken over may still be at it.
  const isFinished =
    claim.number === 1 &&
    newestToken !== undefined &&
    equalBytes(newestToken, ulidToBytes(claim.id));
  if (!isFinished && !isEnded) {
    const ages = new StoreAges(store, { random, storedAt: new Map(), signal });
    const silentMs = (await ages.now()) - lastBeatAt;
    if (silentMs < deadAfterMs) {
      throw new ExistsError(
        `${place} is being exported to: by ${claim.owner || "another process"}, since ${new Date(claim.claimedAt).toISOString()}, last seen ${Math.max(0, Math.round(silentMs / 1000))} s ago. Wait for it. If it has died, the next export takes over ten minutes after it was last seen.`,
      );
    }
  }
  if (newestToken === undefined && claim.databaseId !== options.databaseId) {
    throw new ExistsError(
      `${place} holds what an unfinished export of another database (${claim.databaseId}) has left. Delete it, or export to another path.`,
    );
  }
}

export class TargetClaim {
  readonly claim: Claim;
  readonly #options: TargetClaimOptions;
  readonly #ended = new AbortController();
  #beat = 0;
  /** When the last heartbeat that is known to be stored was sent. */
  #seen: Instant;
  #beating: Promise<void> | undefined;

  constructor(options: TargetClaimOptions, claim: Claim, at: Instant) {
    this.#options = options;
    this.claim = claim;
    this.#seen = at;
  }

  /** What the last manifest of the export has as its token. */
  get token(): Uint8Array<ArrayBuffer> {
    return ulidToBytes(this.claim.id);
  }

  /** Whether an exporter was here before and left something. */
  get hasTakenOver(): boolean {
    return this.claim.number > 1;
  }

  /** Heartbeats, until `stop`. `onLost` is called once when another exporter has taken over. */
  start(onLost: (error: unknown) => void): void {
    const { clock } = this.#options;
    const { signal } = this.#ended;
    const beat = async (): Promise<void> => {
      for (;;) {
        await clock.sleep(beatMs, signal);
        try {
          await this.#putHeartbeat(false, signal).catch(() => undefined);
          await this.requireHighest(signal);
        } catch (error) {
          if (signal.aborted) return;
          // A store that fails now and then is nothing: ten minutes of that, and another one may take over, which shows.
          if (error instanceof ExistsError) {
            onLost(error);
            return;
          }
        }
      }
    };
    this.#beating = beat().catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#beating;
  }

  /** Throws `ExistsError` when the claim is no longer the one that counts. Two requests. */
  async requireHighest(signal?: AbortSignal): Promise<void> {
    const { store, place } = this.#options;
    const newest = await newestClaim(store, signal);
    const { number, id } = this.claim;
    if (newest?.number === number && newest.claim.id === id) return;
    throw new ExistsError(
      `Another exporter has taken over ${place}${newest === undefined ? " and has ended" : ` (claim ${newest.number}, by ${newest.claim.owner || "another process"})`}: this one was silent for ten minutes. It has stopped.`,
    );
  }

  /** Whether what was written may be deleted: nobody can have taken over, by the clocks of this process and by what lies there. */
  async mayCleanUp(): Promise<boolean> {
    const { clock } = this.#options;
    const isYoung = (): boolean => {
      const now = instantOf(clock);
      const { wall, monotonic } = this.#seen;
      return Math.max(now.wall - wall, now.monotonic - monotonic) < youngMs;
    };
    if (!isYoung()) return false;
    await this.requireHighest();
    return isYoung();
  }

  /** After the manifest: older claims first, the own one last. */
  async remove(signal?: AbortSignal): Promise<void> {
    const { store } = this.#options;
    const { number } = this.claim;
    await this.removeOlder(signal);
    await store.delete([ObjectPaths.claimHeartbeat(number)], { signal });
    await store.delete([ObjectPaths.claim(number)], { signal });
  }

  /** Claims below this one, and heartbeats that came late. */
  async removeOlder(signal?: AbortSignal): Promise<void> {
    const { store } = this.#options;
    const older: string[] = [];
    for await (const { key } of store.list({ prefix: ObjectPaths.claimPrefix, signal })) {
      const number = parseClaimPath(key)?.number;
      if (number !== undefined && number < this.claim.number) older.push(key);
    }
    if (older.length > 0) await store.delete(older, { signal });
  }

  /** What an earlier exporter left is still there, so the claim stays; the next one need not wait. */
  end(): Promise<void> {
    return this.#putHeartbeat(true, undefined);
  }

  async #putHeartbeat(ended: boolean, signal: AbortSignal | undefined): Promise<void> {
    const { store, clock } = this.#options;
    const at = instantOf(clock);
    const path = ObjectPaths.claimHeartbeat(this.claim.number);
    const bytes = encodeClaim({ ...this.claim, beat: ++this.#beat, ended });
    await store.put(path, bytes, { signal });
    this.#seen = at;
  }
}
