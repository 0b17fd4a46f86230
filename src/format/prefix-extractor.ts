/**
 * Prefixes of keys for filters: what a user's extractor makes of a key, and of the bounds of a scan.
 *
 * A filter may deny a scan only if no function, however odd, could make it deny a key that is there. So the prefix of a key is not
 * what the extractor says of the whole key, but the shortest beginning of it that the extractor calls a prefix of itself:
 * the least n from 1 to 256 for which extract(key[0, n)) is n. Bytes that follow cannot change it, so all keys that begin
 * with the prefix of a bound have that prefix too. For extractors that are as they should be, both are the same.
 */
import { compareBytes, encodeUtf8, prefixSuccessor } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import type { KeyBounds } from "../common/key-range.js";
import { hashKey, mixHash } from "./key-hash.js";

/**
 * Says where the prefix of a key ends, so that scans of one prefix skip SSTs without it. Bytes after the prefix must not matter
 * to it, and the same key has the same prefix for ever.
 */
export interface PrefixExtractor {
  /** Stored in each SST; a filter made under another name is not used. Rename it when it changes. At most 200 bytes. */
  readonly name: string;
  /**
   * The length of the prefix, from 1 to 256, or -1 when the key has none. It is also asked about keys that are cut short. The array
   * is valid during the call only, and must not be changed.
   */
  extract(key: Uint8Array): number;
}

/** Stored, in effect: filters would lack longer prefixes. */
const prefixBytesMax = 256;
const nameBytesMax = 200;

/** The first `byteCount` bytes, of keys that have so many; from 1 to 256. */
export function fixedPrefix(byteCount: number): PrefixExtractor {
  requireCount(byteCount, "byteCount");
  return {
    name: `moraine.fixed.${byteCount}`,
    extract: (key) => (key.length < byteCount ? -1 : byteCount),
  };
}

/** Up to the `count`-th `delimiter` and with it, of keys that have so many; a delimiter is one byte, such as ":". */
export function delimitedPrefix(delimiter: string, count = 1): PrefixExtractor {
  const bytes = typeof delimiter === "string" ? encodeUtf8(delimiter) : undefined;
  if (bytes?.length !== 1) {
    throw new InvalidArgumentError('"delimiter" must be one character of ASCII, such as ":".');
  }
  requireCount(count, "count");
  const wanted = bytes[0]!;
  return {
    name: `moraine.delimited.${wanted}.${count}`,
    extract: (key) => {
      let end = 0;
      for (let i = 0; i < count; i++) {
        end = key.indexOf(wanted, end) + 1;
        if (end === 0) return -1;
      }
      return end;
    },
  };
}

/** Throws `InvalidArgumentError` for what is not an extractor. */
export function requirePrefixExtractor(value: unknown): void {
  if (value === undefined) return;
  const { name, extract } = (value ?? {}) as Partial<PrefixExtractor>;
  const isNamed =
    typeof name === "string" && name !== "" && encodeUtf8(name).length <= nameBytesMax;
  if (!isNamed || typeof extract !== "function") {
    throw new InvalidArgumentError(
      `"prefixExtractor" must be an object with a name of 1 to ${nameBytesMax} bytes and a function "extract".`,
    );
  }
}

/** The length of the prefix of the key `bytes[start, end)`, or -1. No beginning shorter than `from` is one. */
export function prefixLength(
  extractor: PrefixExtractor,
  bytes: Uint8Array,
  start: number,
  end: number,
  from = 1,
): number {
  const longest = Math.min(end - start, prefixBytesMax);
  for (let length = from; length <= longest; length++) {
    if (extractor.extract(bytes.subarray(start, start + length)) === length) return length;
  }
  return -1;
}

/** What a filter holds for the prefix `bytes[start, end)`: not what it holds for a key of the same bytes. Stored: never change it. */
export function hashPrefix(bytes: Uint8Array, start: number, end: number): number {
  return mixHash(hashKey(bytes, start, end) ^ 0x27d4eb2f);
}

/** What to ask the filters of SSTs that were written with the extractor of this name. */
export interface PrefixProbe {
  readonly extractorName: string;
  readonly hash: number;
}

/** Undefined where the keys inside the bounds need not have one prefix in common, and where the extractor throws. */
export function probeOfBounds(
  extractor: PrefixExtractor,
  bounds: KeyBounds,
): PrefixProbe | undefined {
  const { lower, upper, upperInclusive } = bounds;
  if (lower === undefined) return undefined;
  let length: number;
  try {
    length = prefixLength(extractor, lower, 0, lower.length);
  } catch {
    return undefined;
  }
  if (length < 0) return undefined;
  const successor = prefixSuccessor(lower.subarray(0, length));
  if (successor !== undefined) {
    const order = upper === undefined ? 1 : compareBytes(upper, successor);
    if (order > 0 || (order === 0 && upperInclusive)) return undefined;
  }
  return { extractorName: extractor.name, hash: hashPrefix(lower, 0, length) };
}

function requireCount(value: unknown, name: string): void {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > prefixBytesMax) {
    throw new InvalidArgumentError(
      `"${name}" must be a whole number from 1 to ${prefixBytesMax}, not ${String(value)}.`,
    );
  }
}
