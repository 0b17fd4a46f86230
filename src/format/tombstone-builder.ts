/** `TombstoneBuilder`: gathers the range deletes of an SST, and makes its section of them and what its manifest says. */
import { assert } from "../common/assert.js";
import { compareBytes } from "../common/bytes.js";
import { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import type { RangeTombstone } from "../common/range-tombstone.js";
import type { BlockAppender } from "./block-appender.js";
import type { Compression } from "./compression.js";
import type { TombstoneSpan } from "./manifest.js";
import { encodeTombstones } from "./tombstone-block.js";
import { summarizeTombstones } from "./tombstone-spans.js";

export class TombstoneBuilder {
  readonly #tombstones: RangeTombstone[] = [];
  #minSeq = Number.MAX_SAFE_INTEGER;
  #maxSeq = 0;

  get count(): number {
    return this.#tombstones.length;
  }

  /** Of all of them; the highest safe integer without any. */
  get minSeq(): number {
    return this.#minSeq;
  }

  /** 0 without any. */
  get maxSeq(): number {
    return this.#maxSeq;
  }

  /** Keeps the arrays. */
  add(tombstone: RangeTombstone): void {
    const { start, end, seq } = tombstone;
    assert(Number.isSafeInteger(seq) && seq > 0, "the seq of a range delete is a safe integer");
    assert(end === undefined || compareBytes(start, end) < 0, "a range delete covers a key");
    this.#tombstones.push(tombstone);
    if (seq < this.#minSeq) this.#minSeq = seq;
    if (seq > this.#maxSeq) this.#maxSeq = seq;
  }

  /** Writes the block that is the section. There is at least one. */
  finish(blocks: BlockAppender, compression: Compression | undefined): readonly TombstoneSpan[] {
    const fragmented = FragmentedTombstones.of(this.#tombstones);
    const payload = encodeTombstones(fragmented);
    if (compression === undefined || !blocks.appendCompressed(payload, compression)) {
      blocks.appendBlock(payload);
    }
    return summarizeTombstones(fragmented);
  }
}
