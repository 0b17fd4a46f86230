/**
 * The end of a database, and a new beginning at its path. The last manifest says that the database was destroyed and names nothing; a new one is
 * built on that and goes on from its number, its epochs and its seq, under the same id, so that whatever is late of the old one finds its place
 * taken (R19).
 */
import type { Ulid } from "../common/ids.js";
import { Feature, type Manifest, type PinnedSettings } from "../format/manifest.js";
import { emptyManifest, type Transition } from "./transitions.js";

export interface Destruction {
  /** The last seq that was found in the logs. */
  readonly lastSeq: number;
  /** Above every id that is known, stored or named: a new database mints higher ones. */
  readonly floor: Ulid;
  /** Throws where something else still needs the database. */
  readonly check: (manifest: Manifest) => void;
}

/**
 * Nothing is named any more, and nothing is retired: whoever destroys finds all objects by listing. Other databases whose objects were named stay
 * in the list as leaving, so that they are let go of, and copies of their objects here are known.
 */
export function destroyDatabase({ lastSeq, floor, check }: Destruction): Transition {
  return (manifest) => {
    if (manifest.destroyed) return manifest;
    check(manifest);
    return {
      ...manifest,
      ...{ destroyed: true, l0: [], runs: [], checkpoints: [], retired: [], history: [] },
      ...{ exports: [], walChain: [], snapshotSeq: 0, compactorLeft: true },
      walStart: { epoch: manifest.writerEpoch + 1, id: 1 },
      lastSeq: Math.max(manifest.lastSeq, lastSeq),
      writerFloor: greater(manifest.writerFloor, floor),
      compactorFloor: greater(manifest.compactorFloor, floor),
      externals: manifest.externals.map((one) =>
        one.path === "" ? one : { ...one, isLeaving: true },
      ),
    };
  };
}

/** The base of a new database where one was destroyed: empty, and behind all that the old one was. It takes one seq, as a restore does. */
export function createAgain(destroyed: Manifest, pinned: PinnedSettings): Manifest {
  const { databaseId, number, writerEpoch, compactorEpoch, writerFloor, compactorFloor } =
    destroyed;
  const { externals } = destroyed;
  const lastSeq = destroyed.lastSeq + 1;
  return {
    ...emptyManifest(databaseId, pinned),
    ...{ number, writerEpoch, compactorEpoch, writerFloor, compactorFloor },
    ...{ lastSeq, lastL0Seq: lastSeq, compactedSeq: lastSeq, rewrittenNumber: number + 1 },
    walStart: { epoch: writerEpoch + 1, id: 1 },
    firstNumber: destroyed.firstNumber,
    compactorLeft: true,
    // What the old one still holds elsewhere is let go of by the collector of the new one.
    ...(externals.length > 0 && { externals, requiredFeatures: [Feature.externals] }),
  };
}

const greater = (a: Ulid, b: Ulid): Ulid => (a > b ? a : b);
