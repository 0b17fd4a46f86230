/**
 * `Coordinator`: holds the compactor's epoch and decides. A round looks at the manifest and at the state of jobs, commits what is done,
 * takes jobs back from workers that are gone, gives up those whose inputs are, and plans new ones. First the manifest, then the state: a
 * round that ends between the two is taken up by the next one, whoever does it.
 *
 * What must hold: before its first other commit of the manifest the state has its epoch, so that no job of an older coordinator appears
 * later; and the floor stays below every job in the state.
 */
import { FencedError } from "../common/errors.js";
import {
  claimCompactor,
  isCompactorFree,
  leaveCompactor,
} from "../manifest/compaction-transitions.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { CompactionTotals, CoordinatorOptions, RoundContext } from "./coordinator-options.js";
import { CoordinatorRound, type RoundResult } from "./coordinator-round.js";
import { DuePicks } from "./due-picks.js";
import { outcomeTransition } from "./outcome-transition.js";
import { areAtOdds } from "./plan-job.js";
import { ReadableLists } from "./readable-lists.js";
import { RequestedCompactions } from "./requested-compactions.js";
import { StandBy } from "./stand-by.js";

/** After another process has claimed the epoch between a look and a claim. */
const claimAgainMs = 5;

export interface RoundOptions {
  readonly signal?: AbortSignal | undefined;
  /** Looks for what other processes have committed: two GETs. Default true. */
  readonly refresh?: boolean | undefined;
  /** Takes the epoch when there is something to do, whoever has it. Default false. */
  readonly claims?: boolean | undefined;
}

/** `lookAgainMs`: when another round may find something though nothing is committed by then; undefined: never. */
export type Round = RoundResult & { readonly leads: boolean };

/** Rounds are one at a time. */
export class Coordinator {
  readonly requests: RequestedCompactions = new RequestedCompactions();
  readonly totals: CompactionTotals = {
    ...{ committedJobs: 0, failedJobs: 0, inputBytes: 0, outputBytes: 0, movedSsts: 0 },
  };
  readonly #options: RoundContext;
  readonly #standBy: StandBy;
  #round: CoordinatorRound | undefined;
  #wasFenced = false;
  /** The store's time is as new as a manifest of its own; before, it may be as old as what was read. */
  #knowsTime = false;

  constructor(options: CoordinatorOptions) {
    const { totals } = this;
    const lists = new ReadableLists(options);
    this.#options = { ...options, totals, lists, picks: new DuePicks(options) };
    this.#standBy = new StandBy(options.clock, options.l0SoftMax);
  }

  /** Rejects with a `StoreError`, or with `signal.reason`; the next round goes on where this one was. */
  async runOnce(options: RoundOptions = {}): Promise<Round> {
    const { signal, refresh = true, claims = false } = options;
    const { storedManifest } = this.#options;
    const fresh = this.requests.fresh();
    if (refresh || fresh.length > 0) await storedManifest.refresh({ signal });
    for (const request of fresh) request.isFresh = false;
    try {
      const waitMs = await this.#lead(claims, signal);
      if (waitMs !== 0) return await this.#standsBy(waitMs, signal);
      return { ...(await this.#round!.run(refresh, signal)), leads: true };
    } catch (error) {
      if (!(error instanceof FencedError)) throw error;
      this.#fenced(error);
      return await this.#standsBy(undefined, signal);
    }
  }

  /** 0: the epoch is its own. Otherwise how long it waits; undefined: until something happens. */
  async #lead(claims: boolean, signal: AbortSignal | undefined): Promise<number | undefined> {
    const { storedManifest, compactions } = this.#options;
    const manifest = storedManifest.current;
    if (this.#round !== undefined) {
      if (this.#round.epoch === manifest.compactorEpoch) return 0;
      throw new FencedError("Another compactor took over. It goes on with the work.", {
        ownEpoch: this.#round.epoch,
        seenEpoch: manifest.compactorEpoch,
      });
    }
    if (!(await this.#wantsEpoch(claims, signal))) {
      if (!this.#standBy.isDue(manifest)) return undefined;
      const waitMs = this.#standBy.waitMs(manifest, await compactions.refresh({ signal }));
      if (waitMs > 0) return waitMs;
    }
    if (await this.#claim(manifest.compactorEpoch, signal)) return 0;
    // Nothing that happens would tell whoever waits for a compaction.
    return this.requests.count > 0 ? claimAgainMs : undefined;
  }

  async #wantsEpoch(claims: boolean, signal: AbortSignal | undefined): Promise<boolean> {
    const { claims: manner, storedManifest } = this.#options;
    if (this.requests.count > 0) return true;
    if (manner === "at-once" && !this.#wasFenced) return true;
    return (claims || isCompactorFree(storedManifest.current)) && this.#hasWork(signal);
  }

  async #hasWork(signal: AbortSignal | undefined): Promise<boolean> {
    const { clock, lists, picks, storeTime } = this.#options;
    const { manifest, taken } = await lists.read(signal);
    // Only whether it is worth a claim: what goes is judged by the store's time, which that tells.
    const now = this.#knowsTime ? storeTime.now() : Math.max(storeTime.now(), clock.now());
    const due = await picks.of(manifest, taken, now, signal);
    return due.some(({ inputs }) => !taken.some((other) => areAtOdds(inputs, other)));
  }

  /** As of a `CoordinatorRound`. No round may be under way. */
  async release(): Promise<void> {
    try {
      await this.#round?.release();
    } catch (error) {
      if (!(error instanceof FencedError)) throw error;
    }
  }

  /** Says that nobody holds the epoch any more, if it is its own: one commit. Rejects with a `StoreError`. */
  async leave(signal?: AbortSignal): Promise<void> {
    const epoch = this.#round?.epoch;
    this.#round = undefined;
    this.#wasFenced = true;
    if (epoch === undefined) return;
    const manifest = await this.#options.storedManifest.commit(leaveCompactor(epoch), { signal });
    this.#options.onCommitted?.(manifest);
  }

  /** False when another one has been faster. */
  async #claim(seen: number, signal: AbortSignal | undefined): Promise<boolean> {
    const { storedManifest, store, storeTime, writerEpoch } = this.#options;
    let isOwn = false;
    const manifest = await storedManifest.commit(
      (newest) => {
        isOwn = newest.compactorEpoch === seen;
        return isOwn ? claimCompactor(writerEpoch)(newest) : newest;
      },
      { signal },
    );
    if (!isOwn) return false;
    this.#round = new CoordinatorRound(this.#options, this.requests, manifest.compactorEpoch);
    this.#options.onCommitted?.(manifest);
    if (this.#knowsTime) return true;
    const meta = await store.head(ObjectPaths.manifest(manifest.number), { signal });
    if (meta === undefined) return true;
    storeTime.saw(meta.lastModified);
    this.#knowsTime = true;
    return true;
  }

  #fenced(error: FencedError): void {
    this.#round = undefined;
    this.#wasFenced = true;
    this.requests.rejectAll(error);
  }

  /** What its workers still finish goes into the state, as of any other worker. */
  async #standsBy(waitMs: number | undefined, signal: AbortSignal | undefined): Promise<Round> {
    const { local, compactions } = this.#options;
    for (const { job, outcome } of local?.outcomes() ?? []) {
      const transition = outcomeTransition(job.id, job.claim, outcome);
      if (transition !== undefined) await compactions.commit(transition, { signal });
      local!.settle(job.id);
    }
    return { leads: false, hasNews: false, lookAgainMs: waitMs };
  }
}
