/**
 * The end of a restore: the compactor's epoch is claimed and all jobs are given up (R58), and the commit follows at once. What may take long comes
 * before it, so that a compactor that somebody starts again has little time to come between; where one does, it is done again.
 */
import { CorruptionError, FencedError } from "../common/errors.js";
import { CompactionsStore } from "../compaction/compactions-store.js";
import { giveUpJobs } from "../compaction/job-transitions.js";
import { StoredCompactions } from "../compaction/stored-compactions.js";
import type { Claim } from "../db/claim.js";
import type { Manifest } from "../format/manifest.js";
import { claimCompactor } from "../manifest/compaction-transitions.js";
import {
  type Restoration,
  restoreState,
  UnknownListError,
} from "../manifest/restore-transition.js";
import type { CommitOptions, StoredManifest } from "../manifest/stored-manifest.js";
import type { AdminContext } from "./context.js";
import { namedState, unpackLists } from "./restore-named.js";

/** All of it but what is known only under the compactor's epoch. */
export type RestorationToCommit = Omit<Restoration, "compactorEpoch" | "replaced" | "otherLists">;

/** How many other compactors may come between. Each is fenced, and has to be started again. */
const takeoversMax = 10;

/** Gives the manifest that the restore has made. `FencedError` says that nothing was restored. */
export async function commitRestore(
  context: AdminContext,
  claim: Pick<Claim, "stored" | "epoch">,
  restoration: RestorationToCommit,
  signal: AbortSignal | undefined,
): Promise<Manifest> {
  const { stored, epoch } = claim;
  for (let takeovers = 0; ; takeovers++) {
    try {
      const compactorEpoch = await claimJobs(context, claim, signal);
      return await commitState(context, stored, { epoch, compactorEpoch, signal }, restoration);
    } catch (error) {
      if (!(error instanceof FencedError)) throw error;
      const newest = await stored.refresh({ signal });
      const made = await madeBefore(stored, newest, restoration, signal);
      if (made !== undefined) return made;
      if (newest.writerEpoch > epoch) throw nothingRestored("writer", error);
      if (takeovers === takeoversMax) throw nothingRestored("compactor", error);
    }
  }
}

/** Writers are fenced by the claim, whatever becomes of the restore: who fences the restore in turn has been started again. */
export function nothingRestored(by: "writer" | "compactor", cause: FencedError): FencedError {
  const { ownEpoch, seenEpoch } = cause;
  const who =
    by === "writer"
      ? "another writer, restore or destroy took the database over while this restore was under way"
      : `other compactors took over again and again before its commit, ${takeoversMax + 1} times`;
  return new FencedError(
    `Nothing was restored: ${who}. Writers that were open before are fenced. Stop what opens writers and compactors again, then restore once more.`,
    { ownEpoch, seenEpoch, cause },
  );
}

/** Gives the compactor's epoch. A state is committed even where there is none: an older coordinator may be about to commit its first. */
async function claimJobs(
  { store, options }: AdminContext,
  { stored, epoch }: Pick<Claim, "stored" | "epoch">,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { clock, random, settings } = options;
  const { compactorEpoch, databaseId } = await stored.commit(claimCompactor(epoch), {
    ...{ epoch, signal },
  });
  const jobs = new StoredCompactions(new CompactionsStore(store, databaseId), {
    ...{ clock, random, retentionMs: settings.manifestRetentionMs },
  });
  await jobs.commit(giveUpJobs(compactorEpoch), { epoch: compactorEpoch, signal });
  return compactorEpoch;
}

async function commitState(
  { store }: AdminContext,
  stored: StoredManifest,
  roles: CommitOptions & { readonly compactorEpoch: number },
  toCommit: RestorationToCommit,
): Promise<Manifest> {
  const replaced = await namedState(store, stored.current, roles.signal).catch(async (error) => {
    // What another compactor has replaced since may be gone.
    if (error instanceof CorruptionError) await stored.refresh(roles);
    throw error;
  });
  const { compactorEpoch } = roles;
  for (;;) {
    const otherLists = await unpackLists(stored, store, toCommit.named, roles);
    const restoration = { ...toCommit, compactorEpoch, replaced, otherLists };
    try {
      return await stored.commit(restoreState(restoration), roles);
    } catch (error) {
      if (!(error instanceof UnknownListError)) throw error;
    }
  }
}

/** The commit may have been stored without a reply, and others may have built on it since. */
async function madeBefore(
  stored: StoredManifest,
  newest: Manifest,
  { keepAs }: RestorationToCommit,
  signal: AbortSignal | undefined,
): Promise<Manifest | undefined> {
  const kept = newest.checkpoints.find(({ id }) => id === keepAs.id);
  if (kept === undefined) return undefined;
  return (await stored.manifests.get(kept.manifestNumber + 1, signal))?.manifest ?? newest;
}
