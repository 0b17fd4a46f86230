/** `CheckpointInfo`: what is told of a checkpoint. */
import { type Checkpoint, CheckpointPurpose } from "../format/manifest.js";

/** A durable pin of a state of the database. */
export interface CheckpointInfo {
  /** A ULID. */
  readonly id: string;
  readonly name?: string | undefined;
  /** Everything up to this seq is in it. */
  readonly seq: number;
  /** The manifest that it pins. */
  readonly manifestNumber: number;
  /** ms since 1970 */
  readonly createdAt: number;
  /** It expires so many ms after it was made or last refreshed, by the store's clock; undefined: never. */
  readonly ttlMs?: number | undefined;
  /** The id of the checkpoint that stays for as long as this one. */
  readonly base?: string | undefined;
  /** Policies leave it alone. */
  readonly retained: boolean;
  /** What made it: a user, a clone, a reader, an export, or a restore, which keeps the state that it replaces. */
  readonly purpose: "user" | "clone" | "reader" | "exporter" | "replaced" | "other";
  /** The path of the clone, or the target of the export, that holds it. */
  readonly holder?: string | undefined;
  /** It has ended, and lingers only because it is the base of one that has not. */
  readonly isExpired: boolean;
}

const purposes: ReadonlyMap<number, CheckpointInfo["purpose"]> = new Map(
  (Object.entries(CheckpointPurpose) as [CheckpointInfo["purpose"], CheckpointPurpose][]).map(
    ([name, number]) => [number, name],
  ),
);

export function toCheckpointInfo(checkpoint: Checkpoint): CheckpointInfo {
  const { id, name, seq, manifestNumber, createdAt, ttlMs, base, holder } = checkpoint;
  const { retained, isExpired } = checkpoint;
  return {
    ...{ id, ...(name !== "" && { name }), seq, manifestNumber, createdAt },
    ...(ttlMs > 0 && { ttlMs }),
    ...(base !== "" && { base }),
    ...{ retained, purpose: purposes.get(checkpoint.purpose) ?? "other" },
    ...(holder !== "" && { holder }),
    isExpired,
  };
}
