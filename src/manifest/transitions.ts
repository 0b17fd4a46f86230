/**
 * Pure transitions of the manifest. Each says what changes, never what the result is, so that it can be applied again to
 * a newer manifest; what is there already is no change, and then the same manifest is returned.
 */
import type { Ulid } from "../common/ids.js";
import {
  Feature,
  type L0Entry,
  type Manifest,
  noUlid,
  type PinnedSettings,
  WalLocation,
  type WalPosition,
} from "../format/manifest.js";
import { withSample } from "./history.js";
import { retireWal } from "./retired-wal.js";

/** A change of the manifest; number, time and token are filled in by the commit. */
export type Transition = (manifest: Manifest) => Manifest;

/** Manifest 1 of a new database: no data, and no epoch claimed. */
export function emptyManifest(databaseId: Ulid, pinned: PinnedSettings): Manifest {
  return {
    number: 0,
    databaseId,
    createdAt: 0,
    token: new Uint8Array(0),
    destroyed: false,
    requiredFeatures: [],
    optionalFeatures: [],
    writerEpoch: 0,
    compactorEpoch: 0,
    lastL0Seq: 0,
    lastSeq: 0,
    snapshotSeq: 0,
    walStart: { epoch: 1, id: 1 },
    walChain: [],
    l0: [],
    runs: [],
    checkpoints: [],
    externals: [],
    retired: [],
    writerFloor: noUlid,
    compactorFloor: noUlid,
    pinned,
    compactedSeq: 0,
    rewrittenNumber: 0,
    firstNumber: 0,
    compactorWriterEpoch: 0,
    compactorLeft: false,
    history: [],
    exports: [],
    sweptAt: 0,
  };
}

/**
 * Takes the next writer epoch and puts its log at the end of the chain, if it is going to have one. Names of merge operators that are new are
 * appended: ids of rows depend on the order of those that are there.
 */
export function claimWriter(options: {
  putsInFlight: number;
  /** All that the handle has. Default: none. */
  mergeOperators?: readonly string[] | undefined;
  /** What the handle pins, given what is pinned; throws when the two do not go together. Default: what is pinned. */
  repin?: ((manifest: Manifest) => PinnedSettings) | undefined;
}): Transition {
  return (manifest) => {
    const epoch = manifest.writerEpoch + 1;
    const pinned = nameOperators(
      options.repin?.(manifest) ?? manifest.pinned,
      options.mergeOperators ?? [],
    );
    const log = { epoch, putsInFlight: options.putsInFlight };
    const walChain =
      pinned.walLocation === WalLocation.none ? manifest.walChain : [...manifest.walChain, log];
    const { requiredFeatures: before } = manifest;
    // A version that knows no merges would take operands for damage, or fold nothing: it is refused the database.
    const requiredFeatures =
      pinned.mergeOperators.length > 0 ? withFeature(before, Feature.mergeRows) : before;
    // What an older writer had open ends with it.
    const snapshotSeq = 0;
    const history = withSample(manifest);
    return {
      ...{ ...manifest, writerEpoch: epoch, pinned, walChain, requiredFeatures },
      ...{ snapshotSeq, history },
      // From here on an export goes its own way, and no other one may add to it.
      exports: [],
    };
  };
}

function nameOperators(pinned: PinnedSettings, names: readonly string[]): PinnedSettings {
  const added = names.filter((name) => !pinned.mergeOperators.includes(name));
  if (added.length === 0) return pinned;
  return { ...pinned, mergeOperators: [...pinned.mergeOperators, ...added] };
}

function withFeature(features: readonly number[], feature: number): readonly number[] {
  return features.includes(feature) ? features : [...features, feature];
}

/** A version that knows no range deletes would answer what they deleted. */
function requiredByEntries(
  entries: readonly L0Entry[],
  features: readonly number[],
): readonly number[] {
  const hasSome = entries.some(({ ssts }) => ssts.some((sst) => sst.rangeDeletes.length > 0));
  return hasSome ? withFeature(features, Feature.rangeDeletes) : features;
}

export interface RetiredBatch {
  readonly epoch: number;
  /** Oldest first. */
  readonly entries: readonly L0Entry[];
  /** Every WAL object before it holds only what the entries, or L0s before them, hold. */
  readonly walStart: WalPosition;
  /** The last seq that the entries hold. */
  readonly lastL0Seq: number;
  readonly lastSeq: number;
  /** The oldest seq that is open as the batch is made; 0: none. What is opened later is at the last L0 seq or above. */
  readonly snapshotSeq: number;
  readonly writerFloor: Ulid;
  /** For each older log of the chain, the id of its first fence. */
  readonly logEnds: ReadonlyMap<number, number>;
}

/** Appends flushed tables to L0 and moves the start of replay behind what they hold. */
export function retireBatch(batch: RetiredBatch): Transition {
  return (manifest) => {
    const entries = batch.entries.filter((entry) => !wasAppended(manifest, entry));
    const walMoves = comparePositions(batch.walStart, manifest.walStart) > 0;
    const floorRises = batch.writerFloor > manifest.writerFloor;
    if (entries.length === 0 && !walMoves && !floorRises) return manifest;
    return {
      ...manifest,
      requiredFeatures: requiredByEntries(entries, manifest.requiredFeatures),
      l0: [...manifest.l0, ...entries],
      lastL0Seq: Math.max(manifest.lastL0Seq, batch.lastL0Seq),
      lastSeq: Math.max(manifest.lastSeq, batch.lastSeq),
      snapshotSeq: batch.snapshotSeq,
      writerFloor: floorRises ? batch.writerFloor : manifest.writerFloor,
      history: withSample(manifest),
      ...(walMoves ? moveWalStart(manifest, batch.walStart, batch.logEnds) : {}),
    };
  };
}

/** The last commit of a clean close: everything is in L0, so the writer's own log leaves the chain. */
export function closeWriter(closing: {
  epoch: number;
  walStart: WalPosition;
  lastSeq: number;
  writerFloor: Ulid;
  logEnds: ReadonlyMap<number, number>;
}): Transition {
  return (manifest) => {
    if (!manifest.walChain.some((log) => log.epoch === closing.epoch)) return manifest;
    const moved =
      comparePositions(closing.walStart, manifest.walStart) > 0
        ? moveWalStart(manifest, closing.walStart, closing.logEnds)
        : {};
    return {
      ...manifest,
      ...moved,
      lastSeq: Math.max(manifest.lastSeq, closing.lastSeq),
      writerFloor:
        closing.writerFloor > manifest.writerFloor ? closing.writerFloor : manifest.writerFloor,
      walChain: manifest.walChain.filter((log) => log.epoch > closing.epoch),
      history: withSample(manifest),
      snapshotSeq: 0,
    };
  };
}

export function comparePositions(a: WalPosition, b: WalPosition): number {
  return a.epoch - b.epoch || a.id - b.id;
}

/** The first id of a log that replay reads. */
export function firstWalId(manifest: Manifest, epoch: number): number {
  return epoch === manifest.walStart.epoch ? manifest.walStart.id : 1;
}

/**
 * Entries come in seq order, so all up to the last L0 seq have been appended: also those that a compaction has taken out
 * of L0 since, while the outcome of the commit that appended them was not known.
 */
function wasAppended(manifest: Manifest, entry: L0Entry): boolean {
  const last = entry.seq > 0 ? entry.seq : Math.max(...entry.ssts.map((sst) => sst.maxSeq));
  return last <= manifest.lastL0Seq;
}

/** Logs before the new start leave the chain, and the objects that replay no longer reads are retired; fences stay. */
function moveWalStart(
  manifest: Manifest,
  walStart: WalPosition,
  logEnds: ReadonlyMap<number, number>,
): Partial<Manifest> {
  let retired = manifest.retired;
  for (const { epoch } of manifest.walChain) {
    if (epoch > walStart.epoch) continue;
    const toId = epoch === walStart.epoch ? walStart.id : logEnds.get(epoch);
    if (toId === undefined) continue;
    retired = retireWal(retired, manifest.number + 1, epoch, firstWalId(manifest, epoch), toId);
  }
  return {
    walStart,
    walChain: manifest.walChain.filter((log) => log.epoch >= walStart.epoch),
    retired,
  };
}
