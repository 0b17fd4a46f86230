/** `plainCheckpoint`: what a checkpoint has that a user made of all that is in L0, beside its own name and numbers. */
import { type Checkpoint, CheckpointPurpose, noUlid } from "../format/manifest.js";

export const plainCheckpoint: Omit<
  Checkpoint,
  "id" | "name" | "manifestNumber" | "createdAt" | "ttlMs" | "refreshedNumber"
> = {
  ...{ seq: 0, base: noUlid, retained: false, isExpired: false, wal: [], loads: [] },
  ...{ purpose: CheckpointPurpose.user, holder: "", holderId: noUlid },
};
