/** `Snapshots`: what is open of a handle at older seqs, so that it is closed with the handle and nobody gives up what it sees. */
import { describeType } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import type { ReadView } from "./read-view.js";
import { Snapshot } from "./snapshot.js";

/** Something that reads at a seq. */
export interface Pin {
  readonly seq: number;
  /** Called when the handle ends. */
  close(): void;
}

const sweepAtLeast = 64;

export class Snapshots {
  /** By seq, because a handle's seqs only grow: the first is the oldest. */
  readonly #pins = new Set<Pin>();
  /**
   * The seqs of scans, by what ends them. Whoever drops a scan without closing it must not make the database keep old versions for ever: so
   * nothing here holds it.
   */
  readonly #kept = new Map<WeakRef<() => void>, number>();
  /** With so many, those that nobody has any more are looked for. */
  #sweepAt = sweepAtLeast;

  /** `onClose` is called when it is closed, by whoever. */
  take(read: ReadView, onClose?: () => void): Snapshot {
    const snapshot: Snapshot = new Snapshot(this, read, () => {
      this.remove(snapshot);
      onClose?.();
    });
    this.add(snapshot);
    return snapshot;
  }

  /** The view of a snapshot of this handle. Throws for anything else, and for a closed one. */
  viewOf(snapshot: unknown): ReadView {
    if (!(snapshot instanceof Snapshot)) {
      throw new InvalidArgumentError(
        `"snapshot" must be what snapshot() gives, not ${describeType(snapshot)}.`,
      );
    }
    return snapshot.viewFor(this);
  }

  /** `pin.seq` is not below any that has been added. */
  add(pin: Pin): void {
    this.#pins.add(pin);
  }

  remove(pin: Pin): void {
    this.#pins.delete(pin);
  }

  get count(): number {
    return this.#pins.size;
  }

  /** The seq of the oldest pin; undefined when there is none. */
  get oldestSeq(): number | undefined {
    for (const { seq } of this.#pins) return seq;
    return undefined;
  }

  /**
   * Versions that a read at this seq or a later one sees are needed, by pins or scans; undefined when only the newest are. At least 1: before the first
   * write there is nothing to see, and in a manifest 0 says that nothing is needed.
   */
  get neededSeq(): number | undefined {
    let needed = this.oldestSeq;
    for (const [reference, seq] of this.#kept) {
      if (reference.deref() === undefined) this.#kept.delete(reference);
      else if (needed === undefined || seq < needed) needed = seq;
    }
    return needed === undefined ? undefined : Math.max(1, needed);
  }

  /** What reads at this seq see is needed until the result is called, or nobody has it any more. */
  keep(seq: number): () => void {
    const release = (): void => void this.#kept.delete(reference);
    const reference = new WeakRef(release);
    this.#kept.set(reference, seq);
    if (this.#kept.size >= this.#sweepAt) this.#sweep();
    return release;
  }

  #sweep(): void {
    for (const reference of this.#kept.keys()) {
      if (reference.deref() === undefined) this.#kept.delete(reference);
    }
    this.#sweepAt = Math.max(sweepAtLeast, 2 * this.#kept.size);
  }

  /** The handle has ended. */
  close(): void {
    for (const pin of this.#pins) pin.close();
    this.#pins.clear();
  }
}
