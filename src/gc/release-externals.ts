/**
 * `releaseExternals`: lets go of what a database holds of others, once nothing of it names their objects any more.
 *
 * Each step is a commit of its own, and finds what the one before has left: the entry is marked, so that nobody names its objects again; the
 * checkpoint that holds them is dropped at the other database, whatever is left of that; the entry goes. What crashes in between is gone on
 * with by the next call, of whatever process.
 */
import type { Clock } from "../common/clock.js";
import { CorruptionError } from "../common/errors.js";
import type { Random } from "../common/random.js";
import { CheckpointPurpose, type ExternalDatabase, type Manifest } from "../format/manifest.js";
import { endCheckpoints } from "../manifest/checkpoint-expiry.js";
import { markLeaving, removeExternals } from "../manifest/external-transitions.js";
import { findNewest } from "../manifest/find-newest.js";
import { ManifestStore } from "../manifest/manifest-store.js";
import { instantOf, StoredManifest } from "../manifest/stored-manifest.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { newestOld } from "./newest-old.js";
import { GoneObject, ownersInside, PinnedStates } from "./pinned-states.js";
import { StoreAges } from "./store-ages.js";

export interface ReleaseOptions {
  /** The store of the database at another path of the same namespace. */
  readonly at: (path: string) => ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  /** `manifestRetentionMs` */
  readonly retentionMs: number;
  /**
   * Objects stay held for so long after the last manifest that named them, in ms by the store's clock: for readers of other processes that hold
   * no pin. Default: 0.
   */
  readonly graceMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Entries go whatever is found at their paths: a checkpoint that still exists elsewhere is then nobody's. Default: false. */
  readonly force?: boolean | undefined;
  /** Called with each path at which the database that is held was not found. Its entries stay, and are tried again by the next call. */
  readonly onNotFound?: ((path: string) => void) | undefined;
  /** What it has read already need not be read again. Default: its own. */
  readonly states?: PinnedStates | undefined;
  /** When manifests were stored, by number, as far as it is known. Default: nothing is. */
  readonly storedAt?: Map<number, number> | undefined;
}

/** How often it begins anew because what it had read was collected by another process. */
const attemptsMax = 10;

/**
 * Gives how many entries it has removed. `stored.current` need not be the newest: what no manifest names none that follows will. Costs nothing while
 * L0 and the runs in the manifest name every owner. Throws `StoreError` when one of the databases cannot be reached, and `CorruptionError`.
 */
export async function releaseExternals(
  stored: StoredManifest,
  options: ReleaseOptions,
): Promise<number> {
  const signal = options.signal && { signal: options.signal };
  const unnamed = await findUnnamed(stored, options);
  const marked = await stored.commit(markLeaving(unnamed.map(idOf)), signal);
  // Without a path: copies of a detach that is under way, which nothing holds.
  const leaving = marked.externals.filter(({ isLeaving, path }) => isLeaving && path !== "");
  const dropped: ExternalDatabase[] = [];
  for (const [path, entries] of byPath(leaving)) {
    const free = await dropPins(path, entries, options);
    if (free.length < entries.length && !options.force) options.onNotFound?.(path);
    dropped.push(...(options.force ? entries : free));
  }
  const { externals } = await stored.commit(removeExternals(dropped.map(idOf)), signal);
  const left = new Set(externals.map(idOf));
  return dropped.filter(({ checkpointId }) => !left.has(checkpointId)).length;
}

const idOf = ({ checkpointId }: ExternalDatabase) => checkpointId;

function byPath(entries: readonly ExternalDatabase[]): Map<string, ExternalDatabase[]> {
  const paths = new Map<string, ExternalDatabase[]>();
  for (const entry of entries) {
    const known = paths.get(entry.path);
    if (known === undefined) paths.set(entry.path, [entry]);
    else known.push(entry);
  }
  return paths;
}

/** Entries that nothing names any more, and has not for the grace. What has no path is the database's own. */
async function findUnnamed(
  stored: StoredManifest,
  options: ReleaseOptions,
): Promise<readonly ExternalDatabase[]> {
  const { clock, signal } = options;
  const states = options.states ?? new PinnedStates(stored.manifests, clock);
  for (let attempt = 1; ; attempt++) {
    const manifest = stored.current;
    const inside = ownersInside(manifest);
    const held = manifest.externals.filter(
      ({ path, isLeaving, databaseId }) => path !== "" && !isLeaving && !inside.has(databaseId),
    );
    if (held.length === 0) return [];
    try {
      const { owners } = await states.of(manifest, signal);
      const unnamed = held.filter(({ databaseId }) => !owners.has(databaseId));
      return unnamed.length === 0 ? [] : await unnamedForGrace(stored, unnamed, options);
    } catch (error) {
      if (!(error instanceof GoneObject)) throw error;
      const newest = await stored.refresh(signal && { signal });
      if (newest.number === manifest.number || attempt === attemptsMax) {
        const detail = `it is missing, and manifest ${newest.number} or a checkpoint of it needs it`;
        throw new CorruptionError(error.object, detail, { cause: error });
      }
    }
  }
}

/** Without those that were named less than the grace ago. */
async function unnamedForGrace(
  { manifests, current }: StoredManifest,
  unnamed: readonly ExternalDatabase[],
  { clock, random, signal, graceMs = 0, storedAt = new Map() }: ReleaseOptions,
): Promise<readonly ExternalDatabase[]> {
  if (graceMs <= 0) return unnamed;
  const ages = new StoreAges(manifests.store, { random, storedAt, signal });
  const first = Math.max(1, current.firstNumber);
  const index = await newestOld(current.number - first + 1, (i) =>
    ages.isOlder(first + i, graceMs),
  );
  if (index < 0) return [];
  // Of what follows it, none names what it does not.
  const old = await manifests.get(first + index, signal);
  if (old === undefined) return unnamed;
  try {
    const alone: Manifest = { ...old.manifest, checkpoints: [] };
    const { owners } = await new PinnedStates(manifests, clock).of(alone, signal);
    return unnamed.filter(({ databaseId }) => !owners.has(databaseId));
  } catch (error) {
    // Its lists are collected: nobody reads it any more.
    if (error instanceof GoneObject) return unnamed;
    throw error;
  }
}

/**
 * Gives the entries that hold nothing any more. Nothing at the path, or another database, says nothing: this handle may see another folder or
 * bucket there than the one that made the clone. The database may have another id than the entry says, and then has copies of that one.
 */
async function dropPins(
  path: string,
  entries: readonly ExternalDatabase[],
  { at, clock, random, retentionMs, signal }: ReleaseOptions,
): Promise<readonly ExternalDatabase[]> {
  const manifests = new ManifestStore(at(path));
  const searchedAt = instantOf(clock);
  const newest = await findNewest(manifests, { clock, retentionMs, signal });
  if (newest === undefined) return [];
  const ids = new Set(entries.map(idOf));
  const pins = newest.checkpoints.filter(
    ({ id, purpose }) => ids.has(id) && purpose === CheckpointPurpose.clone,
  );
  if (pins.length > 0 && !newest.destroyed) {
    const told = { clock, random, retentionMs, searchedAt };
    const stored = new StoredManifest(manifests, newest, told);
    await stored.commit(endCheckpoints(pins.map(({ id }) => id)), signal && { signal });
  }
  const dropped = new Set(pins.map(({ id }) => id));
  const isOwner = ({ databaseId }: ExternalDatabase): boolean =>
    newest.databaseId === databaseId ||
    newest.externals.some((one) => one.databaseId === databaseId && one.path === "");
  return entries.filter((entry) => dropped.has(entry.checkpointId) || isOwner(entry));
}
