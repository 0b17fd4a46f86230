/**
 * `sameWalObjects`: which WAL objects of a plan lie in the target already. A WAL object's key is its epoch and number, and an export keeps the
 * database id: two databases that come of one, and were both written to, have different objects under one key, each of which is whole. So
 * each is compared with the source's, and before anything is written: a refusal leaves the target as it was.
 */
import { equalBytes } from "../common/bytes.js";
import { CorruptionError, ExistsError } from "../common/errors.js";
import type { Manifest, RetiredObjects, WalPosition, WalRange } from "../format/manifest.js";
import { decodeWalObject } from "../format/wal-object.js";
import { isWal } from "../manifest/retired-wal.js";
import { firstWalId } from "../manifest/transitions.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { readWhole } from "./copy-objects.js";
import type { PlannedCopy } from "./copy-plan.js";
import { mapInFlight } from "./in-flight.js";

type PlannedWal = PlannedCopy & { kind: "wal" };

export interface SameWalOptions {
  readonly walSource: ObjectStore;
  readonly target: ObjectStore;
  /** Sizes of what is in the target, by key. */
  readonly existing: ReadonlyMap<string, number>;
  /** What the manifests of the target name. */
  readonly named: readonly WalRange[];
  readonly place: string;
  readonly inFlight: number;
  readonly signal: AbortSignal;
}

/**
 * The keys of those that are equal. Others are to be written again: damage, or what a dead exporter of another history has left. Throws
 * `ExistsError` where a manifest of the target names such an object, `CorruptionError` for one that is missing or damaged in the source.
 */
export async function sameWalObjects(
  plan: readonly PlannedCopy[],
  options: SameWalOptions,
): Promise<ReadonlySet<string>> {
  const { existing, inFlight } = options;
  const there = plan.filter(
    (copy): copy is PlannedWal => copy.kind === "wal" && existing.has(copy.key),
  );
  const same = await mapInFlight(there, inFlight, (copy) => isSame(copy, options));
  return new Set(there.filter((_, i) => same[i]).map(({ key }) => key));
}

async function isSame(copy: PlannedWal, options: SameWalOptions): Promise<boolean> {
  const { walSource, target, named, place, signal } = options;
  const { key, from, owner, position } = copy;
  signal.throwIfAborted();
  const [bytes, found] = await Promise.all([
    readWhole(copy, walSource, from, signal),
    target.get(key, { signal }),
  ]);
  if (found === undefined) return false;
  if (equalBytes(found.bytes, bytes)) return true;
  try {
    decodeWalObject(found.bytes, key, owner, position);
  } catch (error) {
    if (error instanceof CorruptionError) return false;
    throw error;
  }
  if (!named.some((range) => holds(range, position))) return false;
  throw new ExistsError(
    `${place} holds another history of this database: its "${key}" is not the one of what is exported. Export to an empty path.`,
  );
}

const holds = ({ epoch, fromId, toId }: WalRange, position: WalPosition): boolean =>
  epoch === position.epoch && fromId <= position.id && position.id < toId;

/**
 * What a manifest that an export adds to names of logs: its newest state and its checkpoints, and what it has given up, which its collector
 * may be deleting. `wal` is what its newest state reads; the fence behind a log is part of it where another log follows.
 */
export function namedWal(
  manifest: Manifest,
  wal: readonly WalRange[],
  retired: readonly RetiredObjects[],
): readonly WalRange[] {
  const fences = manifest.walChain.slice(0, -1).map(({ epoch }) => {
    const log = wal.find((range) => range.epoch === epoch);
    const id = log?.toId ?? firstWalId(manifest, epoch);
    return { epoch, fromId: id, toId: id + 1 };
  });
  const pinned = manifest.checkpoints.flatMap((checkpoint) => checkpoint.wal);
  return [...wal, ...fences, ...pinned, ...retired.filter(isWal)];
}
