/** `ChangeFeeds`: the change feeds of one handle, and what they share: news, and the tail of the log. */
import { throwIfAborted, withSignal } from "../common/abort.js";
import { type Deferred, deferred } from "../common/deferred.js";
import { InvalidArgumentError } from "../common/errors.js";
import { checkOptions, requireInteger, requireSignal } from "../common/options.js";
import { seqMax } from "../common/row.js";
import type { Manifest, WalPosition } from "../format/manifest.js";
import type { ManifestStore } from "../manifest/manifest-store.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { WalTail } from "../wal/wal-tail.js";
import { ChangeFeed, type FeedSource } from "./change-feed.js";
import type { ReadView } from "./read-view.js";
import { requireLog } from "./wal-place.js";

export interface ChangesOptions {
  /**
   * A position, such as the `seq` of the last change that was dealt with: the feed begins with the first change whose seq is greater. Default:
   * the newest seq that the handle sees, so that the feed holds what is written after the call. 0: all changes there ever were, where
   * they are still kept.
   */
  from?: number | undefined;
  /** Ends the feed: it rejects with `signal.reason`. */
  signal?: AbortSignal | undefined;
}

export interface FeedHandle {
  /** Where the logs are. */
  readonly store: ObjectStore;
  readonly manifests: ManifestStore;
  /** The position of the first object with a seq above `seq`, where it is known without looking. */
  positionAfter(seq: number): WalPosition | undefined;
  /** See `LogSource`. */
  end(): WalPosition;
  readonly readView: () => ReadView;
  /** Greater positions are refused. */
  seqMax(): number;
  /** Resolves when the handle has ended. */
  closed(): Promise<unknown>;
  /** Feeds have begun to wait, or none waits any more. */
  onWaiting?: (() => void) | undefined;
}

export class ChangeFeeds implements FeedSource {
  readonly store: ObjectStore;
  readonly manifests: ManifestStore;
  readonly tail: WalTail = new WalTail();
  newsCount = 0;
  readonly reading: Set<() => void> = new Set();
  readonly readView: () => ReadView;
  readonly #handle: FeedHandle;
  readonly #waiting = new Set<Deferred<void>>();
  #isWatched = false;

  constructor(handle: FeedHandle) {
    this.store = handle.store;
    this.manifests = handle.manifests;
    this.readView = handle.readView;
    this.#handle = handle;
  }

  /** Throws for bad options, when the handle is closed, and where there is no log to read. */
  open(options: ChangesOptions | undefined): ChangeFeed {
    checkOptions(options, ["from", "signal"], "changes");
    requireInteger(options?.from, "from", 0, seqMax);
    requireSignal(options?.signal);
    const { readView, positionAfter, closed } = this.#handle;
    const read = readView();
    read.requireOpen();
    throwIfAborted(options?.signal);
    requireLog(this.manifest());
    const seq = options?.from ?? read.seq;
    if (seq > this.#handle.seqMax()) {
      throw new InvalidArgumentError(
        `"from" is ${seq}, and the last seq of this database is ${read.seq}. A position is the seq of a change that a feed of the same database has given.`,
      );
    }
    if (!this.#isWatched) {
      this.#isWatched = true;
      void closed().then(() => {
        for (const onEnd of this.reading) onEnd();
      });
    }
    return new ChangeFeed(
      this,
      { position: positionAfter(seq), seq },
      // Of the handle, not of this view: it costs a feed too much to make a view for each change.
      read.requireOpen,
      options?.signal,
    );
  }

  /** Feeds wait for news. */
  get hasWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** There may be more to read. */
  wake(): void {
    this.newsCount++;
    for (const waiter of this.#waiting) waiter.resolve();
  }

  async news(newsCount: number, signal: AbortSignal): Promise<void> {
    if (this.newsCount !== newsCount) return;
    const waiter = deferred();
    this.#waiting.add(waiter);
    if (this.#waiting.size === 1) this.#handle.onWaiting?.();
    try {
      await withSignal(waiter.promise, signal);
    } finally {
      this.#waiting.delete(waiter);
      if (this.#waiting.size === 0) this.#handle.onWaiting?.();
    }
  }

  manifest(): Manifest {
    return this.#handle.readView().view.manifest;
  }

  end(): WalPosition {
    return this.#handle.end();
  }
}
