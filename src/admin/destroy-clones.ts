/** Which clones still need a database: those that hold a checkpoint in it, unless they are gone or have let go of it. */
import { InvalidArgumentError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import { wrapStore } from "../db/wrap-store.js";
import { type Checkpoint, CheckpointPurpose, type Manifest } from "../format/manifest.js";
import { findNewest } from "../manifest/find-newest.js";
import { ManifestStore } from "../manifest/manifest-store.js";
import type { ObjectStore } from "../object-store/object-store.js";
import type { AdminContext } from "./context.js";

/** A clone that is being made has its checkpoint before it has anything else. */
const attemptMs = 3_600_000;

/** The ids of checkpoints that clones made and that no clone needs. */
export async function goneClones(
  context: AdminContext,
  manifest: Manifest,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<Ulid>> {
  const gone = new Set<Ulid>();
  for (const checkpoint of manifest.checkpoints) {
    if (checkpoint.purpose !== CheckpointPurpose.clone) continue;
    if (await isGone(context, checkpoint, signal)) gone.add(checkpoint.id);
  }
  return gone;
}

async function isGone(
  context: AdminContext,
  { id, holder, holderId, createdAt }: Checkpoint,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { clock, settings } = context.options;
  const newest = await findNewest(new ManifestStore(storeAt(context, holder)), {
    ...{ clock, retentionMs: settings.manifestRetentionMs, signal },
  });
  if (newest === undefined) return clock.now() - createdAt > attemptMs;
  if (newest.databaseId !== holderId || newest.destroyed) return true;
  return newest.externals.every(({ checkpointId }) => checkpointId !== id);
}

/** Throws where a clone needs the database. */
export function refuseClones(manifest: Manifest, gone: ReadonlySet<Ulid>): void {
  const holders = manifest.checkpoints
    .filter(({ id, purpose }) => purpose === CheckpointPurpose.clone && !gone.has(id))
    .map(({ holder }) => `"${holder}"`);
  if (holders.length === 0) return;
  throw new InvalidArgumentError(
    `Clones share objects of this database: ${[...new Set(holders)].slice(0, 10).join(", ")}. Detach or destroy them first. The checkpoint of one that was never finished can be expired by hand.`,
  );
}

/** The store of a database at another path, requests counted with those of this one. */
export function storeAt({ place, wrapped, options }: AdminContext, path: string): ObjectStore {
  const store = place.namespace.at(path);
  return wrapStore({ ...place, store, path: "" }, options, wrapped.counts).store;
}
