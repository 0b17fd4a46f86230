/** `showKey`: a key as messages name it. */
import { decodeUtf8 } from "./bytes.js";

const shownBytesMax = 64;

/** In quotes where it is printable ASCII, otherwise in hexadecimal; long keys are cut. */
export function showKey(key: Uint8Array): string {
  const shown = key.subarray(0, shownBytesMax);
  const rest = key.length > shown.length ? `… (${key.length} bytes)` : "";
  const printable = shown.every((byte) => byte >= 0x20 && byte < 0x7f);
  return `${printable ? JSON.stringify(decodeUtf8(shown)) : `0x${hexOf(shown)}`}${rest}`;
}

const hexOf = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
