/**
 * `WriteAheadLog`: the log of one writer epoch, with group commit.
 *
 * Batches collect in a group. A group that somebody waits for is sent at the end of the turn of the event loop if fewer
 * than `putsInFlight` are on their way and the budget has a token; otherwise it grows until both are so. What nobody waits
 * for is sent after `flushIntervalMs`. A group is sealed when it is first sent: its id, token and bytes never change again.
 * Acknowledgements go out in id order. An id that is taken by another means that this writer was fenced.
 */
import { bodyPool } from "../common/byte-pool.js";
import { equalBytes } from "../common/bytes.js";
import type { Clock, Timer } from "../common/clock.js";
import { FencedError, MoraineError, StoreError, UnknownOutcomeError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import { outcomeOfSent } from "../common/outcome-of-sent.js";
import type { Random } from "../common/random.js";
import type { WalPosition } from "../format/manifest.js";
import { decodeWalObject, encodeWalGroup } from "../format/wal-object.js";
import type { RecordSlice } from "../memtable/mem-table.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import { TokenBucket } from "./token-bucket.js";
import { WalGroup } from "./wal-group.js";
import type { WalIndex } from "./wal-index.js";
import type { WriteLog } from "./write-log.js";

/** A writer that was silent for longer proves its epoch before it acknowledges. */
const silenceMs = 60_000;
/** A group of this size is sent without waiting for anybody. */
const groupBytesMax = 8 * 1024 * 1024;
/** When nothing is on its way, one of this size is: the larger its body, the longer its PUT takes on top of the interval. */
const idleGroupBytesMax = 3 * 1024 * 1024;
/** A store in memory answers within the turn: after so many groups timers and messages have theirs. */
const groupsPerTurnMax = 64;

export interface WriteAheadLogOptions {
  store: ObjectStore;
  databaseId: Ulid;
  epoch: number;
  clock: Clock;
  random: Random;
  putsInFlight: number;
  putsPerSecond: number;
  putsBurst: number;
  flushIntervalMs: number;
  index: WalIndex;
  /** Everything up to here is durable already. */
  durableSeq: number;
  /** Aborts what is on its way when the handle ends. */
  signal: AbortSignal;
  /** Reads the manifest after the known one; rejects with `FencedError` when a newer writer is there. */
  proveEpoch: () => Promise<unknown>;
  /** An object of the log is stored, though perhaps not yet acknowledged. Its bytes are only lent. */
  onStored?: ((position: WalPosition, bytes: Uint8Array) => void) | undefined;
  /** The durable seq has risen. */
  onDurable: () => void;
  /** The log has failed for good; called once. */
  onFailed: (error: MoraineError) => void;
}

export class WriteAheadLog implements WriteLog {
  readonly #options: WriteAheadLogOptions;
  readonly #bucket: TokenBucket;
  #group = new WalGroup();
  #inFlight: WalGroup[] = [];
  #nextId = 1;
  /** The last seq of the last group that was sent. */
  #sentSeq = 0;
  #durableSeq: number;
  /** Every group up to this id is stored. */
  #acknowledgedId = 0;
  #lastStored: { wall: number; monotonic: number };
  /** Groups sent since the last turn of the event loop that has surely ended. */
  #sentInTurn = 0;
  #turnScheduled = false;
  #intervalTimer: Timer | undefined;
  #tokenTimer: Timer | undefined;
  #failure: MoraineError | undefined;
  /** The group whose refusal by the store was the end. */
  #refused: WalGroup | undefined;

  constructor(options: WriteAheadLogOptions) {
    this.#options = options;
    this.#durableSeq = options.durableSeq;
    this.#lastStored = { wall: options.clock.now(), monotonic: options.clock.monotonic() };
    this.#bucket = new TokenBucket({
      perSecond: options.putsPerSecond,
      burst: options.putsBurst,
      now: this.#lastStored.monotonic,
    });
  }

  get durableSeq(): number {
    return this.#durableSeq;
  }

  get durableEndId(): number {
    return this.#acknowledgedId + 1;
  }

  /** The id that the next group gets. */
  get nextPosition(): WalPosition {
    return { epoch: this.#options.epoch, id: this.#nextId };
  }

  /** Bytes that wait to be sent or are on their way. */
  get bufferedBytes(): number {
    let bytes = this.#group.bytes;
    for (const group of this.#inFlight) bytes += group.bytes;
    return bytes;
  }

  /** Where replay starts when L0 holds everything up to `seq`, all of which is durable. */
  positionAfter(seq: number): WalPosition {
    return this.#options.index.firstAfter(seq, this.nextPosition);
  }

  /** Adds a batch or a load; with `durable` the promise of its group, which is then sent as soon as possible. */
  append(
    record: RecordSlice,
    seq: number,
    durable: boolean,
    firstSeq: number = seq,
  ): Promise<void> | undefined {
    const group = this.#group;
    group.add(record, firstSeq, seq);
    const bytesMax = this.#inFlight.length === 0 ? idleGroupBytesMax : groupBytesMax;
    if (durable || group.bytes >= bytesMax) this.#want(group);
    else if (!group.wanted && this.#intervalTimer === undefined) {
      this.#intervalTimer = this.#options.clock.after(this.#options.flushIntervalMs, () => {
        this.#intervalTimer = undefined;
        if (this.#group.recordCount > 0) {
          this.#group.wanted = true;
          this.#send();
        }
      });
    }
    return durable ? group.durable.promise : undefined;
  }

  /** Resolves when everything up to `seq` is durable, and sees to it. */
  async whenDurable(seq: number): Promise<void> {
    if (seq <= this.#durableSeq) return;
    if (this.#failure !== undefined) {
      throw this.#mayBeStored(seq) ? outcomeOfSent(this.#failure) : this.#failure;
    }
    const sent = this.#inFlight.find((group) => group.lastSeq >= seq);
    if (sent === undefined) this.#want(this.#group);
    await (sent ?? this.#group).durable.promise;
  }

  /** Nothing is sent or acknowledged from now on; whoever waits gets `error`. */
  fail(error: MoraineError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#intervalTimer?.cancel();
    this.#tokenTimer?.cancel();
    const sent = this.#inFlight;
    this.#inFlight = [];
    this.#refused = sent.find((group) => group.refused);
    for (const group of sent) {
      group.durable.reject(this.#mayBeStored(group.lastSeq) ? outcomeOfSent(error) : error);
    }
    this.#group.durable.reject(error);
  }

  #mayBeStored(seq: number): boolean {
    const refused = this.#refused;
    if (refused !== undefined && seq >= refused.firstSeq && seq <= refused.lastSeq) return false;
    return seq <= this.#sentSeq;
  }

  #want(group: WalGroup): void {
    group.wanted = true;
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    this.#options.clock.endOfTurn(() => {
      this.#turnScheduled = false;
      this.#sentInTurn = 0;
      this.#send();
    });
  }

  #send(): void {
    while (
      this.#failure === undefined &&
      this.#group.wanted &&
      this.#group.recordCount > 0 &&
      this.#inFlight.length < this.#options.putsInFlight &&
      this.#tokenTimer === undefined
    ) {
      if (this.#sentInTurn >= groupsPerTurnMax) {
        this.#want(this.#group);
        return;
      }
      const waitMs = this.#bucket.take(this.#options.clock.monotonic());
      if (waitMs > 0) {
        this.#tokenTimer = this.#options.clock.after(waitMs, () => {
          this.#tokenTimer = undefined;
          this.#send();
        });
        return;
      }
      const group = this.#group;
      this.#group = new WalGroup();
      this.#intervalTimer?.cancel();
      this.#intervalTimer = undefined;
      group.id = this.#nextId++;
      this.#sentSeq = group.lastSeq;
      this.#inFlight.push(group);
      this.#sentInTurn++;
      this.#options.index.add({ epoch: this.#options.epoch, id: group.id }, group.lastSeq);
      this.#store(group).then(
        () => this.#acknowledge(),
        (error: unknown) => this.#failed(error),
      );
    }
  }

  async #store(group: WalGroup): Promise<void> {
    const { store, databaseId, epoch, random, clock, proveEpoch, signal } = this.#options;
    const { id, firstSeq, lastSeq, recordCount } = group;
    const acknowledgedId = this.#acknowledgedId;
    const token = random.bytes(16);
    const records = group.takeRecords();
    const body = encodeWalGroup(
      databaseId,
      { epoch, id, token, firstSeq, lastSeq, recordCount, acknowledgedId, records },
      (length) => bodyPool.lend(length),
    );
    const path = ObjectPaths.wal(epoch, id);
    const silent =
      clock.now() - this.#lastStored.wall > silenceMs ||
      clock.monotonic() - this.#lastStored.monotonic > silenceMs;
    try {
      const [outcome] = await Promise.all([
        store.create(path, body, { signal }).catch((error: unknown) => {
          group.refused = isRefusal(error);
          throw error;
        }),
        silent ? proveEpoch() : undefined,
      ]);
      if (outcome === "exists") await this.#requireOwn(path, body, id);
    } catch (error) {
      bodyPool.forget(body);
      throw error;
    }
    this.#options.onStored?.({ epoch, id }, body);
    bodyPool.giveBack(body);
    group.stored = true;
    this.#lastStored = { wall: clock.now(), monotonic: clock.monotonic() };
  }

  /** Equal bytes are mine: I had won. Anything else there, or nothing any more: I have been superseded. */
  async #requireOwn(path: string, body: Uint8Array, id: number): Promise<void> {
    const { store, databaseId, epoch, proveEpoch, signal } = this.#options;
    const found = await store.get(path, { signal });
    if (found !== undefined && equalBytes(found.bytes, body)) return;
    // It knows the newer epoch; that this writer is at its end is certain without it.
    await proveEpoch().catch((error: unknown) => {
      if (error instanceof FencedError) throw error;
    });
    const fence = found && decodeWalObject(found.bytes, path, databaseId, { epoch, id });
    throw new FencedError(
      "Another writer has ended this writer's log. Nothing more can be written through this handle.",
      { ownEpoch: epoch, seenEpoch: fence?.closerEpoch },
    );
  }

  #acknowledge(): void {
    if (this.#failure !== undefined) return;
    let advanced = false;
    while (this.#inFlight[0]?.stored) {
      const group = this.#inFlight.shift()!;
      this.#durableSeq = group.lastSeq;
      this.#acknowledgedId = group.id;
      advanced = true;
      group.durable.resolve();
    }
    if (advanced) this.#options.onDurable();
    this.#send();
  }

  #failed(cause: unknown): void {
    if (this.#failure !== undefined) return;
    const error =
      cause instanceof MoraineError
        ? cause
        : new UnknownOutcomeError("The write-ahead log could not be written.", { cause });
    this.fail(error);
    this.#options.onFailed(error);
  }
}

/** Whoever repeats a `create` only says so when no attempt may have been applied. */
function isRefusal(error: unknown): boolean {
  return error instanceof StoreError && error.reason === "denied";
}
