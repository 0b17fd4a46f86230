/**
 * `WritePipeline`: the way of a write. Admission is the only wait before it has its seq; then, in one tick and without an
 * await in between, it takes the next seq, enters the MemTable and the WAL buffer, and freezes the MemTable if that is full.
 */
import { whenAborted, withSignal } from "../common/abort.js";
import { concatBytes, copyBytes } from "../common/bytes.js";
import type { Clock } from "../common/clock.js";
import type { MoraineError } from "../common/errors.js";
import { OperationKind } from "../common/row.js";
import type { Flusher } from "../flush/flusher.js";
import { encodeLoadRecord } from "../format/load-record.js";
import type { SstInfo } from "../format/manifest.js";
import type { WriteLog } from "../wal/write-log.js";
import type { DbState } from "./db-state.js";
import { expiryOf } from "./lifetime.js";
import type { Settings } from "./settings.js";
import { timeOperations } from "./timed-operations.js";
import { TurnLimit } from "./turn-limit.js";
import { WriteSlowdown } from "./write-slowdown.js";

/** What a write answers. */
export interface WriteResult {
  /** The seq of the batch; a token for `waitForSeq` only once the write is durable. */
  readonly seq: number;
  /** ms since 1970 */
  readonly createdAt: number;
  /** Resolves when the write is durable, and sees to it. */
  durable(): Promise<void>;
}

export interface WriteRequest {
  readonly durable: boolean;
  readonly signal: AbortSignal | undefined;
  /** Called in the tick in which a batch gets its seq, just before; what it throws the write is refused with, and nothing has happened. */
  readonly beforeApply?: () => void;
  /** Called in that same tick, once the batch has its seq and nothing can refuse it any more. Must not throw. */
  readonly afterApply?: () => void;
  /** Of puts and merges that have none of their own; 0: the default of the handle (lifetime.ts). */
  readonly lifetime: number;
}

interface WaitingWrite {
  readonly apply: () => void;
  readonly reject: (reason: unknown) => void;
}

export interface WritePipelineOptions {
  state: DbState;
  wal: WriteLog;
  flusher: Flusher;
  clock: Clock;
  settings: Settings;
  /** Of puts and merges that nothing else is said of; 0: they do not expire. */
  defaultTtlMs: number;
  /** The last seq that has been given. */
  lastSeq: number;
  /** How many WAL objects there have been, replayed ones among them. */
  walObjectCount: () => number;
}

export class WritePipeline {
  readonly #state: DbState;
  readonly #wal: WriteLog;
  readonly #flusher: Flusher;
  readonly #clock: Clock;
  readonly #settings: Settings;
  readonly #defaultTtlMs: number;
  #lastSeq: number;
  readonly #walObjectCount: () => number;
  /** `walObjectCount` when the active MemTable took the place of the last one. */
  #objectsAtFreeze = 0;
  readonly #slowdown: WriteSlowdown;
  /** Writes that wait for memory, or because L0 is filling up, in the order of their calls. One signal may abort all of them, each from the middle. */
  readonly #waiting = new Set<WaitingWrite>();
  #closed: MoraineError | undefined;
  readonly #turn: TurnLimit;

  constructor(options: WritePipelineOptions) {
    this.#state = options.state;
    this.#wal = options.wal;
    this.#flusher = options.flusher;
    this.#clock = options.clock;
    this.#settings = options.settings;
    this.#defaultTtlMs = options.defaultTtlMs;
    this.#lastSeq = options.lastSeq;
    this.#walObjectCount = options.walObjectCount;
    this.#turn = new TurnLimit(options.clock);
    const { l0SoftMax, l0HardMax, memTableBytes } = options.settings;
    this.#slowdown = new WriteSlowdown({
      ...{ clock: options.clock, l0SoftMax, l0HardMax, memTableBytes },
      l0Count: () => this.#state.view.manifest.l0.length,
      onReady: () => this.wake(),
    });
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  get unflushedBytes(): number {
    return this.#state.memTableBytes + this.#wal.bufferedBytes + this.#flusher.builtBytes;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** One put, delete, merge or range delete, whose value is its end. Key and value are copied before the call returns. */
  writeOne(
    kind: OperationKind,
    key: Uint8Array,
    value: Uint8Array,
    request: WriteRequest,
    operatorId = 0,
  ): Promise<WriteResult> {
    if (this.#admits()) return this.#applyOne(kind, key, value, request, operatorId);
    const ownKey = copyBytes(key);
    const ownValue = copyBytes(value);
    return this.#wait(request, () => this.#applyOne(kind, ownKey, ownValue, request, operatorId));
  }

  /**
   * A batch, as pieces of encoded operations; they are copied before the call returns. `lifetimes` (lifetime.ts) are those of single
   * operations, of the first ones at least; they may be added to, not changed.
   */
  writeBatch(
    operations: readonly Uint8Array[],
    count: number,
    request: WriteRequest,
    lifetimes?: readonly number[],
  ): Promise<WriteResult> {
    if (this.#admits()) return this.#applyBatch(operations, count, request, lifetimes);
    const own = [concatBytes(operations)];
    return this.#wait(request, () => this.#applyBatch(own, count, request, lifetimes));
  }

  /**
   * A bulk load whose SSTs are stored: in one tick each of its runs takes a seq, it is seen, joins the queue, and one record
   * that names its SSTs enters the WAL buffer. From there it is a write like any other.
   */
  load(
    runs: readonly (readonly SstInfo[])[],
    createdAt: number,
  ): { seq: number; durable: Promise<void> } {
    if (this.#closed !== undefined) throw this.#closed;
    const firstSeq = this.#lastSeq + 1;
    const entries = runs.map((ssts, i) => ({ ssts, seq: firstSeq + i }));
    const record = encodeLoadRecord(entries, createdAt);
    this.freeze();
    const seq = this.#lastSeq + runs.length;
    this.#lastSeq = seq;
    this.#state.addLoad(entries);
    this.#flusher.enqueueLoad(entries);
    const slice = { chunk: record, start: 0, end: record.length };
    return { seq, durable: this.#wal.append(slice, seq, true, firstSeq)! };
  }

  /** Freezes the active MemTable if it holds anything. */
  freeze(): void {
    if (this.#state.active.isEmpty) return;
    this.#objectsAtFreeze = this.#walObjectCount();
    this.#flusher.enqueue(this.#state.freeze());
  }

  /** More of the WAL is stored. The next open reads all of it that is not in L0, however little is in each object. */
  limitLog(): void {
    const objects = this.#walObjectCount() - this.#objectsAtFreeze;
    if (objects >= this.#settings.walObjectsMax) this.freeze();
  }

  /** Memory has been freed, or L0 has room: writes that waited go on, in order. */
  wake(): void {
    for (const write of this.#waiting) {
      if (!this.#hasRoom()) break;
      this.#waiting.delete(write);
      write.apply();
    }
    if (this.#waiting.size > 0) this.#hurry();
  }

  /** Resolves when the writes that wait for memory now have their seqs. Rejects when they never will. */
  admitted(): Promise<void> {
    // In line behind them.
    return new Promise((resolve, reject) => this.#waiting.add({ apply: resolve, reject }));
  }

  /** No write is accepted from now on; those that wait get `error`. */
  close(error: MoraineError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    this.#slowdown.end();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const write of waiting) write.reject(error);
  }

  #admits(): boolean {
    return this.#waiting.size === 0 && this.#hasRoom();
  }

  /** One write may overshoot the limit, so that a batch of any size gets through. */
  #hasRoom(): boolean {
    return this.unflushedBytes < this.#settings.unflushedBytesMax && this.#slowdown.mayWrite();
  }

  /**
   * Memory is only freed by what is durable: somebody waits now, so the WAL does not wait for its interval. And reads make a MemTable with range
   * deletes grow: it may be full without a write that has seen it.
   */
  #hurry(): void {
    this.#slowdown.wait();
    if (this.#state.active.bytes >= this.#settings.memTableBytes) this.freeze();
    this.#wal.whenDurable(this.#lastSeq).catch(() => undefined);
  }

  #wait(request: WriteRequest, apply: () => Promise<WriteResult>): Promise<WriteResult> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (request.signal?.aborted) return Promise.reject(request.signal.reason);
    return new Promise((resolve, reject) => {
      const stopListening = whenAborted(request.signal, (reason) => {
        // Aborted before it got its seq: it leaves no trace.
        this.#waiting.delete(write);
        reject(reason);
      });
      const write: WaitingWrite = {
        apply: () => {
          stopListening();
          try {
            resolve(apply());
          } catch (error) {
            reject(error);
          }
        },
        reject: (reason) => {
          stopListening();
          reject(reason);
        },
      };
      this.#waiting.add(write);
      this.#hurry();
    });
  }

  #applyOne(
    kind: OperationKind,
    key: Uint8Array,
    value: Uint8Array,
    request: WriteRequest,
    operatorId: number,
  ): Promise<WriteResult> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const seq = this.#lastSeq + 1;
    const createdAt = Math.floor(this.#clock.now());
    const lifetime = request.lifetime === 0 ? this.#defaultTtlMs : request.lifetime;
    const isTimed = kind === OperationKind.put || kind === OperationKind.merge;
    const expiresAt = lifetime !== 0 && isTimed ? expiryOf(lifetime, createdAt) : 0;
    // It throws when there is no memory for it, and then the seq has not been given.
    const record = this.#state.active.applyOne(
      seq,
      createdAt,
      kind,
      key,
      value,
      expiresAt,
      operatorId,
    );
    this.#lastSeq = seq;
    const durable = this.#wal.append(record, seq, request.durable);
    this.#wrote(record.end - record.start);
    return this.#applied(seq, createdAt, durable, request);
  }

  #applyBatch(
    operations: readonly Uint8Array[],
    count: number,
    request: WriteRequest,
    lifetimes: readonly number[] | undefined,
  ): Promise<WriteResult> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    request.beforeApply?.();
    const seq = this.#lastSeq + 1;
    const createdAt = Math.floor(this.#clock.now());
    const lifetime = request.lifetime === 0 ? this.#defaultTtlMs : request.lifetime;
    const timed =
      lifetime === 0 && lifetimes === undefined
        ? operations
        : [timeOperations(operations, { count, lifetimes, fallback: lifetime, createdAt })];
    const record = this.#state.active.applyBatch(seq, createdAt, timed, count);
    this.#lastSeq = seq;
    const durable = this.#wal.append(record, seq, request.durable);
    request.afterApply?.();
    this.#wrote(record.end - record.start);
    return this.#applied(seq, createdAt, durable, request);
  }

  #wrote(bytes: number): void {
    this.#turn.add(bytes);
    this.#slowdown.wrote(bytes);
  }

  #applied(
    seq: number,
    createdAt: number,
    durable: Promise<void> | undefined,
    request: WriteRequest,
  ): Promise<WriteResult> {
    if (this.#state.active.bytes >= this.#settings.memTableBytes) this.freeze();
    const wal = this.#wal;
    const result: WriteResult = {
      seq,
      createdAt,
      durable() {
        const promise = wal.whenDurable(seq);
        promise.catch(() => undefined);
        return promise;
      },
    };
    if (durable === undefined) {
      const turnEnd = this.#turn.next();
      return turnEnd === undefined ? Promise.resolve(result) : turnEnd.then(() => result);
    }
    // The write goes on whatever the signal says: from here only the waiting can end.
    return withSignal(
      durable.then(() => result),
      request.signal,
    );
  }
}
