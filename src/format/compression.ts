/** Codec ids: how the payload of a block is stored. Only "none" so far; the others are room for later. */
import { UnsupportedError } from "../common/errors.js";

/** These numbers are stored in every block. Never change or reuse one. */
export const Codec = { none: 0 } as const;

/** Throws `UnsupportedError` for a codec that this version cannot decode. */
export function requireKnownCodec(codecId: number, object: string): void {
  if (codecId !== Codec.none) {
    throw new UnsupportedError(
      `Object "${object}" has a block with codec ${codecId}, which this version of Moraine does not know. Use a newer version.`,
    );
  }
}
