/** A reader in this process that follows the writer in the other one, through nothing but the store. */
import { DbReader } from "moraine";

export class Follower {
  #reader;
  #lagsMs = [];
  #waiting = false;

  static async open(url) {
    const follower = new Follower();
    follower.#reader = await DbReader.open(url, { pollIntervalMs: 50 });
    return follower;
  }

  /** A write was acknowledged just now: after how long is it here? One at a time. */
  acknowledged(seq) {
    if (this.#waiting) return;
    this.#waiting = true;
    const start = performance.now();
    this.#reader.waitForSeq(seq).then(
      () => {
        this.#lagsMs.push(performance.now() - start);
        this.#waiting = false;
      },
      () => undefined,
    );
  }

  /** Sees everything up to `seq`, then ends. */
  async finish(seq) {
    await this.#reader.waitForSeq(seq);
    const lags = this.#lagsMs.toSorted((a, b) => a - b);
    const result = {
      seq: this.#reader.seq,
      samples: lags.length,
      medianMs: lags[Math.floor(lags.length / 2)] ?? 0,
      worstMs: lags.at(-1) ?? 0,
      stats: this.#reader.stats(),
    };
    await this.#reader.close();
    return result;
  }

  close() {
    return this.#reader.close();
  }
}
