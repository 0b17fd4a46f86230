/** What is in a checkpoint of scope "durable", as a pure function: beside what its manifest names, exact WAL objects and the loads that they name. */
import type { L0Entry, Manifest } from "../format/manifest.js";
import type { CheckpointContent } from "./checkpoint-transitions.js";
import { firstWalId } from "./transitions.js";

/** Logs as far as they are known to be stored, from where replay starts or before. */
export interface StoredLogs {
  /** By epoch: every object of the log below this id is stored. Of a closed log, the id of its first fence. */
  readonly ends: ReadonlyMap<number, number>;
  /** The last seq that these objects hold. */
  readonly lastSeq: number;
  /** What load records in these objects name; more does no harm. */
  readonly loads: readonly L0Entry[];
}

/** Worked out of the manifest that the checkpoint is added to: the start of replay may have moved. */
export function durableContent(manifest: Manifest, logs: StoredLogs): CheckpointContent {
  const { lastL0Seq } = manifest;
  const wal = manifest.walChain.flatMap(({ epoch }) => {
    const fromId = firstWalId(manifest, epoch);
    const toId = logs.ends.get(epoch) ?? 0;
    return fromId < toId ? [{ epoch, fromId, toId }] : [];
  });
  const loads = logs.loads.filter(({ seq }) => seq > lastL0Seq && seq <= logs.lastSeq);
  return {
    ...{ wal, loads: loads.flatMap(({ ssts }) => ssts.map(({ id }) => id)) },
    seq: Math.max(lastL0Seq, logs.lastSeq),
  };
}
