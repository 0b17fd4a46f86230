/**
 * A database has one place in a manifest. Where the sources of a union hold its objects at different ones, as after detaches, those that are named
 * are copied to the union's own path.
 */
import type { Ulid } from "../common/ids.js";
import { type ExternalDatabase, noUlid, type SortedRun, type SstInfo } from "../format/manifest.js";
import { decodeRunList } from "../format/run-list.js";
import type { ClonePart } from "../manifest/clone-manifest.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import { copyObjects } from "./copy-objects.js";
import { type PlannedCopy, planCopies } from "./copy-plan.js";
import { missing } from "./copy-sst-parts.js";
import { nothingElse } from "./detach-plan.js";

export interface UnionCopies {
  readonly databaseId: Ulid;
  readonly target: ObjectStore;
  /** Called before an object is written. */
  readonly onWrite: () => void;
  readonly signal: AbortSignal | undefined;
}

const copiesInFlight = 8;

/** A part, and the store of the source that it was taken from. */
export type StoredPart = ClonePart & { readonly store: ObjectStore };

/** The parts, with entries that leave for what was copied; nothing to do where every owner has one place. */
export async function copyScattered(
  parts: readonly StoredPart[],
  options: UnionCopies,
): Promise<readonly ClonePart[]> {
  const scattered = scatteredOwners(parts);
  if (scattered.size === 0) return parts;
  for (const part of parts) {
    const plan = await planOf(part, scattered, options);
    await copyObjects(plan, {
      ...{ source: part.store, walSource: part.store, target: options.target, mode: "auto" },
      ...{ inFlight: copiesInFlight, existing: new Map(), onProgress: undefined },
      onWrite: options.onWrite,
      signal: options.signal ?? new AbortController().signal,
    });
  }
  return parts.map((part, i) => ({
    ...part,
    externals: [
      ...part.externals.map((entry) =>
        scattered.has(entry.databaseId) ? { ...entry, isLeaving: true } : entry,
      ),
      ...(i === 0 ? [...scattered].map(ownCopies) : []),
    ],
  }));
}

const ownCopies = (databaseId: Ulid): ExternalDatabase => ({
  ...{ databaseId, path: "", checkpointId: noUlid, isLeaving: false },
});

function scatteredOwners(parts: readonly ClonePart[]): ReadonlySet<Ulid> {
  const places = new Map<Ulid, string>();
  const scattered = new Set<Ulid>();
  for (const { databaseId, path } of parts.flatMap(({ externals }) => externals)) {
    const known = places.get(databaseId) ?? path;
    places.set(databaseId, known);
    if (known !== path) scattered.add(databaseId);
  }
  return scattered;
}

/** By their keys in the store of the source. */
async function planOf(
  part: StoredPart,
  scattered: ReadonlySet<Ulid>,
  options: UnionCopies,
): Promise<readonly PlannedCopy[]> {
  const { state, l0, runs } = part;
  const lists = new Map<Ulid, readonly SstInfo[]>();
  for (const run of runs) {
    if (run.listBytes > 0) lists.set(run.id, await listOf(run, part, options));
  }
  // As the union sees it: what has no owner is its own.
  const manifest = { ...state, databaseId: options.databaseId, l0, runs };
  const plan = planCopies({ checkpoint: nothingElse, manifest, lists, fences: [] });
  return plan
    .filter(({ owner }) => scattered.has(owner))
    .map((copy) => (copy.owner === state.databaseId ? { ...copy, from: copy.key } : copy));
}

async function listOf(
  run: SortedRun,
  { state, store }: StoredPart,
  { databaseId, target, signal }: UnionCopies,
): Promise<readonly SstInfo[]> {
  const path = ObjectPaths.run(run.id, run.owner === state.databaseId ? noUlid : run.owner);
  const found = await (run.owner === noUlid ? target : store).get(path, { signal });
  if (found === undefined) throw missing(path);
  return decodeRunList(found.bytes, path, databaseId, run);
}
