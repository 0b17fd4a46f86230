/**
 * `ReaderPin`: the checkpoints that a pinned reader holds, so that nobody deletes what it shows. One for the state that it shows, one for each
 * older state that an open snapshot or scan of it reads.
 *
 * A pin names what is in L0 and in the runs, and the SSTs of loads whose records the reader has read. The rows of the log that it has read
 * are in its memory, and what it has still to read of the log needs no pin: where that is collected, it is in L0 of a newer manifest.
 */
import type { Clock, Timer } from "../common/clock.js";
import { StoreError } from "../common/errors.js";
import { type Ulid, UlidFactory } from "../common/ids.js";
import type { Random } from "../common/random.js";
import type { L0Entry, Manifest } from "../format/manifest.js";
import { raiseAboveKnown } from "../manifest/known-ids.js";
import {
  dropPins,
  loadsAbove,
  type NewPin,
  namesTheSame,
  pinCheckpoint,
  pinState,
  pinsOf,
  type ReaderPinOptions,
  renewPins,
} from "../manifest/reader-pins.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";
import type { Transition } from "../manifest/transitions.js";

/** How long a reader that closes waits for the store: what is left then expires. */
const releaseMaxMs = 5_000;

export interface PinOptions {
  readonly stored: StoredManifest;
  readonly clock: Clock;
  readonly random: Random;
  readonly ttlMs: number;
}

export class ReaderPin {
  readonly #options: PinOptions;
  readonly #ids: UlidFactory;
  readonly #holder: Ulid;
  readonly #abort = new AbortController();
  /** The state that the reader shows, as it was pinned. */
  #shown: Manifest | undefined;
  /** The number of its manifest. */
  #number = 0;
  /** The numbers that scans and snapshots need, by what ends them. Who drops a scan without closing it holds nothing for ever. */
  readonly #holds = new Map<WeakRef<() => void>, number>();
  #timer: Timer | undefined;
  #wasTaken = false;
  /** Called when the pin of the shown state was found gone. */
  onLost: (() => Promise<unknown>) | undefined;

  constructor(options: PinOptions) {
    this.#options = options;
    this.#ids = new UlidFactory(options.clock, options.random);
    this.#holder = this.#ids.next();
  }

  /** Whether what the newest manifest names, and these loads, are pinned by what the reader has. */
  covers(newest: Manifest, loads: readonly L0Entry[]): boolean {
    const pin = this.#pinIn(newest);
    if (pin === undefined || this.#shown === undefined) return false;
    if (!namesTheSame(this.#shown, newest)) return false;
    return loadsAbove(loads, newest).every((id) => pin.loads.includes(id));
  }

  /**
   * Pins the newest state, and gives it: one commit. The pin of the shown state stays until a later commit, because somebody may take a
   * snapshot of it while this one is under way. `StoreError` with reason `denied` when the handle may not write.
   */
  async take(loads: readonly L0Entry[], signal?: AbortSignal): Promise<Manifest> {
    return this.#commit(pinState(this.#newPin(), loads, this.#forTransition()), signal);
  }

  /** Pins what a checkpoint pins, which has to be listed still; gives the newest manifest. */
  async takeCopy(checkpoint: Ulid, signal?: AbortSignal): Promise<Manifest> {
    return this.#commit(pinCheckpoint(this.#newPin(), checkpoint, this.#forTransition()), signal);
  }

  /** The reader shows this state from now on; it is what `take` gave, or the one of the checkpoint that was copied. */
  standsAt(manifest: Manifest): void {
    this.#shown = manifest;
    this.#number = manifest.number;
  }

  /** Whether the shown state is pinned in this manifest. */
  isIn(manifest: Manifest): boolean {
    return this.#pinIn(manifest) !== undefined;
  }

  /** What is shown now is needed until the result is called, or forgotten. */
  hold(): () => void {
    const release = (): void => void this.#holds.delete(reference);
    const reference = new WeakRef(release);
    this.#holds.set(reference, this.#number);
    return release;
  }

  /** All pins go, if the store is there. Never rejects. */
  async release(): Promise<void> {
    if (this.#abort.signal.aborted) return;
    this.#timer?.cancel();
    this.#abort.abort(new Error("The reader is closed."));
    if (!this.#wasTaken) return;
    const { clock, stored } = this.#options;
    const giveUp = new AbortController();
    const timer = clock.after(releaseMaxMs, () => giveUp.abort());
    try {
      await stored.commit(dropPins(this.#holder), { signal: giveUp.signal });
    } catch {
      // They expire.
    }
    timer.cancel();
  }

  async #commit(transition: Transition, signal?: AbortSignal): Promise<Manifest> {
    const { stored, ttlMs } = this.#options;
    // Whatever becomes of it, it may have been stored.
    this.#wasTaken = true;
    try {
      const manifest = await stored.commit(transition, { signal: signal ?? this.#abort.signal });
      this.#schedule(ttlMs / 3);
      return manifest;
    } catch (error) {
      if (!(error instanceof StoreError) || error.reason !== "denied") throw error;
      throw new StoreError(
        "denied",
        `A pinned reader keeps a checkpoint in the manifest, and the store does not let it write: ${error.message} Give it the permission, or leave "pin" out.`,
        { object: error.object, cause: error },
      );
    }
  }

  #schedule(ms: number): void {
    this.#timer?.cancel();
    if (this.#abort.signal.aborted) return;
    this.#timer = this.#options.clock.after(ms, () => void this.#renew(), { idle: true });
  }

  async #renew(): Promise<void> {
    const { stored, ttlMs } = this.#options;
    let isThere = false;
    try {
      const { signal } = this.#abort;
      // Polls may be far apart, and a commit goes through what it has missed one by one.
      await stored.refresh({ signal });
      isThere = this.isIn(await stored.commit(renewPins(this.#forTransition()), { signal }));
      if (!isThere) await this.onLost?.();
      isThere = this.isIn(stored.current);
    } catch {
      // Tried again, sooner.
    }
    this.#schedule(isThere ? ttlMs / 3 : ttlMs / 12);
  }

  #pinIn(manifest: Manifest): ReturnType<typeof pinsOf>[number] | undefined {
    const isShown = (one: { manifestNumber: number }): boolean =>
      one.manifestNumber === this.#number;
    return pinsOf(manifest, this.#holder).findLast(isShown);
  }

  #newPin(): NewPin {
    const { stored, clock } = this.#options;
    raiseAboveKnown(this.#ids, stored.current);
    return { id: this.#ids.next(), createdAt: Math.floor(clock.now()) };
  }

  #forTransition(): ReaderPinOptions {
    return {
      holder: this.#holder,
      ttlMs: this.#options.ttlMs,
      // What is pinned and not yet shown is about to be.
      isNeeded: (number) => number >= this.#number || this.#isHeld(number),
    };
  }

  #isHeld(number: number): boolean {
    let isHeld = false;
    for (const [reference, held] of this.#holds) {
      if (reference.deref() === undefined) this.#holds.delete(reference);
      else isHeld ||= held === number;
    }
    return isHeld;
  }
}
