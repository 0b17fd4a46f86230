/** `WalIndex`: which WAL object holds which seqs, for everything that L0 does not hold yet. */
import type { WalPosition } from "../format/manifest.js";

interface IndexEntry extends WalPosition {
  readonly lastSeq: number;
}

export class WalIndex {
  /** How many objects have ever been added. */
  addedCount = 0;
  #entries: IndexEntry[] = [];

  /** In log order; `lastSeq` never falls. */
  add(position: WalPosition, lastSeq: number): void {
    this.addedCount++;
    this.#entries.push({ epoch: position.epoch, id: position.id, lastSeq });
  }

  /** The first object that holds a seq above `seq`, or `next` when none does. */
  firstAfter(seq: number, next: WalPosition): WalPosition {
    const entry = this.#entries.find((candidate) => candidate.lastSeq > seq);
    return entry === undefined ? next : { epoch: entry.epoch, id: entry.id };
  }

  /** Forgets objects that hold nothing above `seq`. */
  forget(seq: number): void {
    const kept = this.#entries.findIndex((candidate) => candidate.lastSeq > seq);
    this.#entries = kept < 0 ? [] : this.#entries.slice(kept);
  }
}
