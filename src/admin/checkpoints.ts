/** Checkpoints as an administrator sees and changes them, beside a writer or without one. Each change is one commit of the manifest alone. */
import { InvalidArgumentError } from "../common/errors.js";
import { checkOptions, requireBoolean, requireSignal } from "../common/options.js";
import {
  checkCheckpointOptions,
  checkpointOptionNames,
  type NewCheckpointOptions,
  requireCheckpointName,
} from "../db/checkpoint-options.js";
import { requireTtl } from "../db/lifetime.js";
import { type Checkpoint, CheckpointPurpose, type Manifest } from "../format/manifest.js";
import { durableContent } from "../manifest/checkpoint-content.js";
import { endCheckpoints, liveCheckpoints } from "../manifest/checkpoint-expiry.js";
import { type CheckpointInfo, toCheckpointInfo } from "../manifest/checkpoint-info.js";
import {
  attachCheckpoint,
  findCheckpoint,
  refreshCheckpoint,
  requireCheckpoint,
  setRetained,
} from "../manifest/checkpoint-transitions.js";
import type { AdminContext } from "./context.js";
import { readStoredLogs } from "./stored-logs.js";

export interface ListCheckpointsOptions {
  /** Those of clones, readers and exports too, and those that have ended and linger. Default: false. */
  all?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

export interface CreateCheckpointOptions extends NewCheckpointOptions {
  /**
   * `"durable"` (the default): everything that is durable; what is not in L0 yet stays in the write-ahead log for as long as the checkpoint is
   * there. `"l0"`: what is in L0, without a look at the log.
   */
  scope?: "durable" | "l0" | undefined;
}

export interface RefreshCheckpointOptions {
  /** ms from now, from 1; `Infinity`: it expires no more. Default: as it was. */
  ttlMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface ChangeCheckpointOptions {
  signal?: AbortSignal | undefined;
}

export interface ExpireCheckpointOptions extends ChangeCheckpointOptions {
  /** One that a clone, a reader or an export holds too: its holder is lost, unless it is gone already. Default: false. */
  force?: boolean | undefined;
}

export async function listCheckpoints(
  { stored, manifests }: AdminContext,
  options: ListCheckpointsOptions | undefined,
): Promise<CheckpointInfo[]> {
  checkOptions(options, ["all", "signal"], "checkpoints");
  requireBoolean(options?.all, "all");
  requireSignal(options?.signal);
  const signal = options?.signal;
  const manifest = await stored.refresh(signal && { signal });
  const chosen = options?.all ? manifest.checkpoints : liveCheckpoints(manifest).filter(isOfUsers);
  return Promise.all(
    chosen.map(async (checkpoint) => {
      // Earlier versions did not say the seq.
      const isSaid = checkpoint.seq > 0 || checkpoint.manifestNumber === 0;
      const pinned = isSaid ? undefined : await manifests.get(checkpoint.manifestNumber, signal);
      const seq = pinned?.manifest.lastL0Seq ?? checkpoint.seq;
      return toCheckpointInfo({ ...checkpoint, seq });
    }),
  );
}

function isOfUsers({ purpose }: Checkpoint): boolean {
  return purpose === CheckpointPurpose.user || purpose === CheckpointPurpose.replaced;
}

/** Of one that is not a user's. */
function holderOf({ purpose, holder }: Checkpoint): string {
  if (purpose === CheckpointPurpose.clone) return `the clone at "${holder}"`;
  const who = purpose === CheckpointPurpose.exporter ? "the export to" : "the reader";
  return holder === "" ? "a reader or an export" : `${who} "${holder}"`;
}

function wayOut({ purpose }: Checkpoint): string {
  return purpose === CheckpointPurpose.clone
    ? "Detach or destroy the clone."
    : "It goes when that is done, or some minutes after its process died.";
}

export async function createCheckpoint(
  context: AdminContext,
  options: CreateCheckpointOptions | undefined,
): Promise<CheckpointInfo> {
  checkOptions(options, checkpointOptionNames, "createCheckpoint");
  const { scope, ...checked } = checkCheckpointOptions(options, ["durable", "l0"]);
  const signal = options?.signal;
  const { stored, ids, options: handle } = context;
  const isDurable = scope === "durable" && checked.source === "";
  const logs = isDurable ? await readStoredLogs(context, signal) : undefined;
  if (logs === undefined) await stored.refresh(signal && { signal });
  const id = ids.next();
  const attach = attachCheckpoint({
    ...{ ...checked, id, createdAt: Math.floor(handle.clock.now()) },
    content: logs && ((manifest: Manifest) => durableContent(manifest, logs)),
  });
  const manifest = await stored.commit(attach, signal && { signal });
  return infoOf(manifest, id);
}

export async function refresh(
  { stored }: AdminContext,
  idOrName: string,
  options: RefreshCheckpointOptions | undefined,
): Promise<CheckpointInfo> {
  checkOptions(options, ["ttlMs", "signal"], "refreshCheckpoint");
  requireCheckpointName(idOrName, "checkpoint");
  requireTtl(options?.ttlMs, "ttlMs");
  requireSignal(options?.signal);
  const { ttlMs, signal } = options ?? {};
  await stored.refresh(signal && { signal });
  let id = "";
  const change = refreshCheckpoint(idOrName, ttlMs === Number.POSITIVE_INFINITY ? 0 : ttlMs);
  const manifest = await stored.commit((newest) => {
    const found = requireCheckpoint(newest, idOrName);
    if (!isOfUsers(found)) {
      throw new InvalidArgumentError(
        `Checkpoint "${idOrName}" is held by ${holderOf(found)}, which alone says for how long.`,
      );
    }
    ({ id } = found);
    return change(newest);
  }, signal && { signal });
  return infoOf(manifest, id);
}

/** False when it is not listed. */
export async function expire(
  { stored }: AdminContext,
  idOrName: string,
  options: ExpireCheckpointOptions | undefined,
): Promise<boolean> {
  checkOptions(options, ["force", "signal"], "expireCheckpoint");
  requireCheckpointName(idOrName, "checkpoint");
  requireBoolean(options?.force, "force");
  requireSignal(options?.signal);
  const signal = options?.signal;
  await stored.refresh(signal && { signal });
  let isFound = false;
  await stored.commit((manifest) => {
    const found = findCheckpoint(manifest, idOrName);
    isFound = found !== undefined;
    if (found === undefined) return manifest;
    if (!isOfUsers(found) && !options?.force) {
      throw new InvalidArgumentError(
        `Checkpoint "${idOrName}" is held by ${holderOf(found)}, which could not go on without it. ${wayOut(found)} Give force: true when it is gone.`,
      );
    }
    return endCheckpoints([found.id])(manifest);
  }, signal && { signal });
  return isFound;
}

/** False when it is not listed. */
export async function retain(
  { stored }: AdminContext,
  idOrName: string,
  retained: boolean,
  options: ChangeCheckpointOptions | undefined,
): Promise<boolean> {
  checkOptions(options, ["signal"], retained ? "retainCheckpoint" : "releaseCheckpoint");
  requireCheckpointName(idOrName, "checkpoint");
  requireSignal(options?.signal);
  const signal = options?.signal;
  await stored.refresh(signal && { signal });
  const manifest = await stored.commit(setRetained(idOrName, retained), signal && { signal });
  return findCheckpoint(manifest, idOrName) !== undefined;
}

function infoOf({ checkpoints }: Manifest, id: string): CheckpointInfo {
  return toCheckpointInfo(checkpoints.find((one) => one.id === id)!);
}
