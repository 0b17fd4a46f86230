/**
 * Transitions of checkpoints: one is attached, refreshed, retained or released. A mistake of the caller, such as a name that is taken, is an
 * error that the transition throws: it holds of the manifest that it was applied to. How they end is in checkpoint-expiry.ts.
 */
import { ExistsError, NotFoundError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import { type Checkpoint, CheckpointPurpose, type Manifest, noUlid } from "../format/manifest.js";
import { liveCheckpoints } from "./checkpoint-expiry.js";
import { applyRetention, type CheckpointRetention } from "./checkpoint-retention.js";
import type { Transition } from "./transitions.js";

/** What a checkpoint has in it, beside what its manifest names. */
export type CheckpointContent = Pick<Checkpoint, "seq" | "wal" | "loads">;

/** A checkpoint to be. What is left out is as of one that a user made of all that is in L0. */
export interface NewCheckpoint {
  readonly id: Ulid;
  /** ms since 1970 */
  readonly createdAt: number;
  /** Unique among the checkpoints that are listed; empty: none. */
  readonly name?: string | undefined;
  /** 0: it does not expire. */
  readonly ttlMs?: number | undefined;
  readonly retained?: boolean | undefined;
  /** Id or name of a checkpoint that stays for as long as this one; empty: none. */
  readonly base?: string | undefined;
  /** Id or name of a checkpoint that this one is a copy of; empty: it pins the commit that adds it. */
  readonly source?: string | undefined;
  /** Worked out of the manifest that the checkpoint is added to. Default: all that its L0 and its runs hold. */
  readonly content?: ((manifest: Manifest) => CheckpointContent) | undefined;
  /** What is kept of those that are there; default: all of them. */
  readonly retention?: CheckpointRetention | undefined;
  readonly purpose?: CheckpointPurpose | undefined;
  readonly holder?: string | undefined;
  readonly holderId?: Ulid | undefined;
}

/**
 * Adds a checkpoint that pins the commit which adds it, or a copy of one that is listed. No change when it is there already. Throws
 * `ExistsError` when its name is taken, `NotFoundError` when its base or its source is not listed, or the database was destroyed.
 */
export function attachCheckpoint(added: NewCheckpoint): Transition {
  const { id, createdAt, name = "", ttlMs = 0, retained = false, retention } = added;
  const { purpose = CheckpointPurpose.user, holder = "", holderId = noUlid } = added;
  return (manifest) => {
    if (manifest.checkpoints.some((other) => other.id === id)) return manifest;
    if (manifest.destroyed) throw new NotFoundError("The database was destroyed.");
    if (name !== "" && liveCheckpoints(manifest).some((other) => other.name === name)) {
      throw new ExistsError(
        `There is a checkpoint named "${name}" already. Use another name, or delete that one.`,
      );
    }
    const next = addCheckpoint({
      ...{ id, name, createdAt, ttlMs, retained, purpose, holder, holderId },
      ...pinnedBy(added, manifest),
      base: added.base ? requireCheckpoint(manifest, added.base).id : noUlid,
      ...{ refreshedNumber: manifest.number + 1, isExpired: false },
    })(manifest);
    return retention === undefined ? next : applyRetention(retention, id)(next);
  };
}

function pinnedBy(
  { source, content }: NewCheckpoint,
  manifest: Manifest,
): CheckpointContent & Pick<Checkpoint, "manifestNumber"> {
  if (source) {
    const { manifestNumber, seq, wal, loads } = requireCheckpoint(manifest, source);
    return { manifestNumber, seq, wal, loads };
  }
  const { seq, wal, loads } = content?.(manifest) ?? {
    ...{ seq: manifest.lastL0Seq, wal: [], loads: [] },
  };
  return { manifestNumber: manifest.number + 1, seq, wal, loads };
}

/** Adds a checkpoint as it is. */
export function addCheckpoint(checkpoint: Checkpoint): Transition {
  return (manifest) => {
    if (manifest.checkpoints.some((other) => other.id === checkpoint.id)) return manifest;
    return { ...manifest, checkpoints: [...manifest.checkpoints, checkpoint] };
  };
}

/** The listed checkpoint of this id, or else of this name. */
export function findCheckpoint(manifest: Manifest, idOrName: string): Checkpoint | undefined {
  const live = liveCheckpoints(manifest);
  return (
    live.find(({ id }) => id === idOrName) ??
    live.find(({ name }) => name !== "" && name === idOrName)
  );
}

/** `findCheckpoint`, or `NotFoundError` that names some of those that there are. */
export function requireCheckpoint(manifest: Manifest, idOrName: string): Checkpoint {
  const found = findCheckpoint(manifest, idOrName);
  if (found !== undefined) return found;
  const names = liveCheckpoints(manifest).map(({ name, id }) => `"${name || id}"`);
  throw new NotFoundError(
    `There is no checkpoint "${idOrName}". ${names.length === 0 ? "The database has none." : `There are ${names.slice(0, 10).join(", ")}.`}`,
  );
}

/**
 * Its time begins again with the commit, with another ttl where one is given (0: it expires no more). `NotFoundError` when it is not listed:
 * one that has ended does not come back.
 */
export function refreshCheckpoint(idOrName: string, ttlMs?: number): Transition {
  return (manifest) => {
    const found = requireCheckpoint(manifest, idOrName);
    return withCheckpoint(manifest, {
      ...found,
      ...{ ttlMs: ttlMs ?? found.ttlMs, refreshedNumber: manifest.number + 1 },
    });
  };
}

/** Whether policies leave it alone. No change when it is not listed, or is so already. */
export function setRetained(idOrName: string, retained: boolean): Transition {
  return (manifest) => {
    const found = findCheckpoint(manifest, idOrName);
    if (found === undefined || found.retained === retained) return manifest;
    return withCheckpoint(manifest, { ...found, retained });
  };
}

function withCheckpoint(manifest: Manifest, changed: Checkpoint): Manifest {
  return {
    ...manifest,
    checkpoints: manifest.checkpoints.map((one) => (one.id === changed.id ? changed : one)),
  };
}
