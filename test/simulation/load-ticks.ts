/**
 * `onLoadTick`: tells when a load takes its seqs. No call and no reply shows that moment, and it decides where among the
 * writes of its handle the load stands. Whose load it is, its greatest key says.
 */
import { decodeUtf8 } from "../../src/common/bytes.js";
import { WritePipeline } from "../../src/db/write-pipeline.js";

export interface LoadTick {
  /** The greatest key of its last run. */
  readonly lastKey: string;
  /** The last of its seqs. */
  readonly seq: number;
  /** How many L0 entries it has, and SSTs in all of them. */
  readonly runs: number;
  readonly ssts: number;
}

let listener: ((tick: LoadTick) => void) | undefined;

/** One run at a time: the next one takes the place of this. */
export function onLoadTick(next: (tick: LoadTick) => void): void {
  listener = next;
}

const original = WritePipeline.prototype.load;
WritePipeline.prototype.load = function (runs, createdAt) {
  const committed = original.call(this, runs, createdAt);
  const lastKey = runs.at(-1)?.at(-1)?.lastKey;
  if (lastKey !== undefined) {
    listener?.({
      lastKey: decodeUtf8(lastKey),
      seq: committed.seq,
      runs: runs.length,
      ssts: runs.flat().length,
    });
  }
  return committed;
};
