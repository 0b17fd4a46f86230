/** A reader that stands still: at a checkpoint, with what its WAL objects hold, or at an old manifest. */
import {
  CorruptionError,
  type MissingObjectError,
  NotFoundError,
  SnapshotGoneError,
} from "../common/errors.js";
import { type Checkpoint, type Manifest, WalLocation } from "../format/manifest.js";
import { requireCheckpoint } from "../manifest/checkpoint-transitions.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";
import { MemTable } from "../memtable/mem-table.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import { replayRanges } from "../wal/replay-ranges.js";
import { applyObject } from "./apply-object.js";
import { DbState } from "./db-state.js";
import { type PastMoment, pastState } from "./past-state.js";
import type { ViewSource } from "./read-view.js";
import type { ReaderPin } from "./reader-pin.js";

/** Where it stands. One of the three. */
export type Standing =
  | { readonly checkpoint: string }
  | (PastMoment & { readonly checkpoint?: undefined });

export interface StandingState {
  readonly state: DbState;
  /** The newest seq that is seen. */
  readonly seq: number;
  readonly newer: ViewSource;
}

export interface StandingOptions {
  readonly stored: StoredManifest;
  /** Where the database's own logs are. */
  readonly store: ObjectStore;
  /** Where they are while the manifest says that they are in another place. */
  readonly walStore: ObjectStore;
  /** Only at a checkpoint. */
  readonly pin: ReaderPin | undefined;
  readonly memTableBytes: number;
  readonly signal: AbortSignal | undefined;
}

export async function standAt(
  standing: Standing,
  options: StandingOptions,
): Promise<StandingState> {
  const { stored, signal } = options;
  if (standing.checkpoint === undefined) {
    const manifest = await pastState(stored.manifests, stored.current, standing, signal);
    const state = new DbState(manifest, new MemTable());
    return { state, seq: manifest.lastL0Seq, newer: new GoneViews(stored, () => false) };
  }
  return standAtCheckpoint(requireCheckpoint(stored.current, standing.checkpoint), options);
}

async function standAtCheckpoint(
  checkpoint: Checkpoint,
  options: StandingOptions,
): Promise<StandingState> {
  const { stored, pin, signal } = options;
  if (pin !== undefined) {
    await pin.takeCopy(checkpoint.id, signal);
    // The reader outlives the signal of its open.
    pin.onLost = () => pin.takeCopy(checkpoint.id);
  }
  // One that has ended may linger: what it names is there for as long as it is on the list.
  const isListed = (newest: Manifest): boolean =>
    newest.checkpoints.some(({ id }) => id === checkpoint.id) || pin?.isIn(newest) === true;
  try {
    return await replay(checkpoint, isListed, options);
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    if (isListed(await stored.refresh({ signal }))) throw error;
    const name = checkpoint.name || checkpoint.id;
    throw new NotFoundError(`Checkpoint "${name}" ended while it was being opened.`, {
      cause: error,
    });
  }
}

async function replay(
  checkpoint: Checkpoint,
  isListed: (newest: Manifest) => boolean,
  { stored, store, walStore, pin, memTableBytes, signal }: StandingOptions,
): Promise<StandingState> {
  const named = `checkpoint "${checkpoint.name || checkpoint.id}"`;
  const number = checkpoint.manifestNumber;
  const { current: newest, manifests } = stored;
  const manifest =
    number === newest.number ? newest : (await manifests.get(number, signal))?.manifest;
  if (manifest === undefined) {
    throw new CorruptionError(ObjectPaths.manifest(number), `it is missing, and ${named} names it`);
  }
  pin?.standsAt(manifest);
  const { lastL0Seq, databaseId, pinned } = manifest;
  const state = new DbState(manifest, new MemTable());
  let seq = lastL0Seq;
  await replayRanges({
    ...{ databaseId, ranges: checkpoint.wal, named, signal },
    store: pinned.walLocation === WalLocation.other ? walStore : store,
    apply: (object) => {
      applyObject(state, object, seq, memTableBytes);
      seq = Math.max(seq, object.lastSeq);
    },
  });
  seq = Math.max(lastL0Seq, checkpoint.seq);
  return { state, seq, newer: new GoneViews(stored, isListed) };
}

/** There is nothing newer to go on with: what a read misses is damage, or nobody keeps it any more. */
class GoneViews implements ViewSource {
  readonly #stored: StoredManifest;
  readonly #isKept: (newest: Manifest) => boolean;

  constructor(stored: StoredManifest, isKept: (newest: Manifest) => boolean) {
    this.#stored = stored;
    this.#isKept = isKept;
  }

  async after(
    heldNumber: number,
    error: MissingObjectError,
    signal?: AbortSignal | undefined,
  ): Promise<never> {
    if (this.#isKept(await this.#stored.refresh({ signal }))) throw error;
    throw new SnapshotGoneError(
      `What manifest ${heldNumber} names is deleted: no checkpoint keeps it any more. Open a state that is kept: with "pin" a reader keeps its checkpoint for as long as it is open, and without one an old state is there for "gcGraceMs" of whoever collects.`,
      { cause: error },
    );
  }
}
