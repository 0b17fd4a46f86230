/**
 * Transitions of the collector: what is deleted leaves the retired list, expired checkpoints go, and the first number of the manifests that
 * are kept rises. Each names exactly what it changes: what another has changed meanwhile stays as it is.
 */
import type { Ulid } from "../common/ids.js";
import {
  type Checkpoint,
  type Manifest,
  RetiredKind,
  type RetiredObjects,
  type WalPosition,
} from "../format/manifest.js";
import { endCheckpoints } from "./checkpoint-expiry.js";
import { isWal } from "./retired-wal.js";
import { comparePositions, type Transition } from "./transitions.js";

/**
 * Takes off exactly these, where they are there: ids of the same kind that the same manifest retired, and WAL objects by epoch and id, in
 * whatever pieces their log's are by now. WAL objects that stay before one that goes become remnants: a change feed that went on behind them
 * would pass over what is gone, and nothing else tells it.
 */
export function takeOffRetired(gone: readonly RetiredObjects[]): Transition {
  const ranges = gone.filter(isWal);
  const ids = new Map<string, Set<Ulid>>();
  for (const entry of gone) {
    if (isWal(entry)) continue;
    const known = ids.get(keyOf(entry)) ?? new Set();
    for (const id of entry.ids) known.add(id);
    ids.set(keyOf(entry), known);
  }
  const end = lastOf(ranges);
  return (manifest) => {
    const retired: RetiredObjects[] = [];
    let isChanged = false;
    for (const entry of manifest.retired) {
      const left = isWal(entry)
        ? withoutRanges(entry, ranges).map((piece) => asRemnant(piece, end))
        : withoutIds(entry, ids);
      if (left.length !== 1 || left[0] !== entry) isChanged = true;
      retired.push(...left);
    }
    return isChanged ? { ...manifest, retired } : manifest;
  };
}

/** Behind all of them; undefined when there is none. */
function lastOf(ranges: readonly RetiredObjects[]): WalPosition | undefined {
  const ends = ranges.map(({ epoch, toId }) => ({ epoch, id: toId }));
  return ends.sort(comparePositions).at(-1);
}

function asRemnant(piece: RetiredObjects, end: WalPosition | undefined): RetiredObjects {
  if (end === undefined || piece.kind === RetiredKind.walRemnant) return piece;
  const isBefore = comparePositions({ epoch: piece.epoch, id: piece.fromId }, end) < 0;
  return isBefore ? { ...piece, kind: RetiredKind.walRemnant } : piece;
}

const keyOf = ({ kind, manifestNumber }: RetiredObjects): string => `${kind}/${manifestNumber}`;

function withoutIds(
  entry: RetiredObjects,
  gone: ReadonlyMap<string, ReadonlySet<Ulid>>,
): readonly RetiredObjects[] {
  const ids = gone.get(keyOf(entry));
  if (ids === undefined || !entry.ids.some((id) => ids.has(id))) return [entry];
  const left = entry.ids.filter((id) => !ids.has(id));
  return left.length === 0 ? [] : [{ ...entry, ids: left }];
}

function withoutRanges(
  entry: RetiredObjects,
  gone: readonly RetiredObjects[],
): readonly RetiredObjects[] {
  let left: readonly RetiredObjects[] = [entry];
  for (const { epoch, fromId, toId } of gone) {
    left = left.flatMap((piece) => {
      if (piece.epoch !== epoch || piece.toId <= fromId || toId <= piece.fromId) return [piece];
      const parts = [
        { ...piece, toId: Math.min(piece.toId, fromId) },
        { ...piece, fromId: Math.max(piece.fromId, toId) },
      ];
      return parts.filter((part) => part.fromId < part.toId);
    });
  }
  return left;
}

/** A checkpoint as it was when its age was judged. */
export type ExpiredCheckpoint = Pick<Checkpoint, "id" | "refreshedNumber">;

/**
 * Ends exactly these: one that was refreshed since is another's, and stays. The base of one that stays lingers, and goes with the last that was
 * added to it.
 */
export function dropExpiredCheckpoints(expired: readonly ExpiredCheckpoint[]): Transition {
  return (manifest) => {
    const ended = manifest.checkpoints.filter(({ id, refreshedNumber }) =>
      expired.some((one) => one.id === id && one.refreshedNumber === refreshedNumber),
    );
    return endCheckpoints(ended.map(({ id }) => id))(manifest);
  };
}

/** Manifests below this number have been deleted, but for those that checkpoints need. */
export function raiseFirstNumber(firstNumber: number): Transition {
  return (manifest) =>
    firstNumber > manifest.firstNumber ? { ...manifest, firstNumber } : manifest;
}

/**
 * Puts a list object in the place of exactly these entries, when all of them are there. The list's id must be above the lower of the two
 * floors: below it a sweep, which knows nothing of a list that no manifest names, may have deleted the object.
 */
export function moveRetiredToList(list: Ulid, moved: readonly RetiredObjects[]): Transition {
  return (manifest) => {
    const isAboveFloor = list > lowerFloor(manifest);
    const places = moved.map((one) => manifest.retired.findIndex((entry) => isSame(entry, one)));
    if (!isAboveFloor || moved.length === 0 || places.includes(-1)) return manifest;
    const others = manifest.retired.filter((_, place) => !places.includes(place));
    const entry = listEntry(list, manifest.number + 1);
    return { ...manifest, retired: [entry, ...others] };
  };
}

/** Puts what is left of a list object's entries in its place, when it is there; the object is named no more. */
export function unpackRetiredList(list: Ulid, left: readonly RetiredObjects[]): Transition {
  return (manifest) => {
    const at = manifest.retired.findIndex((entry) => isList(entry) && entry.ids.includes(list));
    if (at < 0) return manifest;
    const entry = manifest.retired[at]!;
    const ids = entry.ids.filter((id) => id !== list);
    const retired = manifest.retired.flatMap((other, i) => {
      if (i !== at) return [other];
      return ids.length === 0 ? left : [{ ...entry, ids }, ...left];
    });
    return { ...manifest, retired };
  };
}

/** Ids at or below it that no manifest names by now will never be named. */
export function lowerFloor({ writerFloor, compactorFloor }: Manifest): Ulid {
  return writerFloor < compactorFloor ? writerFloor : compactorFloor;
}

export function isList({ kind }: RetiredObjects): boolean {
  return kind === RetiredKind.list;
}

function listEntry(list: Ulid, manifestNumber: number): RetiredObjects {
  return { kind: RetiredKind.list, manifestNumber, ids: [list], epoch: 0, fromId: 0, toId: 0 };
}

function isSame(a: RetiredObjects, b: RetiredObjects): boolean {
  return (
    a.kind === b.kind &&
    a.manifestNumber === b.manifestNumber &&
    a.epoch === b.epoch &&
    a.fromId === b.fromId &&
    a.toId === b.toId &&
    a.ids.length === b.ids.length &&
    a.ids.every((id, i) => id === b.ids[i])
  );
}
