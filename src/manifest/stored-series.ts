/**
 * `StoredSeries`: objects that are numbered 1, 2, 3 …, created and never replaced, of which the highest number is the truth: manifests,
 * and states of compactions. Knows the newest one that this process has seen, and commits the next.
 *
 * A commit creates number n + 1. Whoever creates it wins; the loser reads it and applies the same transition again on
 * top. Numbers may have been deleted, so a create alone proves nothing when it is long ago that n was known to be the
 * newest: then a listing confirms before the outcome is believed, however it was learned (docs/protocol.md).
 */
import { assert } from "../common/assert.js";
import { equalBytes } from "../common/bytes.js";
import type { Clock } from "../common/clock.js";
import { CorruptionError, isMoraineError, StoreError } from "../common/errors.js";
import type { Random } from "../common/random.js";
import type { Numbered, SeriesObjects } from "./numbered-series.js";
import { probeNewest, requireSameDatabase } from "./probe-newest.js";

const confirmAfterMs = 60 * 60 * 1000;
const conflictDelayMaxMs = 50;
/** Conflicts are with few other roles, each of which commits now and then. */
const conflictsMax = 1000;

/** A moment by both clocks, in ms. */
export interface Instant {
  readonly wall: number;
  readonly monotonic: number;
}

export function instantOf(clock: Clock): Instant {
  return { wall: clock.now(), monotonic: clock.monotonic() };
}

export interface StoredSeriesOptions {
  clock: Clock;
  random: Random;
  retentionMs: number;
  /** When the search that found the newest one began; default: now. */
  searchedAt?: Instant | undefined;
}

/** What a commit or a refresh is done with. */
export interface Asked<T> {
  /** Throws when a newer epoch of the caller's role makes an end of it. */
  requireOwn(newest: T): void;
  readonly signal: AbortSignal | undefined;
}

interface PendingCommit<T> {
  readonly value: T;
  readonly bytes: Uint8Array;
  /** An earlier attempt may have stored it. */
  mayExist: boolean;
}

export class StoredSeries<T extends Numbered> {
  readonly #objects: SeriesObjects<T>;
  readonly #options: StoredSeriesOptions;
  #current: T;
  /** Since when `#current` is known to be the newest, by both clocks. */
  #known: Instant;
  /** A commit whose outcome is not known: the same bytes go to the same number until that number is taken. */
  #pending: PendingCommit<T> | undefined;
  /** Commits of one process run one at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  /** The bytes of `#current` when this process created them. */
  #ownBytes: Uint8Array | undefined;

  /** `newest` was found by a search that began at `searchedAt`: then or later the number after it was absent. */
  constructor(objects: SeriesObjects<T>, newest: T, options: StoredSeriesOptions) {
    this.#objects = objects;
    this.#options = options;
    this.#current = newest;
    this.#known = options.searchedAt ?? this.#instant();
  }

  get current(): T {
    return this.#current;
  }

  get ownBytes(): Uint8Array | undefined {
    return this.#ownBytes;
  }

  /** As in `StoredManifest`. */
  commit(transition: (value: T) => T, asked: Asked<T>): Promise<T> {
    return this.#inTurn(() => this.#commit(transition, asked));
  }

  /** Looks for newer ones: one GET when there is none. */
  refresh(asked: Asked<T>): Promise<T> {
    return this.#inTurn(() => this.#refresh(asked));
  }

  /** Decides the outcome of an earlier commit, where that is not known. No request when it is. */
  settle(asked: Asked<T>): Promise<T> {
    return this.#inTurn(async () => {
      if (this.#pending !== undefined) await this.#send(asked);
      asked.requireOwn(this.#current);
      return this.#current;
    });
  }

  #inTurn(call: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(call);
    this.#turn = run.catch(() => undefined);
    return run;
  }

  async #refresh(asked: Asked<T>): Promise<T> {
    const started = this.#instant();
    if (this.#age(started) > this.#options.retentionMs / 2) {
      await this.#adoptListed(asked);
      return this.#current;
    }
    const newest = await probeNewest(this.#objects, this.#current, asked.signal);
    // An absence learned at an old age proves nothing to build on: the number may have been deleted. The age stays old,
    // and the next commit lists.
    const young = this.#age(this.#instant()) <= confirmAfterMs;
    if (newest !== this.#current) this.#adopt(newest, asked);
    if (young) this.#known = started;
    asked.requireOwn(this.#current);
    return this.#current;
  }

  async #commit(transition: (value: T) => T, asked: Asked<T>): Promise<T> {
    if (this.#pending !== undefined) await this.#send(asked);
    for (let conflicts = 0; ; conflicts++) {
      assert(conflicts < conflictsMax, "a commit is not outrun for ever");
      if (conflicts > 0) {
        const { clock, random } = this.#options;
        await clock.sleep(random.next() * conflictDelayMaxMs, asked.signal);
      }
      // Whoever ran before this commit may have found the newer epoch; nothing is built on what it says.
      asked.requireOwn(this.#current);
      const base = this.#current;
      const changed = transition(base);
      if (changed === base) return base;
      this.#pending = this.#prepare(base, changed);
      if (await this.#send(asked)) return this.#current;
    }
  }

  #prepare(base: T, changed: T): PendingCommit<T> {
    const value: T = {
      ...changed,
      number: base.number + 1,
      createdAt: Math.floor(this.#options.clock.now()),
      token: this.#options.random.bytes(16),
    };
    this.#objects.checkStep(base, value);
    return { value, bytes: this.#objects.encode(value), mayExist: false };
  }

  /** Sends what is pending; true when it is the newest now, false when another one took its number. */
  async #send(asked: Asked<T>): Promise<boolean> {
    const { signal } = asked;
    const { value, bytes } = this.#pending!;
    const { number } = value;
    const started = this.#instant();
    let outcome: "created" | "exists";
    try {
      outcome = await this.#objects.create(number, bytes, signal);
    } catch (error) {
      // Only a refusal of the first and only attempt proves that nothing can appear at that number.
      if (!cannotHaveHappened(error)) this.#pending!.mayExist = true;
      else if (!this.#pending!.mayExist) this.#pending = undefined;
      throw error;
    }
    const found = outcome === "exists" ? await this.#objects.get(number, signal) : undefined;
    // Judged after the last reply: what is learned at an old age is not believed, however it was learned.
    const old = this.#age(this.#instant()) > confirmAfterMs;
    const gone = outcome === "exists" && found === undefined;
    if (gone || (old && (await this.#objects.highestNumber(number - 1, signal)) !== number)) {
      // The number lies in a deleted range, so what was created is a stray; or it has been outrun since. Either way
      // only the listing tells where the database is.
      this.#pending = undefined;
      await this.#adoptListed(asked);
      return false;
    }
    const taken = found !== undefined && !equalBytes(found.bytes, bytes) ? found : undefined;
    this.#pending = undefined;
    if (taken !== undefined) {
      this.#adopt(taken.value, asked);
      if (old) this.#known = started;
      else this.#renewTo(taken.value.createdAt);
      return false;
    }
    this.#current = value;
    this.#ownBytes = bytes;
    this.#known = started;
    return true;
  }

  async #adoptListed(asked: Asked<T>): Promise<void> {
    const { signal } = asked;
    const objects = this.#objects;
    for (;;) {
      const started = this.#instant();
      const current = this.#current.number;
      const highest = (await objects.highestNumber(0, signal)) ?? 0;
      if (highest < current) {
        throw highest === 0
          ? new CorruptionError(objects.prefix, "all of them are gone")
          : new CorruptionError(
              objects.path(current),
              `it is missing, and the highest number that is left is ${highest}`,
            );
      }
      if (highest > current) {
        const found = await objects.get(highest, signal);
        // It is only gone when newer ones have come and it was collected meanwhile: look again.
        if (found === undefined) continue;
        this.#adopt(found.value, asked);
      }
      this.#known = started;
      asked.requireOwn(this.#current);
      return;
    }
  }

  #adopt(value: T, asked: Asked<T>): void {
    // Number 0 is the empty base of a database that another opener has just made.
    if (this.#current.number > 0) requireSameDatabase(this.#objects, this.#current, value);
    this.#current = value;
    this.#ownBytes = undefined;
    // Its number is taken: what was pending there is in this one, or is applied again on top of it.
    if (this.#pending !== undefined && value.number >= this.#pending.value.number) {
      this.#pending = undefined;
    }
    asked.requireOwn(this.#current);
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

/** Refusals after which the object cannot appear later; anything else may have been stored. */
function cannotHaveHappened(error: unknown): boolean {
  return (
    error instanceof StoreError &&
    isMoraineError(error) &&
    (error.reason === "denied" || error.reason === "invalid" || error.reason === "unsupported")
  );
}
