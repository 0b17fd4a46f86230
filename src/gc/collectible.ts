/**
 * What may be deleted now: a pure function of a manifest, of what its checkpoints' manifests name, and of ages. With every age "old" it is
 * still safe: what it gives is named by nobody, and whoever could name it again would have to do so through a checkpoint that is there.
 */
import type { Ulid } from "../common/ids.js";
import {
  type Manifest,
  RetiredKind,
  type RetiredObjects,
  type WalRange,
} from "../format/manifest.js";
import { isList } from "../manifest/gc-transitions.js";
import { isWal, retiredWal } from "../manifest/retired-wal.js";
import { comparePositions } from "../manifest/transitions.js";

/** What one state of the database names: the newest manifest's, or a checkpoint's, with the lists of its runs. */
export interface PinnedState {
  readonly ssts: { has(id: Ulid): boolean };
  readonly runs: { has(id: Ulid): boolean };
  /** WAL objects that a durable checkpoint names. */
  readonly wal?: readonly WalRange[] | undefined;
}

/** What a list object holds, by the list's id. */
export type RetiredLists = ReadonlyMap<Ulid, readonly RetiredObjects[]>;

export interface CollectibleList {
  readonly list: Ulid;
  readonly gone: readonly RetiredObjects[];
  /** Goes back into the manifest when the object goes; empty: nothing of it has to stay. */
  readonly left: readonly RetiredObjects[];
}

export interface Collectible {
  /** From the manifest's own list, oldest first; each as `takeOffRetired` takes it. WAL ranges stand in log order. */
  readonly retired: readonly RetiredObjects[];
  /** Of these lists some or all may go. */
  readonly lists: readonly CollectibleList[];
  /** Retired objects that stay because they were retired too recently, WAL objects behind younger ones among them. */
  readonly youngCount: number;
  /** Retired objects that stay because a checkpoint, or the manifest itself, names them. */
  readonly namedCount: number;
}

/**
 * `pinned` has a state for each checkpoint of the manifest, expired ones too, and one for the manifest itself where lists of its runs are in
 * objects of their own. `isOld` says that the manifest of that number was stored longer ago than the grace. Kinds of objects that only
 * later versions know stay.
 */
export function collectible(
  manifest: Manifest,
  pinned: readonly PinnedState[],
  isOld: (manifestNumber: number) => boolean,
  lists: RetiredLists = new Map(),
): Collectible {
  const states: readonly PinnedState[] = [
    namedInside(manifest),
    namedByCheckpoints(manifest),
    ...pinned,
  ];
  let youngCount = 0;
  let namedCount = 0;
  const retired: RetiredObjects[] = [];
  const goneLists: CollectibleList[] = [];
  for (const entry of manifest.retired) {
    if (isWal(entry)) continue;
    if (isList(entry)) {
      for (const id of entry.ids) {
        const held = lists.get(id);
        const split = held && splitAll(held);
        if (split !== undefined && split.gone.length > 0) goneLists.push({ list: id, ...split });
      }
      continue;
    }
    const gone = split(entry).gone;
    if (gone !== undefined) retired.push(gone);
  }
  retired.sort((a, b) => a.manifestNumber - b.manifestNumber);
  for (const range of goneWal()) retired.push(range);
  return { retired, lists: goneLists, youngCount, namedCount };

  function splitAll(entries: readonly RetiredObjects[]): Omit<CollectibleList, "list"> {
    const parts = entries.map(split);
    return {
      gone: parts.flatMap(({ gone }) => gone ?? []),
      left: parts.flatMap(({ left }) => left ?? []),
    };
  }

  function split(entry: RetiredObjects): { gone?: RetiredObjects; left?: RetiredObjects } {
    const isNamed = namedBy(states, entry.kind);
    if (isNamed === undefined) return { left: entry };
    const unnamed = entry.ids.filter((id) => !isNamed(id));
    namedCount += entry.ids.length - unnamed.length;
    if (unnamed.length === 0) return { left: entry };
    if (!isOld(entry.manifestNumber)) {
      youngCount += unnamed.length;
      return { left: entry };
    }
    if (unnamed.length === entry.ids.length) return { gone: entry };
    const left = entry.ids.filter(isNamed);
    return { gone: { ...entry, ids: unnamed }, left: { ...entry, ids: left } };
  }

  /**
   * In log order, up to the first that is young. What a checkpoint names is left out, and what is behind that goes all the same: else one old
   * checkpoint would keep all later WAL. `takeOffRetired` says so to change feeds.
   */
  function goneWal(): readonly RetiredObjects[] {
    const gone: RetiredObjects[] = [];
    const named = states.flatMap(({ wal }) => wal ?? []);
    let isStopped = false;
    for (const range of retiredWal(manifest)) {
      const { epoch, toId, manifestNumber } = range;
      const isBeforeStart = comparePositions({ epoch, id: toId - 1 }, manifest.walStart) < 0;
      isStopped ||= !isBeforeStart || !isOld(manifestNumber);
      const count = toId - range.fromId;
      if (isStopped) {
        youngCount += count;
        continue;
      }
      const free = withoutNamed(range, named);
      namedCount += count - free.reduce((sum, part) => sum + part.toId - part.fromId, 0);
      gone.push(...free);
    }
    return gone;
  }
}

function withoutNamed(
  range: RetiredObjects,
  named: readonly WalRange[],
): readonly RetiredObjects[] {
  let parts: readonly RetiredObjects[] = [range];
  for (const { epoch, fromId, toId } of named) {
    if (epoch !== range.epoch || toId <= range.fromId || range.toId <= fromId) continue;
    parts = parts.flatMap((part) =>
      [
        { ...part, toId: Math.min(part.toId, fromId) },
        { ...part, fromId: Math.max(part.fromId, toId) },
      ].filter((left) => left.fromId < left.toId),
    );
  }
  return parts;
}

/** Says whether a state names an object of that kind; undefined for kinds of which this version knows no names. */
function namedBy(
  states: readonly PinnedState[],
  kind: RetiredKind,
): ((id: Ulid) => boolean) | undefined {
  if (kind === RetiredKind.sst) return (id) => states.some(({ ssts }) => ssts.has(id));
  if (kind === RetiredKind.run) return (id) => states.some(({ runs }) => runs.has(id));
  return undefined;
}

/** What a manifest names without the lists of its runs. */
export function namedInside(manifest: Manifest): {
  readonly ssts: Set<Ulid>;
  readonly runs: Set<Ulid>;
} {
  const ssts = new Set<Ulid>();
  for (const entry of manifest.l0) for (const { id } of entry.ssts) ssts.add(id);
  const runs = new Set<Ulid>();
  for (const run of manifest.runs) {
    runs.add(run.id);
    for (const { id } of run.ssts) ssts.add(id);
  }
  return { ssts, runs };
}

/** What checkpoints name beside their manifests, those that linger or have expired too. */
export function namedByCheckpoints({ checkpoints }: Manifest): {
  readonly ssts: ReadonlySet<Ulid>;
  readonly runs: ReadonlySet<Ulid>;
  readonly wal: readonly WalRange[];
} {
  const ssts = new Set(checkpoints.flatMap(({ loads }) => loads));
  return { ssts, runs: new Set(), wal: checkpoints.flatMap(({ wal }) => wal) };
}
