/** How an export ends: with its manifest, which makes a database of what was copied, or with the removal of what it has written. */
import { equalBytes } from "../common/bytes.js";
import { ExistsError, StoreError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import type { Manifest } from "../format/manifest.js";
import { ownershipOf } from "../gc/ownership.js";
import { PinnedStates } from "../gc/pinned-states.js";
import type { ManifestStore } from "../manifest/manifest-store.js";
import { ObjectPaths, parseRunPath, parseSstPath, parseWalPath } from "../object-store/paths.js";
import type { TargetClaim } from "./claim.js";
import type { AdminContext } from "./context.js";
import { ownersIn, type PlannedCopy } from "./copy-plan.js";
import { isCopied, type TargetState } from "./export-target.js";

const deletesAtOnce = 1000;

export interface LastStep {
  readonly manifests: ManifestStore;
  readonly claim: TargetClaim;
  readonly manifest: Manifest;
  readonly bytes: Uint8Array;
  readonly place: string;
  readonly signal: AbortSignal;
  /** Called before it is sent: from then on it may be there, until `onRefused` says that it never will be. */
  readonly onSent: () => void;
  readonly onRefused: () => void;
}

/** Creates the manifest, and puts the hint. Throws `ExistsError` when the claim or the number is another's. */
export async function storeManifest(step: LastStep): Promise<void> {
  const { manifests, claim, manifest, bytes, place, signal, onSent, onRefused } = step;
  const { number } = manifest;
  // A writer may have opened what lies there, and numbers may be deleted again: what is listed counts.
  const newer = await manifests.highestNumber(number - 1, signal);
  if (newer !== undefined) throw outrun(place, newer);
  // The last question before the create: an exporter that was silent for long may be superseded.
  await claim.requireHighest(signal);
  signal.throwIfAborted();
  onSent();
  try {
    if ((await manifests.create(number, bytes)) === "exists") {
      await requireOwn(step);
    }
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const { reason } = error;
    if (reason === "denied" || reason === "invalid" || reason === "unsupported") {
      onRefused();
      throw error;
    }
    await requireOwn(step, error);
  }
  // It only costs the first opener a listing.
  await manifests.putHint(bytes).catch(() => undefined);
}

/** What is at the number decides. Absent after an unknown outcome it may still come: then nothing that it names is touched. */
async function requireOwn(
  { manifests, manifest, bytes, place, onRefused }: LastStep,
  cause?: unknown,
): Promise<void> {
  const { number } = manifest;
  const found = await manifests.store.get(ObjectPaths.manifest(number));
  if (found !== undefined && equalBytes(found.bytes, bytes)) return;
  if (found === undefined && cause !== undefined) throw cause;
  onRefused();
  throw outrun(place, number);
}

function outrun(place: string, number: number): ExistsError {
  return new ExistsError(
    `${place} has been given manifest ${number} by another process while it was exported to. Nothing of it was changed. Export to an empty path.`,
  );
}

/**
 * After a failure: deletes what this exporter has written and was not there before, and then the claim. Nothing is deleted once another one may
 * have taken over, who relies on what lies there. A process that sleeps for ten minutes between that question and its DELETE can still do harm:
 * no store can refuse a DELETE (docs/protocol.md).
 */
export async function cleanUp(
  manifests: ManifestStore,
  claim: TargetClaim,
  written: readonly string[],
  /** The number that the manifest would have had. */
  number: number,
): Promise<void> {
  const { store } = manifests;
  if (written.length === 0 && !claim.hasTakenOver) {
    // Also after a long sleep: nobody relies on a claim that is not theirs.
    await claim.requireHighest();
    await claim.remove();
    return;
  }
  if (!(await claim.mayCleanUp())) return;
  // An earlier exporter that was thought dead has finished: what is there is its own.
  if ((await store.head(ObjectPaths.manifest(number))) === undefined) {
    // First: an earlier exporter that sleeps must not find its claim the highest again, and name what goes now.
    await claim.removeOlder();
    for (let from = 0; from < written.length; from += deletesAtOnce) {
      if (!(await claim.mayCleanUp())) return;
      await store.delete(written.slice(from, from + deletesAtOnce));
    }
    // What earlier exporters have copied is still there, so that the path is not empty: the claim says whose it is.
    if (claim.hasTakenOver) {
      await claim.end();
      return;
    }
  }
  await claim.remove();
}

/** The export is complete: deletes what earlier exporters have left and nothing names, then the claims. Failures are no failure of the export. */
export async function finish(
  context: AdminContext,
  { manifests, claim, manifest }: LastStep,
  found: TargetState,
  plan: readonly PlannedCopy[],
): Promise<void> {
  try {
    if (claim.hasTakenOver) await removeLeftovers(context, claim, manifests, manifest, found, plan);
    // Whoever was taken for dead and taken over from leaves what lies there to the other one.
    await claim.requireHighest();
    await claim.remove();
  } catch {
    // The claim has the manifest's token: at most ten minutes are waited for it.
  }
}

async function removeLeftovers(
  context: AdminContext,
  claim: TargetClaim,
  manifests: ManifestStore,
  manifest: Manifest,
  found: TargetState,
  plan: readonly PlannedCopy[],
): Promise<void> {
  const { store } = manifests;
  const pinned = await new PinnedStates(manifests, context.options.clock).of(manifest, undefined);
  const planned = new Set(plan.map(({ key }) => key));
  const retired = new Set<Ulid>(manifest.retired.flatMap(({ ids }) => ids));
  const isNamed = (key: string): boolean => {
    const sst = parseSstPath(key);
    if (sst !== undefined) return pinned.ssts.has(sst) || retired.has(sst);
    const run = parseRunPath(key);
    if (run !== undefined) return pinned.runs.has(run) || retired.has(run);
    // Logs of earlier exports are the collector's.
    return parseWalPath(key) !== undefined && found.newest !== undefined;
  };
  const { databaseId } = manifest;
  const owner = { databaseId, copied: new Set(ownersIn(plan, databaseId)), signal: undefined };
  const left = [...found.objects.keys()].filter(
    (key) => isCopied(key) && !planned.has(key) && !isNamed(key),
  );
  for (const key of left) {
    if ((await ownershipOf(store, key, owner)) !== "own") continue;
    // A later exporter counts on what it finds.
    if (!(await claim.mayCleanUp())) return;
    await store.delete([key]);
  }
}
