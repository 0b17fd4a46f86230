/** `planCopies`: what an export copies, as a pure function of a checkpoint's state: every object once, by its key there and its key here. */
import type { Ulid } from "../common/ids.js";
import {
  type Checkpoint,
  type Manifest,
  noUlid,
  type SortedRun,
  type SstInfo,
  type WalPosition,
} from "../format/manifest.js";
import { ObjectPaths } from "../object-store/paths.js";

/** A checkpoint with all that it names read. */
export interface ExportedState {
  readonly checkpoint: Checkpoint;
  /** The manifest that it pins. */
  readonly manifest: Manifest;
  /** The SSTs of each run whose list is an object of its own, by the run's id; owners are filled in. */
  readonly lists: ReadonlyMap<Ulid, readonly SstInfo[]>;
  /** The fences behind logs of the checkpoint that are closed. */
  readonly fences: readonly WalPosition[];
}

interface PlannedObject {
  /** Of the target. */
  readonly key: string;
  /** In the source's store, or in that of its log. */
  readonly from: string;
  /** The database that its bytes say. */
  readonly owner: Ulid;
}

export type PlannedCopy = PlannedObject &
  (
    | {
        readonly kind: "sst";
        readonly id: Ulid /** Undefined where only a load record names it. */;
        readonly size: number | undefined;
      }
    | { readonly kind: "run"; readonly run: SortedRun; readonly size: number }
    | { readonly kind: "wal"; readonly position: WalPosition; readonly size: undefined }
  );

/** SSTs first, then lists of runs, then WAL objects in log order. */
export function planCopies({ checkpoint, manifest, lists, fences }: ExportedState): PlannedCopy[] {
  const { databaseId } = manifest;
  const copies = new Map<string, PlannedCopy>();
  const add = (copy: PlannedCopy): void => {
    if (!copies.has(copy.key)) copies.set(copy.key, copy);
  };
  const addSst = (id: Ulid, owner: Ulid, size: number | undefined): void => {
    const from = ObjectPaths.sst(id, owner);
    add({ kind: "sst", key: ObjectPaths.sst(id), from, owner: owner || databaseId, id, size });
  };
  for (const { ssts } of [...manifest.l0, ...manifest.runs]) {
    for (const { id, owner, size } of ssts) addSst(id, owner, size);
  }
  for (const ssts of lists.values()) {
    // In a list the owner of what is the database's own may be written out, as another database needs it.
    for (const { id, owner, size } of ssts) addSst(id, owner === databaseId ? noUlid : owner, size);
  }
  for (const id of checkpoint.loads) addSst(id, noUlid, undefined);
  for (const run of manifest.runs) {
    if (run.listBytes === 0) continue;
    const from = ObjectPaths.run(run.id, run.owner);
    const owner = run.owner || databaseId;
    add({ kind: "run", key: ObjectPaths.run(run.id), from, owner, run, size: run.listBytes });
  }
  const addWal = (position: WalPosition): void => {
    const key = ObjectPaths.wal(position.epoch, position.id);
    add({ kind: "wal", key, from: key, owner: databaseId, position, size: undefined });
  };
  for (const { epoch, fromId, toId } of checkpoint.wal) {
    for (let id = fromId; id < toId; id++) addWal({ epoch, id });
  }
  for (const fence of fences) addWal(fence);
  return [...copies.values()];
}

/** The other databases whose objects are among what is copied. */
export function ownersIn(copies: readonly PlannedCopy[], databaseId: Ulid): readonly Ulid[] {
  return [...new Set(copies.map(({ owner }) => owner))]
    .filter((owner) => owner !== databaseId)
    .sort();
}
