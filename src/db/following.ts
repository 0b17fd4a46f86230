/** `Following`: how a reader goes on with its writer: through the manifest, and through the log where it follows that. */
import type { L0Entry, Manifest, WalPosition } from "../format/manifest.js";
import type { WalObject } from "../format/wal-object.js";
import { walParts } from "../format/wal-parts.js";
import { namesTheSame } from "../manifest/reader-pins.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";
import { comparePositions } from "../manifest/transitions.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { WalFollower } from "../wal/wal-follower.js";
import { applyObject } from "./apply-object.js";
import type { DbState } from "./db-state.js";
import type { ReaderPin } from "./reader-pin.js";

export interface FollowingOptions {
  readonly stored: StoredManifest;
  readonly state: DbState;
  /** Undefined: the log is not followed. */
  readonly follower: WalFollower | undefined;
  readonly pin: ReaderPin | undefined;
  readonly memTableBytes: number;
  /** Throws when this reader cannot read what the manifest names. */
  readonly requireReadable: (manifest: Manifest) => void;
}

export interface FollowingHandle {
  readonly signal: AbortSignal;
  /** More is seen. */
  onSeq(seq: number): void;
  /** An object of the log was read. */
  onObject(position: WalPosition, bytes: Uint8Array): void;
  /** There is more to read, for feeds of changes. */
  onNews(): void;
  /** `look`, as whoever calls it for the handle does. */
  lookAgain(): Promise<unknown>;
}

export class Following {
  readonly #options: FollowingOptions;
  readonly #handle: FollowingHandle;
  #seq: number;
  /** Everything before this in the logs has been seen; the follower may have read more. */
  #walPosition: WalPosition;
  /** It has been read, and cannot be shown yet: something may lie before it, or it names loads that are not pinned. */
  #unapplied: WalObject | undefined;

  constructor(options: FollowingOptions, handle: FollowingHandle) {
    const { state, follower } = options;
    this.#options = options;
    this.#handle = handle;
    this.#seq = state.view.manifest.lastL0Seq;
    this.#walPosition = follower?.position ?? state.view.manifest.walStart;
  }

  /** The newest seq that is seen. */
  get seq(): number {
    return this.#seq;
  }

  get walPosition(): WalPosition {
    return this.#walPosition;
  }

  /**
   * Everything that was durable before the call is seen after it; true when there was news. Two GETs when there is none, one where the log is
   * not followed.
   *
   * The end of the log is found before the manifest is looked for: with no grace an object of the log may be collected as soon as a manifest
   * has it in L0, and what is missed so is in a manifest that is found after it. So the state that it begins with may be old. For the same
   * reason an object that does not follow on what is seen waits for that manifest.
   */
  async look(): Promise<boolean> {
    const { stored, state } = this.#options;
    const { signal } = this.#handle;
    for (let news = await this.#followAll(); ; ) {
      const known = state.view.manifest;
      const newest = await stored.refresh({ signal });
      if (newest === known && this.#unapplied === undefined) return news;
      if (newest !== known) await this.#goTo(newest);
      if (isNews(known, state.view.manifest)) news = true;
      if (await this.#followAll(this.#unapplied)) news = true;
    }
  }

  async #goTo(newest: Manifest): Promise<void> {
    const { pin, state } = this.#options;
    this.#options.requireReadable(newest);
    if (pin === undefined || pin.covers(newest, state.view.loads)) this.#adopt(newest);
    else await this.#repin(pin, []);
  }

  /** A newer state is shown once it is pinned. */
  async #repin(pin: ReaderPin, loads: readonly L0Entry[]): Promise<void> {
    const pinned = await pin.take([...this.#options.state.view.loads, ...loads]);
    this.#handle.signal.throwIfAborted();
    this.#adopt(pinned);
    // In the same tick: whoever takes a snapshot holds the pin of what it sees.
    pin.standsAt(pinned);
  }

  /**
   * Reads the log until there is no more of it, or until something may be missing before the next object. True when anything was shown.
   * `proved` is an object that the manifest was looked for after.
   */
  async #followAll(proved?: WalObject): Promise<boolean> {
    const { follower, pin } = this.#options;
    for (let found = false; ; found = true) {
      const object = this.#unapplied ?? (await follower?.next(this.#handle.signal));
      if (object === undefined) return found;
      this.#unapplied = object;
      if (object !== proved && this.#mayLeap(object)) return found;
      if (pin !== undefined) {
        const loads = newLoads(object, this.#seq);
        if (loads.length > 0) await this.#repin(pin, loads);
      }
      this.#unapplied = undefined;
      this.#apply(object);
    }
  }

  /**
   * Ids lead from object to object of one log, but not every fence is the end of a log: an opener that had slept may have placed it where an
   * object had been collected. Then what is missing is in a newer manifest. Else the seqs in between were lost with their writer.
   */
  #mayLeap({ epoch, firstSeq }: WalObject): boolean {
    return epoch !== this.#walPosition.epoch && firstSeq > this.#seq + 1;
  }

  #apply(object: WalObject): void {
    const { state, memTableBytes, follower } = this.#options;
    const { epoch, id, bytes } = object;
    const next = { epoch, id: id + 1 };
    // A manifest that came meanwhile has all of it in L0.
    if (follower !== undefined && comparePositions(follower.position, next) > 0) return;
    applyObject(state, object, this.#seq, memTableBytes);
    this.#walPosition = next;
    this.#handle.onObject({ epoch, id }, bytes);
    this.#advance(object.lastSeq);
    this.#handle.onNews();
  }

  /** What L0 holds now leaves memory in the same assignment that brings the manifest. */
  #adopt(manifest: Manifest): void {
    const { state, follower, requireReadable } = this.#options;
    // A writer may have moved the WAL to where this reader does not look.
    requireReadable(manifest);
    if (!state.active.isEmpty && state.active.lastSeq <= manifest.lastL0Seq) state.freeze();
    const retired = state.view.tables.filter(
      (table) => table !== state.active && table.lastSeq <= manifest.lastL0Seq,
    );
    state.retire(retired, manifest);
    follower?.adopt(manifest);
    this.#walPosition = follower?.position ?? this.#walPosition;
    this.#advance(manifest.lastL0Seq);
    this.#handle.onNews();
  }

  #advance(seq: number): void {
    if (seq <= this.#seq) return;
    this.#seq = seq;
    this.#handle.onSeq(seq);
  }
}

/** Of checkpoints that others make and refresh a reader sees nothing. */
function isNews(known: Manifest, newest: Manifest): boolean {
  return known.writerEpoch !== newest.writerEpoch || !namesTheSame(known, newest);
}

/** The loads that an object of the log names and that are above `seq`. */
function newLoads(object: WalObject, seq: number): readonly L0Entry[] {
  const parts = walParts(object, ObjectPaths.wal(object.epoch, object.id));
  return parts.flatMap(({ loaded }) => loaded ?? []).filter((entry) => entry.seq > seq);
}
