/**
 * `exportManifest`: the manifest that an export ends with, as a pure function of the checkpoint's state and of the export that lies there
 * already. It keeps the database id, since every object that is copied says it; all owners lie at its own path.
 */
import type { Ulid } from "../common/ids.js";
import {
  type Checkpoint,
  type ExportOrigin,
  Feature,
  type Manifest,
  noUlid,
  RetiredKind,
  type RetiredObjects,
  WalLocation,
  type WalRange,
} from "../format/manifest.js";
import { retireWal } from "../manifest/retired-wal.js";
import { comparePositions, firstWalId } from "../manifest/transitions.js";
import { type ExportedState, ownersIn, type PlannedCopy } from "./copy-plan.js";

/** Origins that are kept. */
const originsMax = 16;

/** The export that an incremental one adds to. */
export interface EarlierExport {
  readonly manifest: Manifest;
  /** Keeps its state; pins the manifest. */
  readonly checkpoint: Checkpoint;
  /** What its manifest names. */
  readonly ssts: ReadonlySet<Ulid>;
  readonly runs: ReadonlySet<Ulid>;
  /** WAL objects that it, its checkpoints or what it has given up name. */
  readonly wal: readonly WalRange[];
}

/** Number, time and token are for whoever stores it. */
export function exportManifest(
  state: ExportedState,
  copies: readonly PlannedCopy[],
  earlier: EarlierExport | undefined,
  origin: ExportOrigin,
): Manifest {
  const { checkpoint, manifest } = state;
  const { pinned } = manifest;
  const before = earlier?.manifest;
  const number = (before?.number ?? 0) + 1;
  const hasLog = checkpoint.wal.length > 0;
  const owners = new Set([
    ...ownersIn(copies, manifest.databaseId),
    ...(before?.externals.map(({ databaseId }) => databaseId) ?? []),
  ]);
  return {
    ...manifest,
    number,
    requiredFeatures: featuresOf(manifest, before, owners.size > 0),
    lastSeq: Math.max(manifest.lastSeq, checkpoint.seq),
    // What was open in the source is not open here.
    snapshotSeq: 0,
    walChain: hasLog ? manifest.walChain : [],
    checkpoints: earlier === undefined ? [] : [...earlier.manifest.checkpoints, earlier.checkpoint],
    externals: [...owners].map((databaseId) => ({
      ...{ databaseId, path: "", checkpointId: noUlid, isLeaving: false },
    })),
    retired: earlier === undefined ? [] : retiredBy(earlier, state, copies, number),
    // Nothing here may be taken for garbage before a writer or a compactor has been here.
    writerFloor: noUlid,
    compactorFloor: noUlid,
    pinned: {
      ...pinned,
      walLocation: pinned.walLocation === WalLocation.none ? WalLocation.none : WalLocation.store,
      ...{ walStoreId: "", walPath: "" },
    },
    // For whoever follows the earlier export this is another state, not a later one of the same compactions.
    rewrittenNumber: manifest.rewrittenNumber > 0 || before !== undefined ? number : 0,
    firstNumber: before?.firstNumber ?? 0,
    ...{ compactorWriterEpoch: 0, compactorLeft: manifest.compactorEpoch > 0 },
    history: [],
    exports: [...(before?.exports ?? []), origin].slice(-originsMax),
  };
}

function featuresOf(
  manifest: Manifest,
  before: Manifest | undefined,
  hasExternals: boolean,
): readonly number[] {
  const features = new Set([...manifest.requiredFeatures, ...(before?.requiredFeatures ?? [])]);
  if (hasExternals) features.add(Feature.externals);
  else features.delete(Feature.externals);
  return [...features];
}

/**
 * Whether `next` can come after the export that lies there: an older state would give seqs and epochs again, and what a collector here has been
 * told to delete cannot be named again.
 */
export function isLater(next: Manifest, before: Manifest): boolean {
  const operators = before.pinned.mergeOperators;
  return (
    next.lastSeq >= before.lastSeq &&
    next.lastL0Seq >= before.lastL0Seq &&
    next.compactedSeq >= before.compactedSeq &&
    next.writerEpoch >= before.writerEpoch &&
    next.compactorEpoch >= before.compactorEpoch &&
    comparePositions(next.walStart, before.walStart) >= 0 &&
    operators.every((name, i) => next.pinned.mergeOperators[i] === name)
  );
}

/**
 * Whether a source and the export that lies there are known to have gone different ways from a state that they share: each has an L0 entry of the
 * same seqs that the other does not have. In one history each entry has seqs of its own, unless a restore has made it of a log that was flushed
 * once before. Where one side's are compacted, nothing is known.
 */
export function isApart(source: Manifest, before: Manifest): boolean {
  if (source.rewrittenNumber > 0) return false;
  const others = seqsOfOthers(before, source);
  return seqsOfOthers(source, before).some((one) =>
    others.some((other) => one.min <= other.max && other.min <= one.max),
  );
}

/** The lowest and highest seq of each L0 entry that `other` does not have. */
function seqsOfOthers(
  manifest: Manifest,
  other: Manifest,
): readonly { min: number; max: number }[] {
  const known = new Set(other.l0.flatMap(({ ssts }) => ssts.map(({ id }) => id)));
  return manifest.l0
    .filter(({ ssts }) => !ssts.some(({ id }) => known.has(id)))
    .map(({ ssts, seq }) => ({
      min: seq || Math.min(...ssts.map(({ minSeq }) => minSeq)),
      max: seq || Math.max(...ssts.map(({ maxSeq }) => maxSeq)),
    }));
}

/** What the earlier export names and this one does not; and of what was retired before, what this one does not name again. */
function retiredBy(
  earlier: EarlierExport,
  { manifest }: ExportedState,
  copies: readonly PlannedCopy[],
  number: number,
): readonly RetiredObjects[] {
  const ssts = new Set(copies.flatMap((copy) => (copy.kind === "sst" ? [copy.id] : [])));
  const runs = new Set(copies.flatMap((copy) => (copy.kind === "run" ? [copy.run.id] : [])));
  const isNamed = (kind: RetiredKind, id: Ulid): boolean =>
    kind === RetiredKind.sst ? ssts.has(id) : kind === RetiredKind.run && runs.has(id);
  let retired: readonly RetiredObjects[] = earlier.manifest.retired.flatMap((entry) => {
    if (entry.ids.length === 0) return [entry];
    const ids = entry.ids.filter((id) => !isNamed(entry.kind, id));
    return ids.length === 0 ? [] : [{ ...entry, ids }];
  });
  const add = (kind: RetiredKind, named: ReadonlySet<Ulid>): void => {
    const ids = [...named].filter((id) => !isNamed(kind, id)).sort();
    if (ids.length === 0) return;
    const entry = { kind, manifestNumber: number, ids, epoch: 0, fromId: 0, toId: 0 };
    retired = [...retired, entry];
  };
  add(RetiredKind.sst, earlier.ssts);
  add(RetiredKind.run, earlier.runs);
  for (const { epoch, fromId, toId } of earlier.checkpoint.wal) {
    const isRead = manifest.walChain.some((log) => log.epoch === epoch);
    const end = isRead ? Math.min(toId, firstWalId(manifest, epoch)) : toId;
    retired = retireWal(retired, number, epoch, fromId, end);
  }
  return retired;
}
