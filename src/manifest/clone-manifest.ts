/**
 * `cloneManifest`: the first manifest of a database that begins with the data of others: of one for a clone, of several for a union. It names
 * their objects with their owners, and says where these lie and by which checkpoint each of them keeps what is named.
 */
import type { Bytes } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import {
  type ExternalDatabase,
  Feature,
  type Manifest,
  type SortedRun,
  WalLocation,
} from "../format/manifest.js";
import { type NamedData, ownersOf } from "./clone-owners.js";
import { buildSortedRun } from "./sorted-run.js";
import { emptyManifest } from "./transitions.js";

/** What a clone takes from one database: after clipping, and with all owners filled in but the clone's own. */
export interface ClonePart extends NamedData {
  /** The state that it was taken from. */
  readonly state: Manifest;
  /** Everything up to here is in it, and nothing above. */
  readonly seq: number;
  /** One for each database that may own something of it. */
  readonly externals: readonly ExternalDatabase[];
}

export interface BuiltClone {
  /** Numbered 1 once it is committed on top of nothing. */
  readonly manifest: Manifest;
  /** Objects of the clone that have to be stored before. */
  readonly lists: readonly { readonly id: Ulid; readonly bytes: Bytes }[];
}

/** A part that gives nothing of its owner needs no pin: it is let go by the clone itself, so that a crash loses track of none. */
function toExternals(parts: readonly ClonePart[]): ExternalDatabase[] {
  return parts.flatMap((part) => {
    const { owners, hasLists } = ownersOf(part);
    const isUnneeded = (owner: Ulid): boolean => !hasLists && !owners.has(owner);
    return part.externals.map((external) => {
      const { databaseId, path, isLeaving } = external;
      return { ...external, isLeaving: isLeaving || (path !== "" && isUnneeded(databaseId)) };
    });
  });
}

/**
 * `parts` are at least one, with no key in common. `nextId` mints ids of the clone. Throws `InvalidArgumentError` where their merge operators do
 * not go together.
 */
export function cloneManifest(
  databaseId: Ulid,
  parts: readonly ClonePart[],
  nextId: () => Ulid,
): BuiltClone {
  const states = parts.map(({ state }) => state);
  const mergeOperators = joinOperators(states.map(({ pinned }) => pinned.mergeOperators));
  const first = emptyManifest(databaseId, {
    ...{ walLocation: WalLocation.store, walStoreId: "", walPath: "", mergeOperators },
    encryption: states[0]!.pinned.encryption,
  });
  const externals = toExternals(parts);
  const seq = Math.max(...parts.map((part) => part.seq));
  const required = new Set(states.flatMap(({ requiredFeatures }) => requiredFeatures));
  // Those of the parts say nothing of the clone: it may have nothing of others.
  required.delete(Feature.externals);
  if (externals.length > 0) required.add(Feature.externals);
  // What was only in a log may be the first of its kind.
  if (parts.some(hasRangeDeletes)) required.add(Feature.rangeDeletes);
  const isUnion = parts.length > 1;
  const union = isUnion ? unionOf(parts, databaseId, nextId) : undefined;
  const { l0, runs } = union ?? parts[0]!;
  const manifest = {
    ...first,
    requiredFeatures: [...required].sort((a, b) => a - b),
    optionalFeatures: [...new Set(states.flatMap(({ optionalFeatures }) => optionalFeatures))],
    lastSeq: seq,
    lastL0Seq: seq,
    // The seqs of several databases say nothing of one another: only reads of all of it are promised.
    compactedSeq: isUnion ? seq : states[0]!.compactedSeq,
    ...{ l0, runs, externals },
  };
  return { manifest, lists: union?.lists ?? [] };
}

/**
 * L0 is in seq order, which several databases do not have in common: what was in L0 becomes runs. As no key is in two parts, only the order
 * inside of each has to be kept; those that are about as old stand together.
 */
function unionOf(
  parts: readonly ClonePart[],
  databaseId: Ulid,
  nextId: () => Ulid,
): NamedData & Pick<BuiltClone, "lists"> {
  const lists: { id: Ulid; bytes: Bytes }[] = [];
  const columns = parts.map(({ l0, runs }) => [
    ...l0.toReversed().map(({ ssts, seq }): SortedRun => {
      const withSeq = seq === 0 ? ssts : ssts.map((sst) => ({ ...sst, seq }));
      const { run, list } = buildSortedRun(databaseId, { id: nextId(), level: 0 }, withSeq);
      if (list !== undefined) lists.push({ id: run.id, bytes: list });
      return run;
    }),
    ...runs.map((run): SortedRun => ({ ...run, level: 0 })),
  ]);
  const deepest = Math.max(...columns.map(({ length }) => length));
  const runs: SortedRun[] = [];
  for (let age = deepest; age > 0; age--) {
    for (const column of columns) {
      const run = column[column.length - age];
      if (run !== undefined) runs.push(run);
    }
  }
  return { l0: [], runs, lists };
}

function hasRangeDeletes({ l0, runs }: NamedData): boolean {
  return [...l0, ...runs].some(({ ssts }) => ssts.some((sst) => sst.rangeDeletes.length > 0));
}

/** Ids of rows depend on the order: one list has to go on where the other ends. */
function joinOperators(lists: readonly (readonly string[])[]): readonly string[] {
  const longest = lists.reduce((a, b) => (b.length > a.length ? b : a));
  for (const list of lists) {
    if (list.every((name, i) => longest[i] === name)) continue;
    throw new InvalidArgumentError(
      `The merge operators of the sources do not go together: one has (${list.join(", ")}), another (${longest.join(", ")}). Stored rows say which operator they are for by its place, so that one list must be the beginning of the other. Copy one of the databases row by row instead.`,
    );
  }
  return longest;
}
