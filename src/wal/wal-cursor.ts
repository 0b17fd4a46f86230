/**
 * `WalCursor`: a change feed's way through the logs, object after object, never past a gap and never past a fence.
 *
 * What must hold: an object is given only when nothing that was ever durable lies between the seq that the cursor has covered and
 * the object. Within a log that is so because ids follow each other. From one log to the next it has to be proved, as a writer
 * without a log may have been between the two; where it cannot be, the feed ends with `TruncatedError`.
 */
import { CorruptionError, TruncatedError } from "../common/errors.js";
import type { Manifest, WalPosition } from "../format/manifest.js";
import { decodeWalObject, peekBytes, peekFirstSeq, type WalObject } from "../format/wal-object.js";
import type { ManifestStore } from "../manifest/manifest-store.js";
import { comparePositions } from "../manifest/transitions.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import { endsAt, type LogSpan, logSpans, StoredPositions, spanAt } from "./log-spans.js";
import type { WalTail } from "./wal-tail.js";

/** The logs, as the handle that the feed belongs to knows them. */
export interface LogSource {
  /** Where the logs are. */
  readonly store: ObjectStore;
  readonly manifests: ManifestStore;
  readonly tail: WalTail;
  /** The newest manifest that is known. */
  manifest(): Manifest;
  /** Everything before this position, and at or after the start of replay, is stored and below the first fence of its log. */
  end(): WalPosition;
}

export interface CursorStart {
  /** Undefined: it is looked for. */
  readonly position: WalPosition | undefined;
  /** Changes with higher seqs are wanted. */
  readonly seq: number;
}

export class WalCursor {
  readonly #source: LogSource;
  readonly #signal: AbortSignal;
  #position: WalPosition | undefined;
  /** Everything durable up to here has been given, or was not wanted. */
  #seq: number;
  /** Nothing durable is between `#seq` and what is at the position. */
  #isProved: boolean;
  /** The log that was read to its end and left, until the next one is proved to be the next; 0: none. And the id at which it was left. */
  #leftEpoch = 0;
  #leftId = 0;
  #spans: { manifest: Manifest; spans: readonly LogSpan[] } | undefined;

  constructor(source: LogSource, start: CursorStart, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
    this.#position = start.position;
    this.#seq = start.seq;
    this.#isProved = start.position !== undefined;
  }

  /** What is read next; undefined while it is not known. */
  get position(): WalPosition | undefined {
    return this.#position;
  }

  /**
   * The next object that holds something above the seq that is covered, with that seq and the last one of it that is to be given; undefined
   * while there is none. One GET for each object and each fence, and none for what the tail holds.
   */
  async next(): Promise<{ object: WalObject; after: number; upTo: number } | undefined> {
    for (;;) {
      this.#signal.throwIfAborted();
      this.#position ??= await this.#find();
      const manifest = this.#source.manifest();
      const span = this.#enterSpan(manifest);
      const position = this.#position;
      const isAtEnd = span === undefined || comparePositions(position, this.#source.end()) >= 0;
      const isBehindL0 = this.#seq < manifest.lastL0Seq;
      if (isAtEnd && !isBehindL0) return undefined;
      // At the end and behind L0: the next object holds the rest, and is there already, or no log does.
      const object = span && (await this.#read(position));
      if (object === undefined) {
        if (this.#source.manifest() !== manifest) continue;
        if (isBehindL0) throw this.#truncated(manifest.lastL0Seq);
        const path = ObjectPaths.wal(position.epoch, position.id);
        throw new CorruptionError(path, "it is missing, and later objects of its log are not");
      }
      if (object.fence) {
        // Whatever comes is in a later log.
        this.#leftEpoch = this.#isProved ? position.epoch : 0;
        this.#leftId = position.id;
        this.#position = { epoch: position.epoch + 1, id: 1 };
        continue;
      }
      await this.#prove(object);
      const after = this.#seq;
      // Of an object that the handle has not come to, what L0 has is given; the rest when it has.
      const upTo = isAtEnd ? Math.min(object.lastSeq, manifest.lastL0Seq) : object.lastSeq;
      if (upTo === object.lastSeq) {
        this.#position = { epoch: position.epoch, id: position.id + 1 };
      }
      if (upTo <= after) continue;
      this.#seq = upTo;
      return { object, after, upTo };
    }
  }

  /** The span that is read, after moving to the beginning of the next one where the last one has ended. */
  #enterSpan(manifest: Manifest): LogSpan | undefined {
    const spans = this.#spansOf(manifest);
    const isBehindL0 = this.#seq < manifest.lastL0Seq;
    if (!isBehindL0 && comparePositions(this.#position!, manifest.walStart) < 0) {
      // What is before the start of replay is in L0, and all of that has been given.
      this.#position = manifest.walStart;
      this.#isProved = true;
      this.#leftEpoch = 0;
    }
    const position = this.#position!;
    const span = spanAt(spans, position);
    if (span === undefined) return undefined;
    const isInside = span.epoch === position.epoch && span.fromId <= position.id;
    if (!isInside) {
      this.#position = { epoch: span.epoch, id: span.fromId };
      if (this.#isProved && endsAt(spans, position)) {
        this.#leftEpoch = position.epoch;
        this.#leftId = position.id;
      }
    } else if (this.#leftEpoch === 0) return span;
    // What is durable and not in L0 is in the logs from the start of replay on, and none of those is passed over.
    if (isBehindL0) this.#isProved = false;
    else if (this.#isProved) this.#leftEpoch = 0;
    return span;
  }

  /** Throws unless the object is the next one after what is covered. */
  async #prove(object: WalObject): Promise<void> {
    if (!this.#isProved && object.firstSeq > this.#seq + 1 && !(await this.#wasChained(object))) {
      throw this.#truncated(object.firstSeq - 1);
    }
    this.#isProved = true;
    this.#leftEpoch = 0;
  }

  /**
   * There is a way from chain to chain, from the log that was left at its end to that of the object: then what was durable in between is in logs, of
   * which none is left to read, and seqs that are in neither were lost. Whoever fenced a log, or retired its end, had it in its chain, and a
   * writer without a log empties the chain with the first that it commits. Where that is not the writer of the object, nor a later one,
   * its own log has to begin with a fence: then it had one, stored nothing, and was in the chain of whoever placed that. Where nothing is
   * there it may have had no log.
   */
  async #wasChained({ epoch }: WalObject): Promise<boolean> {
    const source = this.#source;
    const left = this.#spansOf(source.manifest()).findLast(
      (span) => span.epoch === this.#leftEpoch,
    );
    if (left === undefined || left.epoch === epoch || left.retiredBy === 0) return false;
    // Somebody who had slept may have placed a fence where a record had been collected: that is not the end of the log.
    if (left.toId !== this.#leftId) return false;
    let writer = await this.#closerOf({ epoch: left.epoch, id: left.toId });
    if (writer < epoch) {
      const retiring = await source.manifests.get(left.retiredBy, this.#signal);
      writer = Math.max(writer, retiring?.manifest.writerEpoch ?? 0);
    }
    // Not above it: nobody but its own writer is known to have had it in a chain.
    while (writer > left.epoch && writer < epoch) {
      writer = await this.#closerOf({ epoch: writer, id: 1 });
    }
    return writer >= epoch;
  }

  /** Who placed the fence that is there; 0 where there is none. */
  async #closerOf(position: WalPosition): Promise<number> {
    const closerEpoch = (await this.#read(position))?.closerEpoch ?? 0;
    return closerEpoch > position.epoch ? closerEpoch : 0;
  }

  async #read(position: WalPosition): Promise<WalObject | undefined> {
    const source = this.#source;
    const path = ObjectPaths.wal(position.epoch, position.id);
    const known = source.tail.get(position);
    const bytes = known ?? (await source.store.get(path, { signal: this.#signal }))?.bytes;
    return bytes && decodeWalObject(bytes, path, source.manifest().databaseId, position);
  }

  /**
   * By bisection over all that is stored, a few bytes of each: the last object that begins at or below the first seq wanted. What is
   * gone counts as older than what is left.
   */
  async #find(): Promise<WalPosition> {
    const manifest = this.#source.manifest();
    const isBehindL0 = this.#seq < manifest.lastL0Seq;
    const from = isBehindL0 ? { epoch: 0, id: 0 } : manifest.walStart;
    const stored = new StoredPositions(logSpans(manifest), from, this.#source.end());
    let oldestSeq = manifest.lastL0Seq;
    let found: WalPosition | undefined;
    let low = 0;
    let high = stored.count;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      let index = middle;
      let firstSeq = await this.#peek(stored.at(index));
      // A fence says nothing of the seqs before it.
      while (firstSeq === 0 && index > low) firstSeq = await this.#peek(stored.at(--index));
      if (firstSeq !== undefined && firstSeq > this.#seq + 1) {
        oldestSeq = firstSeq - 1;
        high = index;
      } else {
        if (firstSeq !== 0) found = firstSeq === undefined ? undefined : stored.at(index);
        low = middle + 1;
      }
    }
    if (found !== undefined) return found;
    if (isBehindL0 && stored.count > 0) throw this.#truncated(oldestSeq);
    this.#isProved = !isBehindL0;
    return manifest.walStart;
  }

  /** The first seq of an object; 0 for a fence, undefined when it is gone. */
  async #peek(position: WalPosition): Promise<number | undefined> {
    const path = ObjectPaths.wal(position.epoch, position.id);
    const range = { offset: 0, length: peekBytes };
    const found = await this.#source.store.get(path, { range, signal: this.#signal });
    return found && peekFirstSeq(found.bytes, path);
  }

  #spansOf(manifest: Manifest): readonly LogSpan[] {
    if (this.#spans?.manifest !== manifest) this.#spans = { manifest, spans: logSpans(manifest) };
    return this.#spans.spans;
  }

  #truncated(oldestSeq: number): TruncatedError {
    return new TruncatedError(
      `The changes after seq ${this.#seq} are not in the write-ahead log any more. It goes on from seq ${oldestSeq}: read the database as it is, then its changes from there.`,
      { oldestSeq },
    );
  }
}
