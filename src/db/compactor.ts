/** The public names of `moraine/compactor`: compaction in a process of its own. Nothing here loads a cloud SDK. */
import { throwIfAborted, withSignal } from "../common/abort.js";
import type { MoraineError } from "../common/errors.js";
import { type KeyRange, keyRangeNames, toKeyBounds } from "../common/key-range.js";
import { lazy } from "../common/lazy.js";
import { asOfNow, checkOptions, requireSignal } from "../common/options.js";
import type { CompactorOptions } from "./compactor-options.js";
import type { Location } from "./location.js";
import type { OpenCompactor } from "./open-compactor.js";
import type { CompactorStats } from "./stats.js";

export type { CompactionFilter, FilterDecision } from "../compaction/compaction-filter.js";
export type { StrategyOptionTable } from "../compaction/strategy-options.js";
export type { WorkSource } from "../compaction/work-source.js";
export type { CompactorOptions } from "./compactor-options.js";
export type { Location } from "./location.js";
export { strategyTables } from "./new-strategy.js";
export type { CompactorStats } from "./stats.js";
export type { CompactionFailure } from "./watched-runner.js";

export interface CompactorCallOptions {
  /** Jobs are given back with what they have reached, and the call rejects with `signal.reason`. */
  signal?: AbortSignal | undefined;
}

const opener = lazy(() => import("./open-compactor.js"));

/**
 * Compacts a database beside its writer, which may be in any process, or in none. Several may be open: one of them plans and commits, and takes over from
 * another that has stopped; `worker: true` carries out what it plans. Opening one never disturbs the writer.
 */
export class Compactor {
  readonly #compactor: OpenCompactor;

  /** `NotFoundError` when there is no database. */
  static async open(location: Location, options?: CompactorOptions): Promise<Compactor> {
    const given = [asOfNow(location), asOfNow(options)] as const;
    const { openCompactor } = await opener();
    return new Compactor(await openCompactor(...given));
  }

  private constructor(compactor: OpenCompactor) {
    this.#compactor = compactor;
  }

  /**
   * Looks what is due and does it, until nothing is: for a wake-up from outside, such as the message of a queue or the event of a function. Gives how many
   * jobs were done. A look that finds nothing costs two GETs.
   */
  async runOnce(options?: CompactorCallOptions): Promise<number> {
    checkSignal(options, "runOnce");
    return this.#compactor.runOnce(options?.signal);
  }

  /** Goes on compacting, polling the store for work, until the signal is aborted or it is closed; then it is closed, and this resolves. Rejects with what else ended it. */
  async run(options?: CompactorCallOptions): Promise<void> {
    checkSignal(options, "run");
    return this.#compactor.run(options?.signal);
  }

  /** Merges all that is stored of a key range, or of every key, and resolves when that is committed. What only the writer's memory holds is not there yet. */
  async compact(range?: KeyRange, options?: CompactorCallOptions): Promise<void> {
    checkOptions(range, keyRangeNames, "compact");
    const bounds = range && toKeyBounds(range);
    checkSignal(options, "compact");
    return withSignal(this.#compactor.compact(bounds, options?.signal), options?.signal);
  }

  stats(): CompactorStats {
    return this.#compactor.stats();
  }

  /** Resolves when it is closed: with the error that ended it, or undefined after `close()`. Never rejects. */
  get closed(): Promise<MoraineError | undefined> {
    return this.#compactor.closed;
  }

  /** Jobs are given back with what they have reached. Closing twice is harmless. */
  async close(): Promise<void> {
    return this.#compactor.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function checkSignal(options: CompactorCallOptions | undefined, what: string): void {
  checkOptions(options, ["signal"], what);
  requireSignal(options?.signal);
  throwIfAborted(options?.signal);
}
