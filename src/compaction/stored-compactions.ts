/**
 * `StoredCompactions`: the newest state of compactions that this process knows, and how it commits the next one, by the rules of manifests.
 * There is no hint: the first use finds the newest by a listing, and then it is polled. The coordinator and the workers of a process share
 * one.
 */
import { withSignal } from "../common/abort.js";
import type { Compactions } from "../format/compactions.js";
import { compactorFencedBy } from "../manifest/stored-manifest.js";
import {
  type Asked,
  instantOf,
  StoredSeries,
  type StoredSeriesOptions,
} from "../manifest/stored-series.js";
import type { CompactionsStore } from "./compactions-store.js";
import { emptyCompactions, type StateTransition } from "./job-transitions.js";

export interface StateOptions {
  /** Of the coordinator: a state with a newer one is `FencedError`. */
  epoch?: number | undefined;
  signal?: AbortSignal | undefined;
}

export class StoredCompactions {
  readonly store: CompactionsStore;
  readonly #options: Omit<StoredSeriesOptions, "searchedAt">;
  #series: StoredSeries<Compactions> | undefined;
  #opening: Promise<StoredSeries<Compactions>> | undefined;

  constructor(store: CompactionsStore, options: Omit<StoredSeriesOptions, "searchedAt">) {
    this.store = store;
    this.#options = options;
  }

  /** The newest state that is known; the empty one before the first use. */
  get current(): Compactions {
    return this.#series?.current ?? emptyCompactions(this.store.databaseId);
  }

  /** Whether the newest state has been looked for. */
  get isOpen(): boolean {
    return this.#series !== undefined;
  }

  /** Commits the transition on top of the newest state, as `StoredManifest.commit` does. */
  async commit(transition: StateTransition, options: StateOptions = {}): Promise<Compactions> {
    const series = await this.#open(options.signal);
    return series.commit(transition, askedBy(options));
  }

  /** Looks for newer states: one GET when there is none; the first time a LIST, and a GET of what that finds. */
  async refresh(options: StateOptions = {}): Promise<Compactions> {
    const isFirst = this.#series === undefined;
    const series = await this.#open(options.signal);
    const asked = askedBy(options);
    // A listing has just told.
    return isFirst ? series.settle(asked) : series.refresh(asked);
  }

  /** Decides the outcome of an earlier commit, where that is not known. No request when it is. */
  async settle(options: StateOptions = {}): Promise<Compactions> {
    return this.#series === undefined ? this.current : this.#series.settle(askedBy(options));
  }

  #open(signal: AbortSignal | undefined): Promise<StoredSeries<Compactions>> {
    if (this.#series !== undefined) return Promise.resolve(this.#series);
    // Several may wait for it, so that no signal of one of them ends it.
    this.#opening ??= this.#find().finally(() => {
      this.#opening = undefined;
    });
    return withSignal(this.#opening, signal);
  }

  async #find(): Promise<StoredSeries<Compactions>> {
    const searchedAt = instantOf(this.#options.clock);
    const { store } = this;
    for (;;) {
      const highest = await store.highestNumber(0);
      const found = highest === undefined ? undefined : await store.get(highest);
      // It is only gone when newer ones have come and it was collected meanwhile: look again.
      if (highest !== undefined && found === undefined) continue;
      const newest = found?.value ?? emptyCompactions(store.databaseId);
      this.#series = new StoredSeries(store, newest, { ...this.#options, searchedAt });
      return this.#series;
    }
  }
}

function askedBy({ epoch, signal }: StateOptions): Asked<Compactions> {
  return {
    requireOwn({ compactorEpoch }) {
      if (epoch !== undefined && compactorEpoch > epoch) {
        throw compactorFencedBy(epoch, compactorEpoch);
      }
    },
    signal,
  };
}
