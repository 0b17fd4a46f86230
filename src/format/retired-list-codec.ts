/** A list of retired objects that has outgrown the manifest, to and from the bytes of an object of its own. */
import type { Bytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import { EnvelopeKind, openEnvelope, sealEnvelope } from "./envelope.js";
import type { RetiredObjects } from "./manifest.js";
import { retiredListMessage } from "./manifest-messages.js";

export function encodeRetiredList(
  databaseId: Ulid,
  id: Ulid,
  retired: readonly RetiredObjects[],
): Bytes {
  const payload = retiredListMessage.encode({ id, retired });
  return sealEnvelope(EnvelopeKind.retired, databaseId, [payload]);
}

/** `id` is the one in the object's name. Throws `CorruptionError` or `UnsupportedError`. */
export function decodeRetiredList(
  bytes: Uint8Array,
  object: string,
  databaseId: Ulid,
  id: Ulid,
): readonly RetiredObjects[] {
  const { payload } = openEnvelope(bytes, EnvelopeKind.retired, object, databaseId);
  const list = retiredListMessage.decode(payload, object);
  if (list.id !== id) throw new CorruptionError(object, `it says that it is list ${list.id}`);
  return list.retired;
}
