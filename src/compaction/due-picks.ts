/**
 * `DuePicks`: what the strategy picks, once the store has been asked how old that is which is to go for its age. Ids say it by the clock of whoever
 * minted them, which may be hours behind: rows that have just been written would go.
 */
import type { Ulid } from "../common/ids.js";
import type { CompactionInputs } from "../format/compactions.js";
import type { Manifest, SstInfo } from "../format/manifest.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { CompactionPick, CompactionStrategy } from "./strategy.js";

export interface DuePicksOptions {
  readonly store: ObjectStore;
  readonly strategy: CompactionStrategy;
}

/** HEADs under way at once. */
const atOnceMax = 32;
/** HEADs of one look, for which a round has to wait: what goes of the oldest lets the next round look on. */
const lookMax = 1024;
/** Of so many SSTs it is remembered when they were stored, though they may have gone since. */
const knownMax = 8192;

export class DuePicks {
  readonly #options: DuePicksOptions;
  /** `lastModified` of SSTs that by their ids are too old: those that are not are asked for once. */
  #storedAt = new Map<Ulid, number>();

  constructor(options: DuePicksOptions) {
    this.#options = options;
  }

  /**
   * As `CompactionStrategy.pick`, with a HEAD for each SST that goes for its age, or would by its id; at once where there is none. Rejects with a
   * `StoreError`, or with `signal.reason`.
   */
  of(
    manifest: Manifest,
    running: readonly CompactionInputs[],
    now: number,
    signal: AbortSignal | undefined,
  ): readonly CompactionPick[] | Promise<readonly CompactionPick[]> {
    const picks = this.#options.strategy.pick(manifest, running, now);
    const aged = picks.flatMap((pick) => pick.aged ?? []);
    if (aged.length === 0) return picks;
    return this.#ask(aged, signal).then(() => {
      const storedAt = (id: Ulid): number => this.#storedAt.get(id) ?? Number.POSITIVE_INFINITY;
      return this.#options.strategy.pick(manifest, running, now, storedAt);
    });
  }

  async #ask(aged: readonly SstInfo[], signal: AbortSignal | undefined): Promise<void> {
    const { store } = this.#options;
    if (this.#storedAt.size > knownMax) {
      const ids = new Set(aged.map(({ id }) => id));
      this.#storedAt = new Map([...this.#storedAt].filter(([id]) => ids.has(id)));
    }
    const asked = aged.filter(({ id }) => !this.#storedAt.has(id)).slice(0, lookMax);
    for (let i = 0; i < asked.length; i += atOnceMax) {
      await Promise.all(
        asked.slice(i, i + atOnceMax).map(async ({ id, owner }) => {
          const meta = await store.head(ObjectPaths.sst(id, owner), { signal, background: true });
          // What is lost has no rows that could go too early, and must not hold up the others.
          this.#storedAt.set(id, meta?.lastModified ?? 0);
        }),
      );
    }
  }
}
