/** `Snapshots`: what is open of a handle at older seqs, so that it is closed with the handle and nobody gives up what it sees. */
import { describeType } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import type { ReadView } from "./reads.js";
import { Snapshot } from "./snapshot.js";

/** Something that reads at a seq. */
export interface Pin {
  readonly seq: number;
  /** Called when the handle ends. */
  close(): void;
}

export class Snapshots {
  /** By seq, because a handle's seqs only grow: the first is the oldest. */
  readonly #pins = new Set<Pin>();

  take(read: ReadView): Snapshot {
    const snapshot: Snapshot = new Snapshot(this, read, () => this.remove(snapshot));
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

  /** Versions that a read at this seq or a later one sees are needed; undefined when only the newest are. */
  get oldestSeq(): number | undefined {
    for (const { seq } of this.#pins) return seq;
    return undefined;
  }

  /** The handle has ended. */
  close(): void {
    for (const pin of this.#pins) pin.close();
    this.#pins.clear();
  }
}
