/**
 * WAL objects on the retired list: ranges of ids, in pieces that were retired at different times, so that the oldest of a log that
 * never ends grow old, and few, so that the list grows with logs and not with flushes.
 */
import { type Manifest, RetiredKind, type RetiredObjects } from "../format/manifest.js";

/** Pieces of one log. More of them would only make what is collected a little younger. */
const piecesMax = 16;

/**
 * Adds the objects from `fromId` up to but without `toId` of a log, retired by manifest `manifestNumber`. Of more pieces than a log may
 * have, two neighbours become one, which is as young as the younger: the two whose manifest numbers are nearest, so that this makes the
 * least difference, and of several such the newest, so that the oldest piece does not stay young for ever.
 */
export function retireWal(
  retired: readonly RetiredObjects[],
  manifestNumber: number,
  epoch: number,
  fromId: number,
  toId: number,
): readonly RetiredObjects[] {
  if (fromId >= toId) return retired;
  const all = [...retired, walRange(epoch, fromId, toId, manifestNumber)];
  const pieces = all.filter((entry) => entry.kind === RetiredKind.wal && entry.epoch === epoch);
  pieces.sort((a, b) => a.fromId - b.fromId);
  let older: RetiredObjects | undefined;
  let younger: RetiredObjects | undefined;
  let nearest = Number.POSITIVE_INFINITY;
  for (let i = 1; i < pieces.length; i++) {
    const before = pieces[i - 1]!;
    const piece = pieces[i]!;
    const span = Math.abs(piece.manifestNumber - before.manifestNumber);
    // Pieces of one commit are equally young: nothing is lost when they are one.
    if (span > 0 && pieces.length <= piecesMax) continue;
    if (before.toId !== piece.fromId || span > nearest) continue;
    [older, younger, nearest] = [before, piece, span];
  }
  if (older === undefined || younger === undefined) return all;
  const number = Math.max(older.manifestNumber, younger.manifestNumber);
  const joined = walRange(epoch, older.fromId, younger.toId, number);
  return all
    .filter((entry) => entry !== older)
    .map((entry) => (entry === younger ? joined : entry));
}

/** The ranges of WAL objects on the retired list, remnants too, in log order. */
export function retiredWal(manifest: Manifest): readonly RetiredObjects[] {
  return manifest.retired.filter(isWal).sort((a, b) => a.epoch - b.epoch || a.fromId - b.fromId);
}

/** WAL objects, remnants too. */
export function isWal({ kind }: RetiredObjects): boolean {
  return kind === RetiredKind.wal || kind === RetiredKind.walRemnant;
}

export function walRange(
  epoch: number,
  fromId: number,
  toId: number,
  manifestNumber: number,
): RetiredObjects {
  return { kind: RetiredKind.wal, manifestNumber, ids: [], epoch, fromId, toId };
}
