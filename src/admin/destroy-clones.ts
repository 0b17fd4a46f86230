/** Which clones still need a database: those that hold a checkpoint in it, unless they are gone or have let go of it. */
import { InvalidArgumentError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import { type Checkpoint, CheckpointPurpose, type Manifest } from "../format/manifest.js";
import { findNewest } from "../manifest/find-newest.js";
import { ManifestStore } from "../manifest/manifest-store.js";
import type { AdminContext } from "./context.js";
import { storeAt } from "./neighbour.js";

/** What the holders of a database's checkpoints say of them. */
export interface Holders {
  /** Checkpoints that clones made and that no clone needs. */
  readonly gone: ReadonlySet<Ulid>;
  /** Those whose clone was not found where it should be, nor anything that tells what has become of it. */
  readonly unknown: ReadonlySet<Ulid>;
}

export async function askHolders(
  context: AdminContext,
  manifest: Manifest,
  signal: AbortSignal | undefined,
): Promise<Holders> {
  const found = { gone: new Set<Ulid>(), unknown: new Set<Ulid>(), held: new Set<Ulid>() };
  const ours = new Set(manifest.checkpoints.map(({ id }) => id));
  for (const checkpoint of manifest.checkpoints) {
    if (checkpoint.purpose !== CheckpointPurpose.clone) continue;
    found[await stateOf(context, checkpoint, ours, signal)].add(checkpoint.id);
  }
  return found;
}

/**
 * Nothing at the path, or a stranger, says nothing: this handle may see another folder or bucket there than the one that made the clone. And a clone
 * that is being made has its checkpoint before it has anything else.
 */
async function stateOf(
  context: AdminContext,
  { id, holder, holderId }: Checkpoint,
  ours: ReadonlySet<Ulid>,
  signal: AbortSignal | undefined,
): Promise<"gone" | "unknown" | "held"> {
  const { clock, settings } = context.options;
  const newest = await findNewest(new ManifestStore(storeAt(context, holder).store), {
    ...{ clock, retentionMs: settings.manifestRetentionMs, signal },
  });
  if (newest === undefined) return "unknown";
  const named = newest.externals.map(({ checkpointId }) => checkpointId);
  if (newest.databaseId === holderId) {
    return newest.destroyed || !named.includes(id) ? "gone" : "held";
  }
  // A later attempt at the same clone has succeeded: the earlier one never can.
  return named.some((one) => ours.has(one)) ? "gone" : "unknown";
}

/** Throws where a clone needs the database, or may need it. `force`: only where one is known to. */
export function refuseClones(
  manifest: Manifest,
  { gone, unknown }: Holders,
  force: boolean | undefined,
): void {
  const holders = manifest.checkpoints.filter(
    ({ id, purpose }) => purpose === CheckpointPurpose.clone && !gone.has(id),
  );
  const isKnown = ({ id }: Checkpoint): boolean => !unknown.has(id);
  if (holders.some(isKnown)) {
    throw new InvalidArgumentError(
      `Clones share objects of this database: ${pathsOf(holders.filter(isKnown))}. Detach or destroy them first.`,
    );
  }
  if (holders.length === 0 || force) return;
  throw new InvalidArgumentError(
    `Clones share objects of this database, and are not found from here: ${pathsOf(holders)}. If they lie where this process cannot see them, as in a folder that is mounted elsewhere, detach or destroy them there first. If they are gone, or were never finished, give force: true.`,
  );
}

function pathsOf(holders: readonly Checkpoint[]): string {
  const paths = new Set(holders.map(({ holder }) => `"${holder}"`));
  return [...paths].slice(0, 10).join(", ");
}
