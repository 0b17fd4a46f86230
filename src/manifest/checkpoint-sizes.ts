/** How much checkpoints keep, as a pure function over the objects that each state names. */
import type { Ulid } from "../common/ids.js";

/** An object that a state names. */
export interface NamedObject {
  readonly bytes: number;
  /** It lies at this database's path, so that it goes with the last state that names it. */
  readonly isOwn: boolean;
}

/** What a state names, by key. */
export type NamedObjects = ReadonlyMap<string, NamedObject>;

export interface CheckpointSize {
  /** Objects that it names, those of other databases among them. */
  readonly objectCount: number;
  /** Their bytes. */
  readonly totalBytes: number;
  /** Bytes that only it keeps: neither the newest state nor another checkpoint names them. They are collected when it ends. */
  readonly exclusiveBytes: number;
  /** Bytes in it that its base has not; undefined where it has no base. */
  readonly addedBytes: number | undefined;
}

/** `newest` is the state that is no checkpoint's; every checkpoint of the manifest is in `checkpoints`. */
export function sizesOf(
  newest: NamedObjects,
  checkpoints: readonly { readonly id: Ulid; readonly base: Ulid; readonly names: NamedObjects }[],
): CheckpointSize[] {
  const nameCounts = new Map<string, number>();
  for (const names of [newest, ...checkpoints.map((one) => one.names)]) {
    for (const key of names.keys()) nameCounts.set(key, (nameCounts.get(key) ?? 0) + 1);
  }
  const byId = new Map(checkpoints.map((one) => [one.id, one]));
  return checkpoints.map(({ base, names }) => {
    const before = byId.get(base)?.names;
    let totalBytes = 0;
    let exclusiveBytes = 0;
    let addedBytes = 0;
    for (const [key, { bytes, isOwn }] of names) {
      totalBytes += bytes;
      if (isOwn && nameCounts.get(key) === 1) exclusiveBytes += bytes;
      if (before !== undefined && !before.has(key)) addedBytes += bytes;
    }
    return {
      ...{ objectCount: names.size, totalBytes, exclusiveBytes },
      addedBytes: before && addedBytes,
    };
  });
}
