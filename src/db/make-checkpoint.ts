/** `makeCheckpoint`: how a writer makes a checkpoint, of what was accepted, of what is durable, or of what another one has. */
import type { Clock } from "../common/clock.js";
import type { Flusher } from "../flush/flusher.js";
import type { Manifest } from "../format/manifest.js";
import { durableContent } from "../manifest/checkpoint-content.js";
import { type CheckpointInfo, toCheckpointInfo } from "../manifest/checkpoint-info.js";
import type { CheckpointRetention } from "../manifest/checkpoint-retention.js";
import type { CheckpointContent } from "../manifest/checkpoint-transitions.js";
import type { WriteLog } from "../wal/write-log.js";
import type { CheckedCheckpoint } from "./checkpoint-options.js";
import type { Claim } from "./claim.js";
import type { WritePipeline } from "./write-pipeline.js";

export interface CheckpointParts {
  readonly claim: Claim;
  readonly clock: Clock;
  readonly wal: WriteLog;
  readonly flusher: Flusher;
  readonly pipeline: WritePipeline;
  /** Of checkpoints that have no policy of their own. */
  readonly checkpointRetention: CheckpointRetention | undefined;
}

/**
 * Of all that has a seq by now (what waits for memory has none), riding on the flush that brings the last of it to L0; of what is durable,
 * which waits for no data; or a copy.
 */
export async function makeCheckpoint(
  parts: CheckpointParts,
  { scope, ...options }: CheckedCheckpoint<"all" | "durable">,
  signal: AbortSignal | undefined,
): Promise<CheckpointInfo> {
  const { claim, clock, flusher, wal, pipeline, checkpointRetention } = parts;
  const pending = {
    ...{ ...options, id: claim.ids.next(), createdAt: Math.floor(clock.now()) },
    retention: options.retention ?? checkpointRetention,
  };
  if (scope === "durable" || options.source !== "") {
    const content = (manifest: Manifest): CheckpointContent => durableNow(parts, manifest);
    return toCheckpointInfo(await flusher.checkpoint({ ...pending, content, seq: 0 }, signal));
  }
  const seq = pipeline.lastSeq;
  pipeline.freeze();
  const [checkpoint] = await Promise.all([
    flusher.checkpoint({ ...pending, seq }, signal),
    wal.whenDurable(seq),
  ]);
  return toCheckpointInfo(checkpoint);
}

/** As of the moment at which the commit is made that has it. */
function durableNow({ claim, wal, flusher }: CheckpointParts, manifest: Manifest) {
  const endId = wal.durableEndId;
  return durableContent(manifest, {
    ends: new Map([...claim.logEnds, [claim.epoch, endId]]),
    // Without an object of its own log, what older ones hold is the last; seqs that were lost are in none.
    lastSeq: endId > 1 ? wal.durableSeq : claim.foundSeq,
    loads: flusher.loads,
  });
}
