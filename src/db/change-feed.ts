/**
 * `ChangeFeed`: the changes of a database in seq order, as they become durable.
 *
 * Nothing runs between two reads: each takes the next change of the WAL object at hand, or the next object, or waits until the handle
 * has news. So a feed that is left alone holds one object at most, and neither a timer nor a listener.
 */
import { whenAborted, withSignal } from "../common/abort.js";
import { lazy } from "../common/lazy.js";
import type { StoredChange } from "../format/wal-changes.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { CursorStart, LogSource, WalCursor } from "../wal/wal-cursor.js";
import type { TailReader } from "../wal/wal-tail.js";
import type { Change } from "./change.js";
import type { ReadView } from "./read-view.js";
import { requireLog } from "./wal-place.js";

const engine = lazy(() => import("./feed-engine.js"));

/** What a feed needs of its handle. */
export interface FeedSource extends LogSource {
  /** Rises with all news. */
  readonly newsCount: number;
  /** What to call when the handle ends, of all reads that are under way. */
  readonly reading: Set<() => void>;
  /** Resolves when there is more news than `newsCount`; `signal` ends the waiting. */
  news(newsCount: number, signal: AbortSignal): Promise<void>;
  readonly readView: () => ReadView;
}

/**
 * Iterates over the durable changes behind its position and goes on, waiting for more, until it is closed: by leaving the loop, `close()`,
 * its signal, the end of the handle, or a failure. The last three are thrown, once; after that it is done.
 */
export class ChangeFeed implements AsyncIterable<Change>, AsyncDisposable {
  readonly #source: FeedSource;
  readonly #requireOpen: () => void;
  readonly #userSignal: AbortSignal | undefined;
  /** Ends the requests and the waiting of the read that is under way. */
  readonly #abort = new AbortController();
  readonly #start: CursorStart;
  readonly #tailReader: TailReader;
  #code: typeof import("./feed-engine.js") | undefined;
  #cursor: WalCursor | undefined;
  /** What is left of the object at hand. */
  #left: Iterator<StoredChange, undefined> | undefined;
  #seq: number;
  #isDone = false;
  /** Why it is done, until somebody has been told. */
  #failure: { error: unknown } | undefined;
  /** Reads take effect in the order of their calls. */
  #tail: Promise<unknown> = Promise.resolve();

  /** `requireOpen` throws when the handle is closed. @internal */
  constructor(
    source: FeedSource,
    start: CursorStart,
    requireOpen: () => void,
    signal: AbortSignal | undefined,
  ) {
    this.#source = source;
    this.#requireOpen = requireOpen;
    this.#start = start;
    this.#seq = start.seq;
    this.#userSignal = signal;
    this.#tailReader = { position: start.position ?? source.end() };
    // One that begins further back joins when it has caught up.
    if (start.position !== undefined) source.tail.attach(this.#tailReader);
  }

  /** The position: the seq of the last change that was given, or where the feed began. `changes({ from: seq })` goes on from here. */
  get seq(): number {
    return this.#seq;
  }

  /** All iterators share the position. Leaving a loop closes the feed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Change, undefined, undefined> {
    const iterator: AsyncIterableIterator<Change, undefined, undefined> = {
      next: () => this.#enqueue(),
      return: async () => {
        await this.close();
        return { done: true, value: undefined };
      },
      throw: async (error: unknown) => {
        await this.close();
        throw error;
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** The same changes. Nothing is fetched that is not asked for; cancelling closes the feed. */
  toReadableStream(): ReadableStream<Change> {
    return new ReadableStream<Change>(
      {
        pull: async (controller) => {
          const result = await this.#enqueue();
          if (result.done) controller.close();
          else controller.enqueue(result.value);
        },
        cancel: () => this.close(),
      },
      // Without this a stream nobody reads would read ahead.
      { highWaterMark: 0 },
    );
  }

  /** Ends the feed; reads that wait are answered that it is done. Closing twice is harmless. */
  async close(): Promise<void> {
    this.#finish(undefined);
    await this.#tail;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #enqueue(): Promise<IteratorResult<Change, undefined>> {
    const result = this.#tail.then(() => this.#next());
    this.#tail = result.catch(() => undefined);
    return result;
  }

  async #next(): Promise<IteratorResult<Change, undefined>> {
    const signal = this.#userSignal;
    if (signal?.aborted) this.#finish({ error: signal.reason });
    let stopListening: (() => void) | undefined;
    try {
      while (!this.#isDone) {
        const change = this.#take();
        if (change !== undefined) return { done: false, value: change };
        // Only while somebody waits: a signal may live much longer than a feed that nobody closes.
        stopListening ??= this.#listen();
        await this.#advance();
      }
    } catch (error) {
      this.#finish({ error });
    } finally {
      stopListening?.();
    }
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
    return { done: true, value: undefined };
  }

  /** To what ends a read that waits. What it answers takes that back. */
  #listen(): () => void {
    const { reading } = this.#source;
    reading.add(this.#onHandleEnd);
    const stopListening = whenAborted(this.#userSignal, (error) => this.#finish({ error }));
    return () => {
      stopListening();
      reading.delete(this.#onHandleEnd);
    };
  }

  /** The next change of the object at hand. */
  #take(): Change | undefined {
    this.#requireOpen();
    const result = this.#left?.next();
    if (result === undefined || result.done) {
      this.#left = undefined;
      return undefined;
    }
    const change = this.#code!.toChange(result.value, this.#source.readView);
    this.#seq = change.seq;
    return change;
  }

  /** Goes on to the next object, or waits for news. */
  async #advance(): Promise<void> {
    const source = this.#source;
    const { signal } = this.#abort;
    this.#code ??= await withSignal(engine(), signal);
    this.#cursor ??= new this.#code.WalCursor(source, this.#start, signal);
    const { newsCount } = source;
    const found = await withSignal(this.#cursor.next(), signal);
    this.#tailReader.position = this.#cursor.position ?? this.#tailReader.position;
    if (found !== undefined) {
      source.tail.trim();
      const { object, after, upTo } = found;
      const path = ObjectPaths.wal(object.epoch, object.id);
      this.#left = this.#code.storedChanges(object, path, after, upTo);
      return;
    }
    requireLog(source.manifest());
    source.tail.attach(this.#tailReader);
    source.tail.trim();
    await source.news(newsCount, signal);
  }

  readonly #onHandleEnd = (): void => {
    try {
      this.#requireOpen();
    } catch (error) {
      this.#finish({ error });
    }
  };

  #finish(failure: { error: unknown } | undefined): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#failure = failure;
    this.#left = undefined;
    this.#source.tail.detach(this.#tailReader);
    this.#abort.abort();
  }
}
