/** `TombstoneBuilder`: gathers the range deletes of an SST, and makes its section of them and what its manifest says. */
import { assert } from "../common/assert.js";
import { type Bytes, copyBytes } from "../common/bytes.js";
import { runSteps, type Steps } from "../common/steps.js";
import { joinSteps, type TombstoneColumns } from "../common/tombstone-columns.js";
import { newestSeqsSteps } from "../common/tombstone-tree.js";
import type { BlockAppender } from "./block-appender.js";
import type { Compression } from "./compression.js";
import type { TombstoneSpan } from "./manifest.js";
import { encodeSteps } from "./tombstone-block.js";
import { summarizeTombstones } from "./tombstone-spans.js";

/** What is written and said of all of them. */
interface Prepared {
  readonly payload: Bytes;
  readonly spans: readonly TombstoneSpan[];
  /** Where the first one begins. */
  readonly firstKey: Bytes;
}

export class TombstoneBuilder {
  /** To be joined. */
  #parts: TombstoneColumns[] = [];
  #prepared: Prepared | undefined;
  #count = 0;
  #minSeq = Number.MAX_SAFE_INTEGER;
  #maxSeq = 0;

  get count(): number {
    return this.#count;
  }

  /** Of all of them; the highest safe integer without any. */
  get minSeq(): number {
    return this.#minSeq;
  }

  /** 0 without any. */
  get maxSeq(): number {
    return this.#maxSeq;
  }

  /** Keeps the columns. */
  add(columns: TombstoneColumns): void {
    const { firsts, ends, seqs } = columns;
    assert(this.#prepared === undefined, "no range deletes come after the last one");
    for (let i = 0; i < seqs.length; i++) {
      const seq = seqs[i]!;
      assert(Number.isSafeInteger(seq) && seq > 0, "the seq of a range delete is a safe integer");
      assert(firsts[i]! < ends[i]!, "a range delete covers a key");
      if (seq < this.#minSeq) this.#minSeq = seq;
      if (seq > this.#maxSeq) this.#maxSeq = seq;
    }
    this.#parts.push(columns);
    this.#count += seqs.length;
  }

  /** Nearly all of the work for `finish`, in steps of a few ms at most; no more can be added. There is at least one. */
  *prepare(): Steps<void> {
    while (this.#parts.length > 1) {
      const joined: TombstoneColumns[] = [];
      for (let i = 0; i + 1 < this.#parts.length; i += 2) {
        joined.push(yield* joinSteps(this.#parts[i]!, this.#parts[i + 1]!));
      }
      if (this.#parts.length % 2 === 1) joined.push(this.#parts.at(-1)!);
      this.#parts = joined;
    }
    const columns = this.#parts[0]!;
    const payload = yield* encodeSteps(columns);
    const newest = yield* newestSeqsSteps(columns);
    yield;
    const spans = summarizeTombstones({ columns }, newest);
    this.#prepared = { payload, spans, firstKey: copyBytes(columns.keys, 0, columns.offsets[1]!) };
    this.#parts = [];
    // Compressing takes its time, too.
    yield;
  }

  /** Writes the block that is the section. There is at least one. */
  finish(
    blocks: BlockAppender,
    compression: Compression | undefined,
  ): Pick<Prepared, "spans" | "firstKey"> {
    if (this.#prepared === undefined) runSteps(this.prepare());
    const { payload, spans, firstKey } = this.#prepared!;
    if (compression === undefined || !blocks.appendCompressed(payload, compression)) {
      blocks.appendBlock(payload);
    }
    return { spans, firstKey };
  }
}
