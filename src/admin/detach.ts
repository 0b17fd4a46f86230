/**
 * `detach`: a clone copies what it shares, and lets go of its parents, so that these may be deleted.
 *
 * Everything that its newest manifest and its checkpoints name of others is copied to its own path, under the same names; one commit says that the
 * copies are what is meant, if it names nothing that was not copied; then the pins in the parents are dropped. Cut off at any moment it goes on where
 * it was: what is there and whole is not copied again.
 */
import { NotFoundError } from "../common/errors.js";
import {
  checkOptions,
  requireBoolean,
  requireFunction,
  requireInteger,
  requireSignal,
} from "../common/options.js";
import type { Manifest } from "../format/manifest.js";
import { releaseExternals } from "../gc/release-externals.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { AdminContext } from "./context.js";
import { type CopyProgress, copyObjects } from "./copy-objects.js";
import type { PlannedCopy } from "./copy-plan.js";
import { announceCopies, DetachPlan, nameCopies, ownersElsewhere } from "./detach-plan.js";
import { storeAt } from "./neighbour.js";

export interface DetachOptions {
  /** How many objects are copied at once, 1 to 64; default 8. */
  copiesInFlight?: number | undefined;
  /** Called as copies arrive. The totals grow when the database names more of others meanwhile. */
  onProgress?: ((progress: CopyProgress) => void) | undefined;
  /**
   * Also lets go of databases that are not found at their paths: they are gone. One that is only out of sight keeps the objects for this clone, until
   * the checkpoint there is expired by hand. Default: false.
   */
  force?: boolean | undefined;
  /** Copies that were made stay, for the next call. */
  signal?: AbortSignal | undefined;
}

export interface DetachResult {
  /** Objects that were copied by this call, and their bytes. */
  readonly copiedFiles: number;
  readonly copiedBytes: number;
  /**
   * Paths of databases that were not found, and may keep objects for this one: it needs them no more. Call again where they can be reached, or with
   * `force` when they are gone.
   */
  readonly notReleased: readonly string[];
}

const copiesInFlightDefault = 8;

export async function detach(
  context: AdminContext,
  options: DetachOptions = {},
): Promise<DetachResult> {
  checkOptions(options, ["copiesInFlight", "force", "onProgress", "signal"], "detach");
  const { copiesInFlight = copiesInFlightDefault, force, onProgress, signal } = options;
  requireInteger(copiesInFlight, "copiesInFlight", 1, 64);
  requireFunction(onProgress, "onProgress");
  requireBoolean(force, "force");
  requireSignal(signal);
  signal?.throwIfAborted();
  const { stored, store, name } = context;
  const total = { copiedFiles: 0, copiedBytes: 0 };
  const plan = new DetachPlan(context);
  let existing: ReadonlyMap<string, number> | undefined;
  for (;;) {
    const newest = await stored.refresh({ signal });
    if (newest.destroyed) throw new NotFoundError(`The database at ${name} was destroyed.`);
    const owners = ownersElsewhere(newest);
    if (owners.size === 0) break;
    await stored.commit(announceCopies(owners), { signal });
    const added = await plan.add(stored.current, signal);
    existing ??= await sizesOf(context, added, signal);
    const before = plan.copies.size - added.length;
    const { copiedFiles, copiedBytes } = await copyObjects(added, {
      ...{ source: store, walSource: store, target: store, mode: "auto", existing },
      ...{ inFlight: copiesInFlight, onWrite: () => undefined },
      signal: signal ?? new AbortController().signal,
      onProgress:
        onProgress &&
        ((progress) =>
          onProgress({
            ...progress,
            copiedFiles: before + progress.copiedFiles,
            files: before + progress.files,
          })),
    });
    total.copiedFiles += copiedFiles;
    total.copiedBytes += copiedBytes;
    const settled = (manifest: Manifest): Manifest =>
      plan.covers(manifest) ? nameCopies(ownersElsewhere(manifest))(manifest) : manifest;
    await stored.commit(settled, { signal });
  }
  return { ...total, notReleased: await release(context, force, signal) };
}

/** What an earlier call has copied, as far as it is to be copied. */
async function sizesOf(
  { store }: AdminContext,
  copies: readonly PlannedCopy[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, number>> {
  const wanted = new Set(copies.map(({ key }) => key));
  const sizes = new Map<string, number>();
  for (const prefix of [ObjectPaths.sstPrefix, ObjectPaths.runPrefix]) {
    for await (const { key, size } of store.list({ prefix, signal })) {
      if (wanted.has(key)) sizes.set(key, size);
    }
  }
  return sizes;
}

async function release(
  context: AdminContext,
  force: boolean | undefined,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const { clock, random, settings } = context.options;
  const at = (path: string) => storeAt(context, path).store;
  const retentionMs = settings.manifestRetentionMs;
  const notReleased: string[] = [];
  await releaseExternals(context.stored, {
    ...{ at, clock, random, retentionMs, signal, force },
    onNotFound: (path) => notReleased.push(path),
  });
  return notReleased;
}
