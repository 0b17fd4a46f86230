/** The claim of an exporter on the path that it exports to, and its heartbeat: one message, to and from bytes. */
import type { Bytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import { EnvelopeKind, openEnvelope, sealEnvelope } from "./envelope.js";
import { MessageType } from "./protobuf-message.js";
import { bool, string, uint64, ulid, ulidOrNone } from "./protobuf-types.js";

export interface Claim {
  /** The one in the object's name. Of several claims on a path the highest counts. */
  readonly number: number;
  /** Random: no two claims have the same. The manifest that the export ends with has it as its token. */
  readonly id: Ulid;
  /** What is exported. */
  readonly databaseId: Ulid;
  /** `noUlid`: one that is made for the export. */
  readonly checkpointId: Ulid;
  /** Who exports, for messages. */
  readonly owner: string;
  /** ms since 1970 by the exporter's clock, for messages. */
  readonly claimedAt: number;
  /** 0 in the claim itself; heartbeats count up. */
  readonly beat: number;
  /** In a heartbeat: nobody is at work any more, and the next exporter need not wait. */
  readonly ended: boolean;
}

/** @internal For tests. */
export const claimMessage: MessageType<Claim> = new MessageType<Claim>("Claim", {
  number: [1, uint64],
  id: [2, ulid],
  databaseId: [3, ulid],
  checkpointId: [4, ulidOrNone],
  owner: [5, string],
  claimedAt: [6, uint64],
  beat: [7, uint64],
  ended: [8, bool],
});

export function encodeClaim(claim: Claim): Bytes {
  return sealEnvelope(EnvelopeKind.claim, claim.databaseId, [claimMessage.encode(claim)]);
}

/** `number` is the one in the object's name. Throws `CorruptionError` or `UnsupportedError`. */
export function decodeClaim(bytes: Uint8Array, object: string, number: number): Claim {
  const { payload, databaseId } = openEnvelope(bytes, EnvelopeKind.claim, object);
  const claim = claimMessage.decode(payload, object);
  if (claim.number !== number) {
    throw new CorruptionError(object, `it says that it is claim ${claim.number}`);
  }
  if (claim.databaseId !== databaseId) {
    throw new CorruptionError(object, `it names database ${claim.databaseId}`);
  }
  return claim;
}
