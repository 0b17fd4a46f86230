/**
 * `SilentClaims`: which workers have not been heard of for so long that their jobs are for others. No clock of a process decides: this one
 * only says when it is worth asking, and then two times of the store are compared.
 */
import type { Clock } from "../common/clock.js";
import type { Ulid } from "../common/ids.js";
import { type CompactionJob, type Compactions, JobStatus } from "../format/compactions.js";
import { noUlid } from "../format/manifest.js";
import type { CompactionsStore } from "./compactions-store.js";

/** By the store's clock. */
const silenceMaxMs = 60_000;

interface Watched {
  readonly sign: string;
  readonly sinceMs: number;
}

export class SilentClaims {
  readonly #clock: Clock;
  readonly #watched = new Map<Ulid, Watched>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The claimed jobs, other than those of this process, that have given no sign for so long as this process has watched them. */
  suspects(
    { jobs }: Compactions,
    isOwn: (job: CompactionJob) => boolean,
  ): readonly CompactionJob[] {
    const now = this.#clock.monotonic();
    const claimed = jobs.filter(
      (job) => job.status === JobStatus.open && job.claim !== noUlid && !isOwn(job),
    );
    for (const id of this.#watched.keys()) {
      if (!claimed.some((job) => job.id === id)) this.#watched.delete(id);
    }
    return claimed.filter((job) => {
      const sign = `${job.claim}/${job.signNumber}`;
      const known = this.#watched.get(job.id);
      if (known?.sign === sign) return now - known.sinceMs > silenceMaxMs;
      this.#watched.set(job.id, { sign, sinceMs: now });
      return false;
    });
  }

  /** Those of them whose last sign is old at the time of the state `written`, which the caller has just stored. */
  async proven(
    store: CompactionsStore,
    suspects: readonly CompactionJob[],
    written: number,
    signal?: AbortSignal | undefined,
  ): Promise<readonly CompactionJob[]> {
    const now = await store.head(written, signal);
    // Newer ones have come, and it was collected: another time.
    if (now === undefined) return [];
    const gone: CompactionJob[] = [];
    for (const job of suspects) {
      const signed = await store.head(job.signNumber, signal);
      const isOld = signed === undefined || now.lastModified - signed.lastModified > silenceMaxMs;
      if (isOld) gone.push(job);
      // Asked again only after as long a silence.
      else this.#watched.delete(job.id);
    }
    return gone;
  }
}
