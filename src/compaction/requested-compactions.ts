/** Compactions that somebody asked for, of everything or of a range, until they are committed. */
import { type Deferred, deferred } from "../common/deferred.js";
import { CorruptionError, InternalError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import type { KeyBounds } from "../common/key-range.js";
import type { CompactionInputs, CompactionJob } from "../format/compactions.js";
import { pickAll } from "./pick-all.js";
import { areAtOdds } from "./plan-job.js";
import type { ReadManifest } from "./readable-lists.js";
import { runsNeeded } from "./run-change.js";
import type { CompactionPick } from "./strategy.js";

export interface CompactionRequest {
  readonly bounds: KeyBounds | undefined;
  readonly done: Deferred<void>;
  /** Since it was asked, nobody has looked for the newest manifest. */
  isFresh: boolean;
  /** The job that was planned for it. */
  job: Ulid | undefined;
}

export class RequestedCompactions {
  readonly #requests = new Set<CompactionRequest>();

  get count(): number {
    return this.#requests.size;
  }

  /** Those that are planned for only once the newest manifest has been looked for. */
  fresh(): readonly CompactionRequest[] {
    return [...this.#requests].filter(({ isFresh }) => isFresh);
  }

  add(bounds: KeyBounds | undefined): CompactionRequest {
    const request = { bounds, done: deferred(), isFresh: true, job: undefined };
    this.#requests.add(request);
    return request;
  }

  /** Nobody waits for it any more. */
  forget(request: CompactionRequest): void {
    this.#requests.delete(request);
  }

  /**
   * What the first of those without a job would merge. `"wait"`: what runs has some of it, and nothing else should begin. Undefined: there
   * is none. What has nothing to merge is done; what would need a list that cannot be read has failed.
   */
  next(
    { manifest, damaged }: ReadManifest,
    running: readonly CompactionInputs[],
  ): { readonly request: CompactionRequest; readonly pick: CompactionPick } | "wait" | undefined {
    for (const request of this.#requests) {
      if (request.job !== undefined || request.isFresh) continue;
      const pick = pickAll(manifest, [], request.bounds);
      if (pick === undefined) {
        this.#resolve(request);
        continue;
      }
      const damage = runsNeeded(manifest, pick.inputs, 0).find(({ id }) => damaged.has(id));
      if (damage !== undefined) {
        this.#reject(request, damaged.get(damage.id));
        continue;
      }
      return running.some((inputs) => areAtOdds(inputs, pick.inputs)) ? "wait" : { request, pick };
    }
    return undefined;
  }

  /** Jobs have left the state: those that are committed are done, others have to be planned again. */
  jobsLeft(ids: readonly Ulid[], committed: ReadonlySet<Ulid>): void {
    for (const request of this.#requests) {
      if (request.job === undefined || !ids.includes(request.job)) continue;
      if (committed.has(request.job)) this.#resolve(request);
      else request.job = undefined;
    }
  }

  jobFailed(id: Ulid, error: Error): void {
    for (const request of this.#requests) {
      if (request.job === id) this.#reject(request, error);
    }
  }

  rejectAll(error: unknown): void {
    for (const request of this.#requests) this.#reject(request, error);
  }

  #resolve(request: CompactionRequest): void {
    this.#requests.delete(request);
    request.done.resolve();
  }

  #reject(request: CompactionRequest, error: unknown): void {
    this.#requests.delete(request);
    request.done.reject(error);
  }
}

/** The failure of a job of another process, of which the text is known. */
export function failureOf({ failure }: CompactionJob): Error {
  const object = /^Object "([^"]+)" is damaged(?: at byte \d+)?: (.*)$/s.exec(failure);
  return object === null
    ? new InternalError(`A compaction failed: ${failure}`)
    : new CorruptionError(object[1]!, object[2]!);
}
