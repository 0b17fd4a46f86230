/** `HintWriter`: puts the hint after confirmed commits, at most once a second, and without a timer. */
import { withSignal } from "../common/abort.js";
import type { Clock } from "../common/clock.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";

const intervalMs = 1000;
const finishMaxMs = 5000;

export class HintWriter {
  readonly #stored: StoredManifest;
  readonly #clock: Clock;
  #putNumber = 0;
  #putAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> = Promise.resolve();
  #busy = false;
  readonly #abort = new AbortController();

  constructor(stored: StoredManifest, clock: Clock) {
    this.#stored = stored;
    this.#clock = clock;
  }

  /** After a commit. A hint that is behind only costs the next opener a few GETs, so nobody waits for it. */
  committed(): void {
    if (this.#busy || this.#clock.monotonic() - this.#putAt < intervalMs) return;
    this.#put();
  }

  /** Puts what is not put yet and waits for it, though not for long: a failure is no failure of the database. */
  async finish(): Promise<void> {
    const enough = new AbortController();
    const timer = this.#clock.after(finishMaxMs, () => enough.abort());
    try {
      await withSignal(this.#finish(), enough.signal).catch(() => undefined);
    } finally {
      timer.cancel();
    }
  }

  /** The handle has ended: nothing is sent any more, and what is under way is given up. */
  end(reason: Error): void {
    this.#abort.abort(reason);
  }

  async #finish(): Promise<void> {
    await this.#running;
    this.#put();
    await this.#running;
  }

  #put(): void {
    const bytes = this.#stored.ownBytes;
    const number = this.#stored.current.number;
    // A manifest of another role is hinted at by that role.
    if (bytes === undefined || number <= this.#putNumber) return;
    this.#putNumber = number;
    this.#putAt = this.#clock.monotonic();
    this.#busy = true;
    this.#running = this.#stored.manifests.putHint(bytes, this.#abort.signal).then(
      () => {
        this.#busy = false;
      },
      () => {
        this.#busy = false;
      },
    );
  }
}
