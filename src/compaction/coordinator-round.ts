/** `CoordinatorRound`: what a coordinator that holds the epoch does in each of its rounds. */
import { type Ulid, UlidFactory, ulidBefore } from "../common/ids.js";
import { type CompactionJob, type Compactions, JobStatus } from "../format/compactions.js";
import { type Manifest, noUlid } from "../format/manifest.js";
import { raiseAboveKnown } from "../manifest/known-ids.js";
import { isBottomOf } from "./bottom.js";
import { CommitRuns, type DoneJob } from "./commit-runs.js";
import type { RoundContext } from "./coordinator-options.js";
import {
  addJobs,
  allOf,
  claimedJob,
  claimJob,
  claimState,
  findJob,
  reclaimJob,
  releaseJob,
  removeJobs,
  type StateTransition,
  touchState,
} from "./job-transitions.js";
import { outcomeTransition } from "./outcome-transition.js";
import { areAtOdds, hasInputs, mayRewrite, planJob } from "./plan-job.js";
import { failureOf, type RequestedCompactions } from "./requested-compactions.js";
import { havePlace } from "./run-change.js";
import { SilentClaims } from "./silent-claims.js";
import type { CompactionPick } from "./strategy.js";

/** Jobs of other processes are looked at so often where nothing else asks for it. */
const othersMs = 10_000;

export interface RoundResult {
  /** Something was committed, planned or given up. */
  readonly hasNews: boolean;
  /** ms until it is worth looking again though nothing is committed by then. */
  readonly lookAgainMs: number | undefined;
}

/** What is to be said in the one commit of the state, and what follows from it. */
interface StateChange {
  readonly transitions: StateTransition[];
  /** Claims for workers of this process. */
  readonly claims: Map<Ulid, Ulid>;
  /** Local jobs whose outcome it says. */
  readonly settled: Ulid[];
}

export class CoordinatorRound {
  readonly epoch: number;
  readonly #options: RoundContext;
  readonly #requests: RequestedCompactions;
  readonly #ids: UlidFactory;
  readonly #silent: SilentClaims;
  readonly #runs: CommitRuns;
  /** Claims that it has minted for local workers: what a lost reply had hidden is begun when it is found in the state. */
  readonly #claims = new Map<Ulid, Ulid>();
  /** Jobs that have failed for good, and of which somebody was told. */
  readonly #failed = new Set<Ulid>();

  constructor(options: RoundContext, requests: RequestedCompactions, epoch: number) {
    this.epoch = epoch;
    this.#options = options;
    this.#requests = requests;
    this.#ids = new UlidFactory(options.clock, options.random);
    this.#silent = new SilentClaims(options.clock);
    this.#runs = new CommitRuns(options, this.#ids, epoch);
  }

  async run(refresh: boolean, signal: AbortSignal | undefined): Promise<RoundResult> {
    const { local, storedManifest } = this.#options;
    let state = await this.#readState(refresh, signal);
    this.#raiseIds(state);
    this.#startClaimed(state);
    if (state.jobs.length > 0 && state.compactorEpoch < this.epoch) {
      state = await this.#commit(claimState(this.epoch), signal);
    }
    const done = this.#doneJobs(state);
    const result = await this.#runs.commit(done, floorOf(state, this.#ids), signal);
    const manifest = storedManifest.current;
    const change: StateChange = { transitions: [], claims: new Map(), settled: [] };
    const left = this.#removeGone(state, manifest, result, change);
    this.#tellOutcomes(left, change);
    for (const { id, claim, signNumber } of left.filter((job) => isOrphaned(manifest, job))) {
      change.transitions.push(reclaimJob(id, claim, signNumber));
    }
    const { jobs } = allOf(change.transitions)(state);
    const drops = await this.#plan({ ...state, jobs }, change, signal);
    const suspects = this.#silent.suspects({ ...state, jobs }, (job) => this.#isOwn(job));
    const next = await this.#store(state, change, suspects.length > 0, signal);
    const gone =
      suspects.length === 0
        ? []
        : await this.#silent.proven(this.#options.compactions.store, suspects, next.number, signal);
    if (gone.length > 0) {
      const reclaims = gone.map((job) => reclaimJob(job.id, job.claim, job.signNumber));
      await this.#commit(allOf(reclaims), signal);
    }
    for (const id of change.settled) local?.settle(id);
    const hasOthers = next.jobs.some((job) => job.status !== JobStatus.failed && !this.#isOwn(job));
    const hasNews = next !== state || result.committed.size > 0 || drops > 0;
    const isAtOnce = gone.length > 0 || drops > 0 || result.isIncomplete;
    return {
      hasNews: hasNews || gone.length > 0,
      lookAgainMs: isAtOnce ? 0 : hasOthers ? othersMs : undefined,
    };
  }

  /**
   * Gives back what it has claimed, also where a round was cut off before the job began: nobody else would know for a minute that nobody has
   * it. What local workers have to tell was told before. Rejects with a `StoreError`.
   */
  async release(): Promise<void> {
    const { compactions } = this.#options;
    if (!compactions.isOpen) return;
    const { jobs } = await compactions.settle({ epoch: this.epoch });
    const own = jobs.filter(
      (job) => job.status === JobStatus.open && job.claim !== noUlid && this.#isOwn(job),
    );
    const releases = own.map(({ id, claim, ranges }) => releaseJob(id, claim, ranges));
    if (releases.length > 0) await compactions.commit(allOf(releases), {});
  }

  /** An earlier commit without an outcome is decided first: its jobs hold the floor. */
  async #readState(refresh: boolean, signal: AbortSignal | undefined): Promise<Compactions> {
    const { compactions } = this.#options;
    const { epoch } = this;
    const settled = await compactions.settle({ epoch, signal });
    const hasOthers = settled.jobs.some((job) => !this.#isOwn(job));
    const isKnown = compactions.isOpen && !refresh && !hasOthers;
    return isKnown ? settled : compactions.refresh({ epoch, signal });
  }

  #raiseIds(state: Compactions): void {
    raiseAboveKnown(this.#ids, this.#options.storedManifest.current);
    for (const { id, ranges } of state.jobs) {
      this.#ids.raiseAbove(id);
      for (const { outputs } of ranges) for (const sst of outputs) this.#ids.raiseAbove(sst.id);
    }
  }

  #isOwn(job: CompactionJob): boolean {
    const { local } = this.#options;
    return local !== undefined && (local.has(job) || this.#claims.get(job.id) === job.claim);
  }

  #startClaimed(state: Compactions): void {
    const { local } = this.#options;
    for (const [id, claim] of this.#claims) {
      const job = claimedJob(state, id, claim);
      if (job === undefined) this.#claims.delete(id);
      else local?.start(job);
    }
  }

  #doneJobs(state: Compactions): DoneJob[] {
    const ended = new Map(
      this.#options.local?.outcomes().map(({ job, outcome }) => [job.id, { job, outcome }]),
    );
    return state.jobs.flatMap((job) => {
      if (job.status === JobStatus.done) return [{ job, ranges: job.ranges }];
      const local = ended.get(job.id);
      if (local?.outcome.kind !== "done" || local.job.claim !== job.claim) return [];
      return [{ job, ranges: local.outcome.ranges }];
    });
  }

  /** What is committed, and what never can be, leaves the state. */
  #removeGone(
    state: Compactions,
    manifest: Manifest,
    result: { committed: ReadonlySet<Ulid>; given: ReadonlySet<Ulid> },
    change: StateChange,
  ): readonly CompactionJob[] {
    const { local } = this.#options;
    const isGone = (job: CompactionJob): boolean =>
      result.committed.has(job.id) ||
      result.given.has(job.id) ||
      job.id <= manifest.compactorFloor ||
      !hasInputs(manifest, job.inputs) ||
      this.#isUnwanted(manifest, job);
    const gone = state.jobs.filter(isGone).map(({ id }) => id);
    const left = state.jobs.filter((job) => !isGone(job));
    // What was lost, or is no longer in the state, has nothing to tell either.
    for (const { job, outcome } of local?.outcomes() ?? []) {
      const isLeft = left.some(({ id, claim }) => id === job.id && claim === job.claim);
      if (outcome.kind === "lost" || !isLeft) change.settled.push(job.id);
    }
    for (const id of gone) if (!change.settled.includes(id)) change.settled.push(id);
    if (gone.length > 0) change.transitions.push(removeJobs(gone));
    this.#requests.jobsLeft(gone, result.committed);
    return left;
  }

  /**
   * It was planned for a filter, and this process has none: nobody might ever take it, and its inputs would stay busy. What it has rewritten
   * is not used.
   */
  #isUnwanted(manifest: Manifest, job: CompactionJob): boolean {
    if (!job.rewrites || job.status !== JobStatus.open || this.#options.filters === true) {
      return false;
    }
    return job.claim === noUlid || isOrphaned(manifest, job);
  }

  #tellOutcomes(left: readonly CompactionJob[], change: StateChange): void {
    for (const { job, outcome } of this.#options.local?.outcomes() ?? []) {
      if (change.settled.includes(job.id) || outcome.kind === "done") continue;
      const transition = outcomeTransition(job.id, job.claim, outcome);
      if (transition === undefined) continue;
      change.transitions.push(transition);
      change.settled.push(job.id);
      if (outcome.kind !== "failed") continue;
      this.#failed.add(job.id);
      this.#options.totals.failedJobs++;
      this.#requests.jobFailed(job.id, outcome.error);
    }
    for (const job of left) {
      if (job.status !== JobStatus.failed || this.#failed.has(job.id)) continue;
      // That of a worker of another process.
      this.#failed.add(job.id);
      this.#options.totals.failedJobs++;
      const error = failureOf(job);
      this.#requests.jobFailed(job.id, error);
      this.#options.onJobFailed?.(job, error);
    }
  }

  /** How many drops it has committed. */
  async #plan(
    state: Compactions,
    change: StateChange,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const { local, jobsMax, lists, storeTime } = this.#options;
    let free = local?.free ?? 0;
    const claim = (id: Ulid): Ulid => {
      if (local === undefined || free === 0) return noUlid;
      free--;
      const minted = local.newClaim();
      change.claims.set(id, minted);
      return minted;
    };
    for (const job of state.jobs) {
      if (job.status !== JobStatus.open || job.claim !== noUlid || free === 0) continue;
      const { writerEpoch } = this.#options;
      change.transitions.push(claimJob(job.id, claim(job.id), local!.name, writerEpoch));
    }
    const isBusy = ({ status }: CompactionJob): boolean => status !== JobStatus.failed;
    let slots = jobsMax - state.jobs.filter(isBusy).length;
    // Jobs that only local workers would take wait until one of them is free.
    if (slots <= 0 || (local !== undefined && free === 0 && jobsMax <= local.jobsMax)) return 0;
    const read = await lists.read(signal);
    let { manifest } = read;
    raiseAboveKnown(this.#ids, manifest);
    const busy = state.jobs.filter(isBusy).map(({ inputs }) => inputs);
    const asked = this.#requests.next(read, busy);
    if (asked === "wait") return 0;
    const running = [...state.jobs.map(({ inputs }) => inputs), ...read.taken];
    const due =
      asked === undefined
        ? this.#options.picks.of(manifest, running, storeTime.now(), signal)
        : [asked.pick];
    const picks = due instanceof Promise ? await due : due;
    if (asked !== undefined) {
      // Who asks for it wants it tried again.
      const failed = state.jobs.filter(
        (job) => !isBusy(job) && areAtOdds(job.inputs, asked.pick.inputs),
      );
      change.transitions.push(removeJobs(failed.map(({ id }) => id)));
    }
    const added: CompactionJob[] = [];
    let drops = 0;
    for (const pick of picks) {
      if (slots <= 0) break;
      const others = asked === undefined ? running : busy;
      const taken = [...others, ...added.map(({ inputs }) => inputs)];
      if (taken.some((inputs) => areAtOdds(inputs, pick.inputs))) continue;
      if (pick.drops) {
        if (!this.#mayRewrite(manifest)) continue;
        await this.#drop(state, manifest, pick, added, signal);
        ({ manifest } = await lists.read(signal));
        drops++;
        continue;
      }
      if (!havePlace(manifest, pick.inputs)) continue;
      const id = this.#ids.next();
      const minted = claim(id);
      const job = planJob(manifest, pick, {
        ...{ id, expiredAt: storeTime.now(), isBottom: isBottomOf(manifest, pick.inputs) },
        ...{ sstBytesMax: this.#options.sstBytesMax, claim: minted },
        worker: minted === noUlid ? "" : local!.name,
        writerEpoch: minted === noUlid ? 0 : this.#options.writerEpoch,
        filters: this.#options.filters === true && this.#mayRewrite(manifest),
      });
      added.push(job);
      slots--;
      if (asked !== undefined) asked.request.job = id;
    }
    if (added.length > 0) change.transitions.push(addJobs(added));
    return drops;
  }

  #mayRewrite(manifest: Manifest): boolean {
    return mayRewrite(manifest) && this.#options.mayRewrite?.() !== false;
  }

  /** Inputs go, and nothing comes in their place. */
  async #drop(
    state: Compactions,
    manifest: Manifest,
    pick: CompactionPick,
    planned: readonly CompactionJob[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (state.compactorEpoch < this.epoch) await this.#commit(claimState(this.epoch), signal);
    const jobs = [...this.#options.compactions.current.jobs, ...planned];
    await this.#runs.drop(manifest, pick, floorOf({ jobs }, this.#ids), signal);
  }

  /** One commit, if there is something to say. A state that has just been written tells the store's time, which `touches` asks for. */
  async #store(
    state: Compactions,
    change: StateChange,
    touches: boolean,
    signal: AbortSignal | undefined,
  ): Promise<Compactions> {
    const { transitions, claims } = change;
    if (touches) transitions.push(touchState);
    if (transitions.length === 0) return state;
    for (const [id, claim] of claims) this.#claims.set(id, claim);
    const next = await this.#commit(allOf([claimState(this.epoch), ...transitions]), signal);
    for (const [id, claim] of claims) {
      const job = findJob(next, id);
      if (job?.claim === claim) this.#options.local!.start(job);
      else this.#claims.delete(id);
    }
    return next;
  }

  #commit(transition: StateTransition, signal: AbortSignal | undefined): Promise<Compactions> {
    return this.#options.compactions.commit(transition, { epoch: this.epoch, signal });
  }
}

/** The writer whose handle carried it out has been superseded: nobody has to wait for a sign of life. */
function isOrphaned(
  { writerEpoch }: Manifest,
  { status, claim, writerEpoch: ofJob }: CompactionJob,
): boolean {
  return status === JobStatus.open && claim !== noUlid && ofJob > 0 && ofJob < writerEpoch;
}

/** Just below the least id of a job in the state; the last id that was minted, when there is none. */
function floorOf({ jobs }: Pick<Compactions, "jobs">, ids: UlidFactory): Ulid {
  const least = jobs.reduce<Ulid | undefined>(
    (found, { id }) => (found === undefined || id < found ? id : found),
    undefined,
  );
  return least === undefined ? ids.last : ulidBefore(least);
}
