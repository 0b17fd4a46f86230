/** The owners of what a state names, as another database sees them that is going to name the same objects. */
import type { Ulid } from "../common/ids.js";
import {
  type L0Entry,
  type Manifest,
  noUlid,
  type SortedRun,
  type SstInfo,
} from "../format/manifest.js";

/** The L0 entries and runs of a manifest, or of what a clone is made from. */
export type NamedData = Pick<Manifest, "l0" | "runs">;

/** The same objects, each with its owner: what had none is of `databaseId`. */
export function ownedBy(databaseId: Ulid, { l0, runs }: NamedData): NamedData {
  return {
    l0: l0.map((entry) => entryOwnedBy(databaseId, entry)),
    runs: runs.map((run) => runOwnedBy(databaseId, run)),
  };
}

export function runOwnedBy(databaseId: Ulid, run: SortedRun): SortedRun {
  return {
    ...run,
    // SSTs of a list object are the run's owner's, unless the list says otherwise.
    owner: run.owner || (run.listBytes > 0 ? databaseId : noUlid),
    ssts: run.ssts.map((sst) => sstOwnedBy(databaseId, sst)),
  };
}

export function entryOwnedBy(databaseId: Ulid, { ssts, seq }: L0Entry): L0Entry {
  return { ssts: ssts.map((sst) => sstOwnedBy(databaseId, sst)), seq };
}

export function sstOwnedBy(databaseId: Ulid, sst: SstInfo): SstInfo {
  return sst.owner === noUlid ? { ...sst, owner: databaseId } : sst;
}

/** Of the lists of long runs only the owner of the list itself is known: what is in them may be of others too. */
export function ownersOf({ l0, runs }: NamedData): { owners: Set<Ulid>; hasLists: boolean } {
  const owners = new Set<Ulid>();
  const addAll = (ssts: readonly SstInfo[]): void => {
    for (const { owner } of ssts) if (owner !== noUlid) owners.add(owner);
  };
  for (const { ssts } of l0) addAll(ssts);
  for (const run of runs as readonly SortedRun[]) {
    addAll(run.ssts);
    if (run.owner !== noUlid) owners.add(run.owner);
  }
  return { owners, hasLists: runs.some(({ listBytes }) => listBytes > 0) };
}
