/**
 * `exportTo`: an independent copy of a checkpoint at another path, in another bucket or in another store, which opens with the source gone.
 *
 * In this order: what lies there is looked at, and nothing is touched where it may not be; the target is claimed, and looked at once more; the
 * source is pinned; objects are copied and checked; the claim is looked at; the manifest is created, which makes a database of it; the hint, what
 * earlier exporters left and the claims follow. Cut off before the manifest, the target does not open; what was copied serves the next attempt.
 */
import { throwIfAborted, whenAborted } from "../common/abort.js";
import { InvalidArgumentError, NotFoundError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import {
  describeLocation,
  type Location,
  type OpenLocation,
  openLocation,
} from "../db/location.js";
import { wrapStore } from "../db/wrap-store.js";
import type { Manifest, WalRange } from "../format/manifest.js";
import { encodeManifest } from "../format/manifest-codec.js";
import { requireCheckpoint } from "../manifest/checkpoint-transitions.js";
import { checkManifest } from "../manifest/invariants.js";
import { ManifestStore } from "../manifest/manifest-store.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { probeConditionalCreate } from "../object-store/probe.js";
import { claimTarget, type TargetClaim } from "./claim.js";
import { newestClaim } from "./claim-list.js";
import type { AdminContext } from "./context.js";
import { type Copied, copyObjects } from "./copy-objects.js";
import { type PlannedCopy, planCopies } from "./copy-plan.js";
import { readEarlier, requireNothingLater, requireSameHistory } from "./export-earlier.js";
import { cleanUp, finish, type LastStep, storeManifest } from "./export-finish.js";
import { exportManifest } from "./export-manifest.js";
import {
  checkExportOptions,
  defaultCopiesInFlight,
  type ExportInfo,
  type ExportOptions,
} from "./export-options.js";
import { pinSource, readState } from "./export-source.js";
import {
  readTarget,
  requireApart,
  requireFree,
  type TargetState,
  type Wanted,
} from "./export-target.js";
import { sameWalObjects } from "./export-wal.js";
import { walStoreOf } from "./wal-store-of.js";

export async function exportTo(
  context: AdminContext,
  checkpoint: string | undefined,
  location: Location,
  options: ExportOptions = {},
): Promise<ExportInfo> {
  checkExportOptions(checkpoint, options);
  const { signal } = options;
  signal?.throwIfAborted();
  const newest = await context.stored.refresh({ signal });
  if (newest.destroyed) throw new NotFoundError(`The database at ${context.name} was destroyed.`);
  const source = checkpoint === undefined ? undefined : requireCheckpoint(newest, checkpoint);
  const place = await openLocation(location);
  const name = `The target ${describeLocation(location)}`;
  if (place.wal !== undefined) {
    place.close();
    throw new InvalidArgumentError('An export has its log beside its data: leave "wal" out.');
  }
  try {
    requireApart(context, place, name);
    return await new Exporting(context, place, name, options).run(source?.id);
  } finally {
    place.close();
  }
}

class Exporting {
  readonly #context: AdminContext;
  readonly #options: ExportOptions;
  readonly #name: string;
  readonly #holder: string;
  readonly #manifests: ManifestStore;
  /** Keys that were absent and have been written, or may have been. */
  readonly #written = new Set<string>();
  /** Aborted by the caller, and when claim or pin are lost. */
  readonly #ended = new AbortController();
  /** The manifest may be there: then nothing that it names may go. */
  #mayBeDone = false;
  /** Of the manifest to be. */
  #number = 1;

  constructor(context: AdminContext, place: OpenLocation, name: string, options: ExportOptions) {
    this.#context = context;
    this.#options = options;
    this.#name = name;
    this.#holder = place.namespace.path;
    this.#manifests = new ManifestStore(wrapStore(place, context.options).store);
  }

  async run(checkpointId: Ulid | undefined): Promise<ExportInfo> {
    const { signal } = this.#options;
    const { signal: ended } = this.#ended;
    const { random } = this.#context.options;
    const { store } = this.#manifests;
    throwIfAborted(signal);
    const stopListening = whenAborted(signal, (reason) => this.#ended.abort(reason));
    try {
      const earlier = await newestClaim(store, ended);
      const before = await readTarget(this.#manifests, ended);
      requireFree(before, this.#wanted(earlier !== undefined));
      // Two could both create the manifest on a store that ignores conditions.
      if (before.objects.size === 0) await probeConditionalCreate(store, random, { signal: ended });
      const claim = await this.#claim(checkpointId, before);
      return await this.#underClaim(claim, checkpointId);
    } finally {
      stopListening();
    }
  }

  #claim(checkpointId: Ulid | undefined, before: TargetState): Promise<TargetClaim> {
    const { options, ids, stored } = this.#context;
    return claimTarget({
      ...{ store: this.#manifests.store, clock: options.clock, random: options.random },
      ...{ id: ids.next(), databaseId: stored.current.databaseId },
      ...{ checkpointId: checkpointId ?? "", place: this.#name, owner: this.#options.name ?? "" },
      ...{ newestToken: before.newest?.token, signal: this.#ended.signal },
    });
  }

  async #underClaim(claim: TargetClaim, checkpointId: Ulid | undefined): Promise<ExportInfo> {
    const onLost = (error: unknown): void => this.#ended.abort(error);
    claim.start(onLost);
    try {
      return await this.#copy(claim, checkpointId, onLost);
    } catch (error) {
      await claim.stop();
      // What fails here is left to the next exporter; the error that led here is the one to tell.
      if (!this.#mayBeDone) {
        const written = [...this.#written];
        await cleanUp(this.#manifests, claim, written, this.#number).catch(() => undefined);
      }
      throw error;
    }
  }

  async #copy(
    claim: TargetClaim,
    checkpointId: Ulid | undefined,
    onLost: (error: unknown) => void,
  ): Promise<ExportInfo> {
    const { signal } = this.#ended;
    // What was there before the claim may have been another exporter's, which is done by now.
    const found = await readTarget(this.#manifests, signal);
    requireFree(found, this.#wanted(claim.hasTakenOver));
    this.#number = (found.newest?.number ?? 0) + 1;
    const pin = await pinSource(this.#context, checkpointId, this.#holder, signal);
    pin.start(onLost);
    try {
      const { checkpoint } = pin;
      const state = await readState(this.#context, checkpoint, signal);
      const plan = planCopies(state);
      const earlier =
        found.newest &&
        (await readEarlier(this.#context, this.#manifests, found.newest, plan, this.#name, signal));
      const origin = {
        checkpointId: checkpointId ?? checkpoint.id,
        manifestNumber: checkpoint.manifestNumber,
        at: Math.floor(this.#context.options.clock.now()),
      };
      const made = exportManifest(state, plan, earlier, origin);
      const manifest: Manifest = { ...made, createdAt: origin.at, token: claim.token };
      checkManifest(manifest);
      requireNothingLater(found, manifest, plan, this.#name);
      requireSameHistory(found, state.manifest, this.#name);
      const walSource = walStoreOf(this.#context, state.manifest);
      const copied = await this.#copyObjects(plan, found, walSource, earlier?.wal ?? []);
      const last: LastStep = {
        ...{ manifests: this.#manifests, claim, manifest, bytes: encodeManifest(manifest) },
        ...{ place: this.#name, signal },
        onSent: () => {
          this.#mayBeDone = true;
        },
        onRefused: () => {
          this.#mayBeDone = false;
        },
      };
      await storeManifest(last);
      await claim.stop();
      await finish(this.#context, last, found, plan);
      const ssts = plan.flatMap((copy, i) => (copy.kind === "sst" ? [copied.sizes[i]!] : []));
      return {
        ...{ sstFiles: ssts.length, blobFiles: 0, version: manifest.number, seq: checkpoint.seq },
        totalBytes: ssts.reduce((sum, size) => sum + size, 0),
        ...{ copiedFiles: copied.copiedFiles, copiedBytes: copied.copiedBytes },
      };
    } catch (error) {
      throw await pin.explain(error);
    } finally {
      await pin.release();
    }
  }

  async #copyObjects(
    plan: readonly PlannedCopy[],
    found: TargetState,
    walSource: ObjectStore,
    named: readonly WalRange[],
  ): Promise<Copied> {
    const { copyMode: mode = "auto", copiesInFlight: inFlight = defaultCopiesInFlight } =
      this.#options;
    const { store: target } = this.#manifests;
    const { signal } = this.#ended;
    const to = { walSource, target, existing: found.objects, inFlight, signal };
    const sameWal = await sameWalObjects(plan, { ...to, named, place: this.#name });
    return await copyObjects(plan, {
      ...{ ...to, source: this.#context.store, mode, sameWal },
      onProgress: this.#options.onProgress,
      onWrite: (key) => this.#written.add(key),
    });
  }

  #wanted(isTakeOver: boolean): Wanted {
    const { databaseId } = this.#context.stored.current;
    const { incremental = false } = this.#options;
    return { databaseId, incremental, isTakeOver, place: this.#name };
  }
}
