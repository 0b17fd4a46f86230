/** `TimeSlice`: long work in slices of a few ms, between which the event loop is free for others. */
import type { Clock } from "./clock.js";

const sliceMs = 4;
/** After so many bytes of work a look at the clock costs nothing in comparison; a row of no bytes counts as some. */
const bytesBetweenLooks = 64 * 1024;
const rowOverheadBytes = 128;

export class TimeSlice {
  readonly #clock: Clock;
  #end: number;
  #bytesToLook = bytesBetweenLooks;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#end = clock.monotonic() + sliceMs;
  }

  /** The time is used up. */
  get isOver(): boolean {
    return this.#clock.monotonic() >= this.#end;
  }

  /** A row of so many bytes was worked on; true when the time is used up, which is not looked at each time. */
  isOverAfter(rowBytes: number): boolean {
    this.#bytesToLook -= rowBytes + rowOverheadBytes;
    if (this.#bytesToLook > 0) return false;
    this.#bytesToLook = bytesBetweenLooks;
    return this.isOver;
  }

  /** Lets others have their turn; when it resolves the next slice has begun. */
  async giveTurn(): Promise<void> {
    await new Promise<void>((resolve) => this.#clock.endOfTurn(resolve));
    this.#end = this.#clock.monotonic() + sliceMs;
  }
}
