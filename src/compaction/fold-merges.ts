/**
 * Merge rows of one key that a compaction makes fewer: folded onto what lies beneath them, where that is known, or joined with each
 * other. A row may only take in an older one that does not expire before it does: until then a read must find that one, and
 * afterwards stop there.
 */
import { concatBytes } from "../common/bytes.js";
import { RowKind, RowRef } from "../common/row.js";
import { foldVersions, type Version } from "../merge/fold-versions.js";
import type { MergeOperators } from "../merge/merge-operators.js";

/** One version of the key at hand. */
export interface KeptVersion extends Version {
  readonly seq: number;
  /** ms since 1970 */
  readonly createdAt: number;
}

/** Joined rows have no more bytes, so that what reads and compactions hold of one row is bounded. */
const joinedBytesMax = 4 * 1024 * 1024;

/** A version of its own of what `row` stands at; the value is a view, which stays as it is. */
export function versionOf(row: RowRef): KeptVersion {
  const { kind, seq, createdAt, expiresAt, operatorId } = row;
  return { kind, seq, createdAt, expiresAt, operatorId, value: row.value() };
}

/**
 * The one version that stands for all of `merges`, newest first, with `base` beneath them; without one they lie on nothing. Undefined
 * when they have to stay: they expire at other times, or the operator is not at hand or fails.
 */
export function foldOnto(
  key: Uint8Array,
  merges: readonly KeptVersion[],
  base: KeptVersion | undefined,
  now: number,
  operators: MergeOperators,
): KeptVersion | undefined {
  const newest = merges[0]!;
  const all = base === undefined ? merges : [...merges, base];
  // A base that hides everything, as a delete does, has no value that could expire too early.
  const outlive = all.every(
    (version) => version.kind === RowKind.delete || mayTakeIn(newest, version),
  );
  if (!outlive) return undefined;
  try {
    const value = foldVersions(key, all, now, operators.apply);
    const { seq, createdAt, expiresAt } = newest;
    if (value !== undefined) {
      return { kind: RowKind.put, seq, createdAt, expiresAt, operatorId: 0, value };
    }
    return deleteAt(newest);
  } catch {
    // Whoever reads the key is told.
    return undefined;
  }
}

/** Neighbours of the same operator as one row each, whose operands are one where the operator can do that. Newest first, both. */
export function joinMerges(
  key: Uint8Array,
  merges: readonly KeptVersion[],
  operators: MergeOperators,
): KeptVersion[] {
  const joined: KeptVersion[] = [];
  for (let from = 0; from < merges.length; ) {
    const newest = merges[from]!;
    let bytes = newest.value.length;
    let to = from + 1;
    for (; to < merges.length; to++) {
      const older = merges[to]!;
      bytes += older.value.length;
      if (older.operatorId !== newest.operatorId || !mayTakeIn(newest, older)) break;
      if (bytes > joinedBytesMax) break;
    }
    joined.push(to === from + 1 ? newest : join(key, merges.slice(from, to), operators));
    from = to;
  }
  return joined;
}

/** What hides the same as a version that has gone. */
export function deleteAt({ seq, createdAt }: KeptVersion): KeptVersion {
  return { kind: RowKind.delete, seq, createdAt, expiresAt: 0, operatorId: 0, value: noValue };
}

const noValue = new Uint8Array(0);

function mayTakeIn(newer: KeptVersion, older: KeptVersion): boolean {
  if (older.expiresAt === 0) return true;
  return newer.expiresAt !== 0 && older.expiresAt >= newer.expiresAt;
}

function join(
  key: Uint8Array,
  merges: readonly KeptVersion[],
  operators: MergeOperators,
): KeptVersion {
  const newest = merges[0]!;
  const row = new RowRef();
  row.keyBytes = key;
  row.keyEnd = key.length;
  row.kind = RowKind.merge;
  row.operatorId = newest.operatorId;
  row.valueBytes = concatBytes(merges.map(({ value }) => value).reverse());
  row.valueEnd = row.valueBytes.length;
  operators.combine(row);
  return { ...newest, value: row.value() };
}
