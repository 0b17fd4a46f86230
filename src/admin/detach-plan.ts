/** What a detach has to copy: all objects of other databases that the newest manifest or a checkpoint names, lists of runs among them. */
import type { Ulid } from "../common/ids.js";
import {
  type Checkpoint,
  type ExternalDatabase,
  type Manifest,
  noUlid,
} from "../format/manifest.js";
import { plainCheckpoint } from "../manifest/plain-checkpoint.js";
import type { Transition } from "../manifest/transitions.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { AdminContext } from "./context.js";
import { type PlannedCopy, planCopies } from "./copy-plan.js";
import { missing } from "./copy-sst-parts.js";
import { readLists } from "./export-source.js";

/** Nothing beside what a manifest names. */
export const nothingElse: Checkpoint = {
  ...plainCheckpoint,
  ...{ id: noUlid, name: "", manifestNumber: 0, createdAt: 0, ttlMs: 0, refreshedNumber: 0 },
};

/** Of a database whose objects lie elsewhere. */
const isElsewhere = ({ path, isLeaving }: ExternalDatabase): boolean => path !== "" && !isLeaving;

export function ownersElsewhere({ externals }: Pick<Manifest, "externals">): Set<Ulid> {
  return new Set(externals.filter(isElsewhere).map(({ databaseId }) => databaseId));
}

/** Collects copies, state by state, and knows which states it has seen. */
export class DetachPlan {
  readonly copies: Map<string, PlannedCopy> = new Map();
  /** Manifests whose objects are all in the plan. */
  readonly #numbers = new Set<number>();
  #firstNumber = Number.POSITIVE_INFINITY;
  readonly #context: AdminContext;

  constructor(context: AdminContext) {
    this.#context = context;
  }

  /** Adds what the newest manifest and its checkpoints name; gives what was not known before. */
  async add(newest: Manifest, signal: AbortSignal | undefined): Promise<readonly PlannedCopy[]> {
    const { manifests, store } = this.#context;
    const added: PlannedCopy[] = [];
    const numbers = newest.checkpoints.map(({ manifestNumber }) => manifestNumber);
    for (const number of new Set([newest.number, ...numbers])) {
      if (this.#numbers.has(number)) continue;
      const manifest =
        number === newest.number ? newest : (await manifests.get(number, signal))?.manifest;
      if (manifest === undefined) {
        await this.#requireDropped(number, signal);
        continue;
      }
      const lists = await readLists(store, manifest, signal);
      for (const copy of planCopies({ checkpoint: nothingElse, manifest, lists, fences: [] })) {
        if (copy.owner === manifest.databaseId || this.copies.has(copy.key)) continue;
        this.copies.set(copy.key, copy);
        added.push(copy);
      }
      this.#numbers.add(number);
    }
    this.#firstNumber = Math.min(this.#firstNumber, newest.number);
    return added;
  }

  async #requireDropped(number: number, signal: AbortSignal | undefined): Promise<void> {
    const { checkpoints } = await this.#context.stored.refresh({ signal });
    if (!checkpoints.some(({ manifestNumber }) => manifestNumber === number)) return;
    throw missing(ObjectPaths.manifest(number));
  }

  /**
   * Whether nothing is named that is not in the plan. What was the newest manifest once, and its checkpoints, are: those that came later, checkpoints
   * of them, and what is restored from one, name nothing of others that these did not.
   */
  covers({ checkpoints }: Manifest): boolean {
    return checkpoints.every(
      ({ manifestNumber }) =>
        this.#numbers.has(manifestNumber) || manifestNumber >= this.#firstNumber,
    );
  }
}

/** Copies of objects of these databases may lie at the own path from now on: a sweep deletes those that are not named in the end. */
export function announceCopies(owners: ReadonlySet<Ulid>): Transition {
  return (manifest) => {
    const isOwn = (owner: Ulid): boolean =>
      manifest.externals.some(({ databaseId, path }) => databaseId === owner && path === "");
    const missing = [...owners].filter((owner) => !isOwn(owner));
    if (missing.length === 0) return manifest;
    const announced = missing.map((databaseId) => ({
      ...{ databaseId, path: "", checkpointId: noUlid, isLeaving: true },
    }));
    return { ...manifest, externals: [...manifest.externals, ...announced] };
  };
}

/** The copies are what is named from now on; what kept the originals is let go of. */
export function nameCopies(owners: ReadonlySet<Ulid>): Transition {
  return (manifest) => ({
    ...manifest,
    externals: manifest.externals.map((entry) =>
      owners.has(entry.databaseId) ? { ...entry, isLeaving: entry.path !== "" } : entry,
    ),
  });
}
