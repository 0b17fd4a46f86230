/**
 * Transitions of pinned readers: a reader holds a checkpoint for the state that it shows, and one for each older state that something of it
 * still reads. They are its own by `holder`, a ULID that it makes for itself, so that it knows them again in whatever manifest it finds.
 */
import type { Ulid } from "../common/ids.js";
import {
  type Checkpoint,
  CheckpointPurpose,
  type L0Entry,
  type Manifest,
  type SstInfo,
} from "../format/manifest.js";
import { endCheckpoints } from "./checkpoint-expiry.js";
import { attachCheckpoint } from "./checkpoint-transitions.js";
import type { Transition } from "./transitions.js";

export interface ReaderPinOptions {
  /** Of the reader. */
  readonly holder: Ulid;
  readonly ttlMs: number;
  /** Whether something of the reader still needs what the manifest of that number names. */
  readonly isNeeded: (manifestNumber: number) => boolean;
}

export interface NewPin {
  readonly id: Ulid;
  /** ms since 1970 */
  readonly createdAt: number;
}

/** The checkpoints that the reader holds. */
export function pinsOf({ checkpoints }: Manifest, holder: Ulid): readonly Checkpoint[] {
  return checkpoints.filter(
    (one) => one.purpose === CheckpointPurpose.reader && one.holder === holder && !one.isExpired,
  );
}

/**
 * Pins the state that the commit makes, with the SSTs of `loads` that are not in L0 there: the reader has read the records that name them, and
 * nothing else keeps them once they have been compacted. The time of its other pins begins again, and what nothing needs goes. No change
 * where this very state is pinned already, or the database was destroyed.
 */
export function pinState(
  pin: NewPin,
  loads: readonly L0Entry[],
  options: ReaderPinOptions,
): Transition {
  const { holder, ttlMs } = options;
  return (manifest) => {
    if (manifest.destroyed) return manifest;
    const ids = loadsAbove(loads, manifest);
    const isPinned = pinsOf(manifest, holder).some(
      ({ manifestNumber, loads: pinned }) =>
        manifestNumber === manifest.number && ids.every((id) => pinned.includes(id)),
    );
    if (isPinned) return manifest;
    return attachCheckpoint({
      ...{ ...pin, ttlMs, holder, purpose: CheckpointPurpose.reader },
      content: ({ lastL0Seq }) => ({ seq: lastL0Seq, wal: [], loads: ids }),
    })(renewed(manifest, options));
  };
}

/** A copy of a checkpoint that is listed; no change where the reader has one. Throws `NotFoundError` when it is not listed. */
export function pinCheckpoint(
  pin: NewPin,
  source: Ulid,
  { holder, ttlMs }: ReaderPinOptions,
): Transition {
  return (manifest) => {
    if (pinsOf(manifest, holder).length > 0) return manifest;
    return attachCheckpoint({
      ...{ ...pin, source, ttlMs, holder, purpose: CheckpointPurpose.reader },
    })(manifest);
  };
}

/** The time of the reader's pins begins again; those that nothing needs go. No change where there are none. */
export function renewPins(options: ReaderPinOptions): Transition {
  return (manifest) => renewed(manifest, options);
}

/** All pins of the reader go. */
export function dropPins(holder: Ulid): Transition {
  return (manifest) => endCheckpoints(pinsOf(manifest, holder).map(({ id }) => id))(manifest);
}

/** Whether both name the same SSTs and runs: then who pins one of them pins the other. */
export function namesTheSame(one: Manifest, other: Manifest): boolean {
  return (
    isEqual(one.l0, other.l0, (a, b) => a.seq === b.seq && isEqual(a.ssts, b.ssts, isSameSst)) &&
    isEqual(
      one.runs,
      other.runs,
      (a, b) => a.id === b.id && a.listBytes === b.listBytes && isEqual(a.ssts, b.ssts, isSameSst),
    )
  );
}

/** The ids of the SSTs of loads that are not in L0. */
export function loadsAbove(loads: readonly L0Entry[], { lastL0Seq }: Manifest): readonly Ulid[] {
  return loads.filter(({ seq }) => seq > lastL0Seq).flatMap(({ ssts }) => ssts.map(({ id }) => id));
}

function renewed(manifest: Manifest, { holder, isNeeded, ttlMs }: ReaderPinOptions): Manifest {
  const pins = pinsOf(manifest, holder);
  if (pins.length === 0) return manifest;
  const needed = pins.filter(({ manifestNumber }) => isNeeded(manifestNumber));
  const others = pins.filter((pin) => !needed.includes(pin));
  const next = endCheckpoints(others.map(({ id }) => id))(manifest);
  const refreshedNumber = manifest.number + 1;
  const checkpoints = next.checkpoints.map((one) =>
    needed.includes(one) ? { ...one, ttlMs, refreshedNumber } : one,
  );
  return { ...next, checkpoints };
}

const isSameSst = (a: SstInfo, b: SstInfo): boolean => a.id === b.id;

function isEqual<T>(
  one: readonly T[],
  other: readonly T[],
  isSame: (a: T, b: T) => boolean,
): boolean {
  return one.length === other.length && one.every((item, i) => isSame(item, other[i]!));
}
