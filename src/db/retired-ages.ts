/**
 * `RetiredAges`: whether something on the retired list may be old enough to be collected, by the times that manifests themselves say; no request. A guess:
 * the collector looks again, by the store's clock.
 */
import type { Clock } from "../common/clock.js";
import type { Manifest } from "../format/manifest.js";

const markIntervalMs = 60_000;

export class RetiredAges {
  readonly #clock: Clock;
  readonly #graceMs: number;
  /** Of manifests that this process has seen, oldest first, no more than one a minute. */
  #marks: { readonly number: number; readonly createdAt: number }[] = [];

  constructor(clock: Clock, graceMs: number) {
    this.#clock = clock;
    this.#graceMs = graceMs;
  }

  /** @internal For tests. */
  get markCount(): number {
    return this.#marks.length;
  }

  /** To be called with each manifest that becomes known. */
  saw({ number, createdAt }: Manifest): void {
    const last = this.#marks.at(-1);
    if (
      last !== undefined &&
      createdAt - last.createdAt < Math.min(markIntervalMs, this.#graceMs)
    ) {
      return;
    }
    this.#marks.push({ number, createdAt });
    const oldestOfUse = this.#marks.findLastIndex((mark) => this.#isOld(mark));
    if (oldestOfUse > 0) this.#marks = this.#marks.slice(oldestOfUse);
  }

  /** What was retired by a manifest that is old is as old, or older. */
  mayHaveOld(manifest: Manifest): boolean {
    if (this.#graceMs === 0) return manifest.retired.length > 0;
    const newestOld = this.#marks.findLast((mark) => this.#isOld(mark));
    if (newestOld === undefined) return false;
    return manifest.retired.some(({ manifestNumber }) => manifestNumber <= newestOld.number);
  }

  #isOld({ createdAt }: { readonly createdAt: number }): boolean {
    return this.#clock.now() - createdAt >= this.#graceMs;
  }
}
