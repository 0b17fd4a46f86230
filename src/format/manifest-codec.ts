/** Manifests and the entries of load records to and from bytes: protobuf, the first in an envelope. */
import type { Bytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import { EnvelopeKind, openEnvelope, sealEnvelope } from "./envelope.js";
import type { L0Entry, Manifest } from "./manifest.js";
import { loadMessage, manifestMessage } from "./manifest-messages.js";

export function encodeManifest(manifest: Manifest): Bytes {
  const payload = manifestMessage.encode(manifest);
  return sealEnvelope(EnvelopeKind.manifest, manifest.databaseId, [payload]);
}

/** `number` is what the object's name says; undefined for the hint. Throws `CorruptionError` or `UnsupportedError`. */
export function decodeManifest(bytes: Uint8Array, object: string, number?: number): Manifest {
  const envelope = openEnvelope(bytes, EnvelopeKind.manifest, object);
  const manifest = manifestMessage.decode(envelope.payload, object);
  if (manifest.databaseId !== envelope.databaseId) {
    throw new CorruptionError(object, "its two database ids differ");
  }
  if (number !== undefined && manifest.number !== number) {
    throw new CorruptionError(object, `it says that it is manifest ${manifest.number}`);
  }
  return manifest;
}

/** What a load record holds besides its header. */
export function encodeLoadEntries(entries: readonly L0Entry[]): Bytes {
  return loadMessage.encode({ entries });
}

/** `object` is the WAL object, for messages. Throws `CorruptionError`. */
export function decodeLoadEntries(payload: Uint8Array, object: string): readonly L0Entry[] {
  return loadMessage.decode(payload, object).entries;
}
