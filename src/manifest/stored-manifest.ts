/**
 * `StoredManifest`: the newest manifest that this process knows, and how its roles commit the next one. The writer and the compactor of a
 * process may share one: each is fenced by a newer epoch of its own role, and by no other.
 */
import { FencedError } from "../common/errors.js";
import type { Manifest } from "../format/manifest.js";
import type { ManifestStore } from "./manifest-store.js";
import { type Asked, StoredSeries, type StoredSeriesOptions } from "./stored-series.js";
import type { Transition } from "./transitions.js";

export type { Instant } from "./stored-series.js";
export { instantOf } from "./stored-series.js";

export type StoredManifestOptions = StoredSeriesOptions;

/** Who asks. A manifest with a newer epoch of a role that is given is `FencedError`. */
export interface CommitOptions {
  /** Of the writer. */
  epoch?: number | undefined;
  compactorEpoch?: number | undefined;
  signal?: AbortSignal | undefined;
}

export class StoredManifest {
  readonly manifests: ManifestStore;
  readonly #series: StoredSeries<Manifest>;

  /** `newest` was found by a search that began at `searchedAt`: then or later the number after it was absent. */
  constructor(manifests: ManifestStore, newest: Manifest, options: StoredManifestOptions) {
    this.manifests = manifests;
    this.#series = new StoredSeries(manifests.series, newest, options);
  }

  get current(): Manifest {
    return this.#series.current;
  }

  /** The bytes of the newest manifest if this process committed it: what the hint is a copy of. */
  get ownBytes(): Uint8Array | undefined {
    return this.#series.ownBytes;
  }

  /**
   * Commits the transition on top of the newest manifest and gives the result; no request when it changes nothing. When the store fails, the
   * outcome may be unknown: a later commit settles it first.
   */
  async commit(transition: Transition, options: CommitOptions = {}): Promise<Manifest> {
    const manifest = await this.#series.commit(transition, askedBy(options));
    // What is read is adopted when it is; this one may never be read.
    this.manifests.adoptExternals(manifest);
    return manifest;
  }

  /** Looks for newer manifests: one GET when there is none. */
  refresh(options: CommitOptions = {}): Promise<Manifest> {
    return this.#series.refresh(askedBy(options));
  }
}

function askedBy({ epoch, compactorEpoch, signal }: CommitOptions): Asked<Manifest> {
  return {
    requireOwn(newest) {
      if (epoch !== undefined && newest.writerEpoch > epoch) throw fencedBy(epoch, newest);
      if (compactorEpoch !== undefined && newest.compactorEpoch > compactorEpoch) {
        throw compactorFencedBy(compactorEpoch, newest.compactorEpoch);
      }
    },
    signal,
  };
}

function fencedBy(ownEpoch: number, manifest: Manifest): FencedError {
  return new FencedError(
    `Another writer opened this database (epoch ${manifest.writerEpoch}; this one has ${ownEpoch}). Nothing more can be written through this handle.`,
    { ownEpoch, seenEpoch: manifest.writerEpoch },
  );
}

/** Nothing is wrong: the other one goes on with the work, and the writer is not affected. */
export function compactorFencedBy(ownEpoch: number, seenEpoch: number): FencedError {
  return new FencedError(
    `Another compactor took over (epoch ${seenEpoch}; this one has ${ownEpoch}). It goes on with the work; writers are not affected.`,
    { ownEpoch, seenEpoch },
  );
}
