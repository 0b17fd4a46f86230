/**
 * `plant`: puts a bug into the engine itself, from outside: tests replace modules of src by ones that ask here. What is not
 * planted is the original.
 */

import type { LoadParts } from "../../src/db/load.js";
import type { WritePipeline } from "../../src/db/write-pipeline.js";
import type { Queued } from "../../src/flush/flush-plan.js";
import type { Manifest, SstInfo } from "../../src/format/manifest.js";
import type { WalObject } from "../../src/format/wal-object.js";
import type { ObjectStore } from "../../src/object-store/object-store.js";
import type { ClosedLog, CloseLogOptions } from "../../src/wal/close-log.js";
import type { Replayed } from "../../src/wal/replayed-rows.js";

export interface EngineBug {
  /** The store that a writer's log is put into. */
  walStore?: (store: ObjectStore) => ObjectStore;
  closeLog?: (options: CloseLogOptions) => Promise<ClosedLog | undefined>;
  selectBatch?: (queue: readonly Queued[], durableSeq: number) => Queued[] | undefined;
  /** Whether the promise of a durable append is forgotten. */
  dropsWaiter?: () => boolean;
  /** Whether a flush to L0 is forgotten. */
  dropsFlush?: () => boolean;
  /** The last seq that a reopened database goes on from. */
  lastSeq?: (found: number) => number;
  /** The epoch that a claim takes instead. */
  epoch?: (manifest: Manifest) => number | undefined;
  /** Checkpoints do not wait until what they cover is in L0. */
  checkpointsEarly?: boolean;
  /** A reader that finds nothing at its position looks behind it. */
  skipsGap?: boolean;
  /** The store that a load's SSTs are put into. */
  loadStore?: (store: ObjectStore) => ObjectStore;
  /** How a load takes its seqs and its place. */
  commitLoad?: (commit: LoadParts["commit"]) => LoadParts["commit"];
  /** Called when a load begins. */
  loadBegins?: (pipeline: WritePipeline) => void;
  /** The seq of a load, when it has one already. */
  seqOfLoad?: (
    pipeline: WritePipeline,
    runs: readonly (readonly SstInfo[])[],
  ) => number | undefined;
  /** Whether a record does not enter the WAL. */
  forgetsRecord?: () => boolean;
  /** Ids of loads under way do not hold the floor. */
  floorIgnoresReserved?: boolean;
  /** Loads that wait for their commit do not hold the floor. */
  floorIgnoresQueuedLoads?: boolean;
  /** What replay makes of a WAL object with a load in it. */
  replayLoads?: (queue: Replayed[], object: WalObject) => void;
  /** A row in memory decides, whatever was loaded since. */
  memoryDecides?: boolean;
  /** Durable writes are answered before they are stored. */
  acknowledgesEarly?: boolean;
  /** What every request of the engine goes through, below its retries. */
  rawStore?: (store: ObjectStore) => ObjectStore;
}

let planted: EngineBug = {};

export const bug = (): EngineBug => planted;

export function plant(next: EngineBug): void {
  planted = next;
}
