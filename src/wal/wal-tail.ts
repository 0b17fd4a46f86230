/**
 * `WalTail`: the newest WAL objects as this process has sent or read them, for change feeds that are at the end of the log. It keeps
 * nothing while there is no such feed, and never more than `tailBytesMax`: a feed that falls behind reads the store.
 */
import { copyBytes } from "../common/bytes.js";
import type { WalPosition } from "../format/manifest.js";
import { comparePositions } from "../manifest/transitions.js";

const tailBytesMax = 4 * 1024 * 1024;

/** Whoever reads along; `position` is what it reads next. */
export interface TailReader {
  position: WalPosition;
}

export class WalTail {
  readonly #readers = new Set<TailReader>();
  #objects: { position: WalPosition; bytes: Uint8Array }[] = [];
  #bytes = 0;

  /** From now on objects are kept until this reader has passed them, or has fallen behind by more than is kept. */
  attach(reader: TailReader): void {
    this.#readers.add(reader);
  }

  detach(reader: TailReader): void {
    if (this.#readers.delete(reader)) this.trim();
  }

  /** An object that is stored; `lent`: its memory is not ours to keep. */
  add(position: WalPosition, bytes: Uint8Array, lent: boolean): void {
    if (this.#readers.size === 0) return;
    if (bytes.length > tailBytesMax) {
      this.#leaveBehind(position);
      return;
    }
    this.#objects.push({ position, bytes: lent ? copyBytes(bytes) : bytes });
    this.#bytes += bytes.length;
    while (this.#bytes > tailBytesMax) this.#leaveBehind(this.#objects[0]!.position);
  }

  get(position: WalPosition): Uint8Array | undefined {
    const isIt = (object: { position: WalPosition }): boolean =>
      comparePositions(object.position, position) === 0;
    return this.#objects.find(isIt)?.bytes;
  }

  /** Lets go of what every reader has passed. */
  trim(): void {
    let first: WalPosition | undefined;
    for (const { position } of this.#readers) {
      if (first === undefined || comparePositions(position, first) < 0) first = position;
    }
    this.#keep((position) => first !== undefined && comparePositions(position, first) >= 0);
  }

  /** Readers that have not passed `position` are not at the end any more. */
  #leaveBehind(position: WalPosition): void {
    for (const reader of this.#readers) {
      if (comparePositions(reader.position, position) <= 0) this.#readers.delete(reader);
    }
    this.#keep((kept) => this.#readers.size > 0 && comparePositions(kept, position) > 0);
  }

  #keep(isKept: (position: WalPosition) => boolean): void {
    this.#objects = this.#objects.filter(({ position }) => isKept(position));
    this.#bytes = this.#objects.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }
}
