/**
 * `StoredManifest`: the newest manifest that this process knows, and how it commits the next one.
 *
 * A commit creates number n + 1. Whoever creates it wins; the loser reads it and applies the same transition again on
 * top. Numbers may have been deleted, so a create alone proves nothing when it is long ago that n was known to be the
 * newest: then a listing confirms before the outcome is believed, however it was learned (docs/protocol.md).
 */
import { assert } from "../common/assert.js";
import { equalBytes } from "../common/bytes.js";
import type { Clock } from "../common/clock.js";
import { CorruptionError, FencedError, isMoraineError, StoreError } from "../common/errors.js";
import type { Random } from "../common/random.js";
import type { Manifest } from "../format/manifest.js";
import { encodeManifest } from "../format/manifest-codec.js";
import { ObjectPaths } from "../object-store/paths.js";
import { probeFrom, requireSameDatabase } from "./find-newest.js";
import { checkStep } from "./invariants.js";
import type { ManifestStore } from "./manifest-store.js";
import type { Transition } from "./transitions.js";

const confirmAfterMs = 60 * 60 * 1000;
const conflictDelayMaxMs = 50;
/** Conflicts are with few other roles, each of which commits now and then. */
const conflictsMax = 1000;

export interface StoredManifestOptions {
  clock: Clock;
  random: Random;
  retentionMs: number;
  /** When the search that found the newest manifest began; default: now. */
  searchedAt?: Instant | undefined;
}

/** A moment by both clocks, in ms. */
export interface Instant {
  readonly wall: number;
  readonly monotonic: number;
}

export function instantOf(clock: Clock): Instant {
  return { wall: clock.now(), monotonic: clock.monotonic() };
}

interface PendingCommit {
  readonly manifest: Manifest;
  readonly bytes: Uint8Array;
  /** An earlier attempt may have stored it. */
  mayExist: boolean;
}

export class StoredManifest {
  readonly manifests: ManifestStore;
  readonly #options: StoredManifestOptions;
  #current: Manifest;
  /** Since when `#current` is known to be the newest, by both clocks. */
  #known: Instant;
  /** A commit whose outcome is not known: the same bytes go to the same number until that number is taken. */
  #pending: PendingCommit | undefined;
  /** Commits of one process run one at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  /** The bytes of `#current` when this process created them: what the hint is a copy of. */
  #ownBytes: Uint8Array | undefined;

  /** `newest` was found by a search that began at `searchedAt`: then or later the number after it was absent. */
  constructor(manifests: ManifestStore, newest: Manifest, options: StoredManifestOptions) {
    this.manifests = manifests;
    this.#options = options;
    this.#current = newest;
    this.#known = options.searchedAt ?? this.#instant();
  }

  get current(): Manifest {
    return this.#current;
  }

  /** The bytes of the newest manifest if this process committed it, for the hint. */
  get ownBytes(): Uint8Array | undefined {
    return this.#ownBytes;
  }

  /**
   * Commits the transition on top of the newest manifest and gives the result; no request when it changes nothing.
   * With an `epoch`, a manifest of a newer writer is `FencedError`. When the store fails, the outcome may be unknown:
   * a later commit settles it first.
   */
  commit(
    transition: Transition,
    options: { epoch?: number | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<Manifest> {
    const run = this.#turn.then(() => this.#commit(transition, options.epoch, options.signal));
    this.#turn = run.catch(() => undefined);
    return run;
  }

  /** Looks for newer manifests: one GET when there is none. */
  refresh(options: { epoch?: number | undefined; signal?: AbortSignal } = {}): Promise<Manifest> {
    const run = this.#turn.then(() => this.#refresh(options.epoch, options.signal));
    this.#turn = run.catch(() => undefined);
    return run;
  }

  async #refresh(epoch: number | undefined, signal: AbortSignal | undefined): Promise<Manifest> {
    const started = this.#instant();
    if (this.#age(started) > this.#options.retentionMs / 2) {
      await this.#adoptListed(epoch, signal);
      return this.#current;
    }
    const newest = await probeFrom(this.manifests, this.#current, signal);
    // An absence learned at an old age proves nothing to build on: the number may have been deleted. The age stays old,
    // and the next commit lists.
    const young = this.#age(this.#instant()) <= confirmAfterMs;
    if (newest !== this.#current) this.#adopt(newest, epoch);
    if (young) this.#known = started;
    this.#requireNewestEpoch(epoch);
    return this.#current;
  }

  async #commit(
    transition: Transition,
    epoch: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Manifest> {
    if (this.#pending !== undefined) await this.#send(epoch, signal);
    for (let conflicts = 0; ; conflicts++) {
      assert(conflicts < conflictsMax, "a commit is not outrun for ever");
      if (conflicts > 0) {
        const { clock, random } = this.#options;
        await clock.sleep(random.next() * conflictDelayMaxMs, signal);
      }
      // Whoever ran before this commit may have found the newer writer; nothing is built on its manifest.
      this.#requireNewestEpoch(epoch);
      const base = this.#current;
      const changed = transition(base);
      if (changed === base) return base;
      this.#pending = this.#prepare(base, changed);
      if (await this.#send(epoch, signal)) return this.#current;
    }
  }

  #prepare(base: Manifest, changed: Manifest): PendingCommit {
    const manifest: Manifest = {
      ...changed,
      number: base.number + 1,
      createdAt: Math.floor(this.#options.clock.now()),
      token: this.#options.random.bytes(16),
    };
    checkStep(base, manifest);
    return { manifest, bytes: encodeManifest(manifest), mayExist: false };
  }

  /** Sends the pending manifest; true when it is the newest now, false when another one took its number. */
  async #send(epoch: number | undefined, signal: AbortSignal | undefined): Promise<boolean> {
    const { manifest, bytes } = this.#pending!;
    const number = manifest.number;
    const started = this.#instant();
    let outcome: "created" | "exists";
    try {
      outcome = await this.manifests.create(number, bytes, signal);
    } catch (error) {
      // Only a refusal of the first and only attempt proves that nothing can appear at that number.
      if (!cannotHaveHappened(error)) this.#pending!.mayExist = true;
      else if (!this.#pending!.mayExist) this.#pending = undefined;
      throw error;
    }
    const found = outcome === "exists" ? await this.manifests.get(number, signal) : undefined;
    // Judged after the last reply: what is learned at an old age is not believed, however it was learned.
    const old = this.#age(this.#instant()) > confirmAfterMs;
    const gone = outcome === "exists" && found === undefined;
    if (gone || (old && (await this.manifests.highestNumber(number - 1, signal)) !== number)) {
      // The number lies in a deleted range, so what was created is a stray; or it has been outrun since. Either way
      // only the listing tells where the database is.
      this.#pending = undefined;
      await this.#adoptListed(epoch, signal);
      return false;
    }
    const taken = found !== undefined && !equalBytes(found.bytes, bytes) ? found : undefined;
    this.#pending = undefined;
    if (taken !== undefined) {
      this.#adopt(taken.manifest, epoch);
      if (old) this.#known = started;
      else this.#renewTo(taken.manifest.createdAt);
      return false;
    }
    this.#current = manifest;
    this.#ownBytes = bytes;
    this.#known = started;
    return true;
  }

  async #adoptListed(epoch: number | undefined, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      const started = this.#instant();
      const highest = await this.manifests.highestNumber(0, signal);
      if (highest === undefined) {
        throw new CorruptionError(ObjectPaths.manifestPrefix, "all manifests are gone");
      }
      if (highest < this.#current.number) {
        throw new CorruptionError(
          ObjectPaths.manifest(this.#current.number),
          `it is missing, and the highest number that is left is ${highest}`,
        );
      }
      if (highest > this.#current.number) {
        const found = await this.manifests.get(highest, signal);
        // It is only gone when newer ones have come and it was collected meanwhile: look again.
        if (found === undefined) continue;
        this.#adopt(found.manifest, epoch);
      }
      this.#known = started;
      this.#requireNewestEpoch(epoch);
      return;
    }
  }

  #adopt(manifest: Manifest, epoch: number | undefined): void {
    // Number 0 is the empty base of a database that another opener has just made.
    if (this.#current.number > 0) requireSameDatabase(this.#current, manifest);
    this.#current = manifest;
    this.#ownBytes = undefined;
    // Its number is taken: what was pending there is in this manifest, or is applied again on top of it.
    if (this.#pending !== undefined && manifest.number >= this.#pending.manifest.number) {
      this.#pending = undefined;
    }
    this.#requireNewestEpoch(epoch);
  }

  #requireNewestEpoch(epoch: number | undefined): void {
    if (epoch !== undefined && this.#current.writerEpoch > epoch) {
      throw fencedBy(epoch, this.#current);
    }
  }

  /** An `exists` proves that a number is taken, not that it is the newest: the age goes on from its creation. */
  #renewTo(createdAt: number): void {
    const now = this.#instant();
    const age = Math.max(0, now.wall - createdAt);
    const wall = Math.max(this.#known.wall, createdAt);
    this.#known = { wall, monotonic: Math.max(this.#known.monotonic, now.monotonic - age) };
  }

  /** How long ago `#current` was known to be the newest, by whichever clock says longer. */
  #age(now: Instant): number {
    return Math.max(now.wall - this.#known.wall, now.monotonic - this.#known.monotonic);
  }

  #instant(): Instant {
    return instantOf(this.#options.clock);
  }
}

export function fencedBy(ownEpoch: number, manifest: Manifest): FencedError {
  return new FencedError(
    `Another writer opened this database (epoch ${manifest.writerEpoch}; this one has ${ownEpoch}). Nothing more can be written through this handle.`,
    { ownEpoch, seenEpoch: manifest.writerEpoch },
  );
}

/** Refusals after which the object cannot appear later; anything else may have been stored. */
function cannotHaveHappened(error: unknown): boolean {
  return (
    error instanceof StoreError &&
    isMoraineError(error) &&
    (error.reason === "denied" || error.reason === "invalid" || error.reason === "unsupported")
  );
}
