/** Old states of a database: which manifest was the newest at a moment, and whether all that one names is still there. */
import type { Ulid } from "../common/ids.js";
import { type Manifest, noUlid, type RetiredObjects, type SstInfo } from "../format/manifest.js";
import type { ManifestStore } from "./manifest-store.js";

type Gets = Pick<ManifestStore, "get">;

/**
 * The last manifest that was made at `at` (ms since 1970) or before, by the times that are in them; undefined where it is deleted, and before the
 * first. A few GETs: samples of the newest manifest's history say where to look.
 */
export async function manifestAt(
  manifests: Gets,
  newest: Manifest,
  at: number,
  signal?: AbortSignal,
): Promise<Manifest | undefined> {
  if (newest.createdAt <= at) return newest;
  const first = Math.max(1, newest.firstNumber);
  let below = first - 1;
  let above = newest.number;
  for (const sample of newest.history) {
    if (sample.manifestNumber < first || sample.manifestNumber >= above) continue;
    // Without a time: the end of a database that was destroyed here before this one was made.
    if (sample.at === 0) continue;
    if (sample.at > at) above = sample.manifestNumber;
    else below = sample.manifestNumber;
  }
  let found: Manifest | undefined;
  while (above - below > 1) {
    const middle = below + Math.floor((above - below) / 2);
    const manifest = (await manifests.get(middle, signal))?.manifest;
    // One that is deleted is older than all that are not.
    if (manifest === undefined || manifest.createdAt <= at) {
      below = middle;
      found = manifest;
    } else above = middle;
  }
  if (below < first) return undefined;
  return found?.number === below ? found : (await manifests.get(below, signal))?.manifest;
}

/** The SSTs of runs whose lists are objects of their own, by the ids of the runs. */
export type ListedSsts = ReadonlyMap<Ulid, readonly Pick<SstInfo, "id" | "owner">[]>;

/** The runs of either whose lists it takes to compare them: a run of both is the same in both. */
export function listsToCompare(
  one: Manifest,
  other: Manifest,
): readonly Manifest["runs"][number][] {
  const known = (manifest: Manifest, id: Ulid): boolean =>
    manifest.runs.some((run) => run.id === id);
  return [
    ...one.runs.filter(({ id, listBytes }) => listBytes > 0 && !known(other, id)),
    ...other.runs.filter(({ id, listBytes }) => listBytes > 0 && !known(one, id)),
  ];
}

/**
 * Whether nothing that the older manifest names has been collected: what the newest does not name is still on its retired list, of which `retired`
 * has the entries, those of list objects too. `lists` are those of `listsToCompare`.
 */
export function isAllThere(
  older: Manifest,
  newest: Manifest,
  retired: readonly RetiredObjects[],
  lists: ListedSsts,
): boolean {
  const gone = new Set<Ulid>(retired.flatMap(({ ids }) => ids));
  const named = new Set<Ulid>();
  for (const { id } of namedBy(newest, lists)) named.add(id);
  for (const { id, owner } of namedBy(older, lists)) {
    if (named.has(id)) continue;
    if (!gone.has(id) || (owner !== noUlid && !isKept(owner, older, newest))) return false;
  }
  return true;
}

/**
 * Whether objects of that database are kept which the newest manifest names no more: there, for as long as this one says so, or here. A detach
 * has only copied what was named then.
 */
function isKept(owner: Ulid, older: Manifest, newest: Manifest): boolean {
  const placesIn = ({ externals }: Manifest): readonly string[] =>
    externals
      .filter(({ databaseId, isLeaving }) => databaseId === owner && !isLeaving)
      .map(({ path }) => path);
  const wasHere = placesIn(older).every((path) => path === "");
  return placesIn(newest).some((path) => path !== "" || wasHere);
}

function* namedBy(
  { l0, runs }: Manifest,
  lists: ListedSsts,
): Generator<Pick<SstInfo, "id" | "owner">> {
  for (const { ssts } of l0) yield* ssts;
  for (const run of runs) {
    if (run.listBytes > 0) yield run;
    yield* run.ssts;
    yield* lists.get(run.id) ?? [];
  }
}
