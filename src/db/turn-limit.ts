/**
 * `TurnLimit`: how much is written in one turn of the event loop before a write that waits for nothing else waits for the turn to
 * end. A loop of awaited writes would otherwise never let timers fire or replies come in.
 */
import type { Clock } from "../common/clock.js";

const writesMax = 128;
const bytesMax = 256 * 1024;

export class TurnLimit {
  readonly #clock: Clock;
  #writes = 0;
  #bytes = 0;
  /** Resolves when the turn ends in which too much was written. */
  #end: Promise<void> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** So much has been written, by whatever write. */
  add(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Counts a write that waits for nothing else. Undefined while there is room in this turn. */
  next(): Promise<void> | undefined {
    this.#writes++;
    if (this.#end !== undefined) return this.#end;
    if (this.#writes < writesMax && this.#bytes < bytesMax) return undefined;
    this.#end = new Promise((resolve) => {
      this.#clock.endOfTurn(() => {
        this.#end = undefined;
        this.#writes = 0;
        this.#bytes = 0;
        resolve();
      });
    });
    return this.#end;
  }
}
