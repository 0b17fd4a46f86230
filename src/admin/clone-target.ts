/** Where a clone is made: a path in its parent's namespace that holds nothing, but for what earlier attempts at the same clone have left. */
import { CorruptionError, ExistsError, InvalidArgumentError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import {
  describeLocation,
  type Location,
  type OpenLocation,
  openLocation,
} from "../db/location.js";
import { wrapStore } from "../db/wrap-store.js";
import { noUlid } from "../format/manifest.js";
import { ownershipOf } from "../gc/ownership.js";
import { findNewest } from "../manifest/find-newest.js";
import { ManifestStore } from "../manifest/manifest-store.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths, parseRunPath, parseSstPath } from "../object-store/paths.js";
import type { AdminContext } from "./context.js";

export interface CloneTarget {
  readonly place: OpenLocation;
  readonly store: ObjectStore;
  readonly manifests: ManifestStore;
  /** What the location is called in messages. */
  readonly name: string;
}

/** Makes no request. Throws `InvalidArgumentError` where the target cannot share objects with the sources. */
export async function openTarget(
  location: Location,
  contexts: readonly AdminContext[],
): Promise<CloneTarget> {
  const place = await openLocation(location);
  try {
    if (place.wal !== undefined) {
      throw new InvalidArgumentError('A clone has its log beside its data: leave "wal" out.');
    }
    const name = describeLocation(location);
    for (const context of contexts) requireSameNamespace(place, name, context);
    const { options, wrapped } = contexts[0]!;
    const { store } = wrapStore(place, options, wrapped.counts);
    return { place, store, manifests: new ManifestStore(store), name };
  } catch (error) {
    place.close();
    throw error;
  }
}

function requireSameNamespace(place: OpenLocation, name: string, source: AdminContext): void {
  const [to, from] = [place.namespace, source.place.namespace];
  if (to.id !== from.id) {
    throw new InvalidArgumentError(
      `${name} is in another store than ${source.name}, whose objects a clone shares. Choose a path in the same store, or use export to copy a checkpoint to another one.`,
    );
  }
  refuseNested(to.path, from.path, `${name} and ${source.name}`);
}

/** The clone will name objects of these databases too: what deletes one of them must not delete the clone. */
function requireBesideExternals({ place, name }: CloneTarget, source: AdminContext): void {
  for (const { path } of source.stored.current.externals) {
    if (path === "") continue;
    const both = `${name} and "${path}", whose objects ${source.name} shares,`;
    refuseNested(place.namespace.path, path, both);
  }
}

function refuseNested(one: string, other: string, both: string): void {
  if (!isBelow(one, other) && !isBelow(other, one)) return;
  throw new InvalidArgumentError(
    `${both} lie one inside the other. Choose a path beside it: what deletes the outer one would delete both.`,
  );
}

const isBelow = (path: string, other: string): boolean =>
  path !== other && (other === "" || path.startsWith(`${other}/`));

/**
 * As a database is made anywhere: `ExistsError` where there is one, and a path that holds something else is refused. `attempts` are the database
 * ids of earlier attempts: SSTs of theirs are left to the collector of the clone. The newest manifests of the sources are to be known by now: these
 * say which databases they share objects with.
 */
export async function requireEmpty(
  target: CloneTarget,
  attempts: ReadonlySet<Ulid>,
  contexts: readonly AdminContext[],
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const context of contexts) requireBesideExternals(target, context);
  const { store, manifests, name } = target;
  const { clock, settings } = contexts[0]!.options;
  const retentionMs = settings.manifestRetentionMs;
  let found: Awaited<ReturnType<typeof findNewest>>;
  try {
    found = await findNewest(manifests, { clock, retentionMs, signal });
  } catch (error) {
    const isOther = error instanceof CorruptionError || error instanceof InvalidArgumentError;
    // A union copies objects of others, whose bytes say so.
    const owners = contexts.flatMap(({ stored: { current } }) => [
      current.databaseId,
      ...current.externals.map(({ databaseId }) => databaseId),
    ]);
    if (isOther && attempts.size > 0) {
      if (await isLeftBy(store, new Set([...attempts, ...owners]), signal)) return;
    }
    throw error;
  }
  if (found === undefined) return;
  if (found.destroyed) {
    throw new ExistsError(
      `A database at ${name} was destroyed, and what is left of it stays. Use another path.`,
    );
  }
  throw new ExistsError(
    attempts.has(found.databaseId)
      ? `There is a database at ${name} already: an earlier call has cloned it, and it is complete.`
      : `There is a database at ${name} already. Use another path.`,
  );
}

/** Everything there is an SST or a list of a run of one of these databases, or a probe. */
async function isLeftBy(
  store: ObjectStore,
  owners: ReadonlySet<Ulid>,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  for await (const { key } of store.list({ prefix: "", signal })) {
    if (key.startsWith(ObjectPaths.probePrefix)) continue;
    if (parseSstPath(key) === undefined && parseRunPath(key) === undefined) return false;
    const owner = { databaseId: noUlid, copied: owners, signal };
    if ((await ownershipOf(store, key, owner)) === "foreign") return false;
  }
  return true;
}
