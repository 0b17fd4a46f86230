/** Keys of the model test, and which of them are in a range. */
import { compareBytes, encodeUtf8 } from "../../src/common/bytes.js";
import type { KeyLike, KeyRange } from "../../src/index.js";

export function toBytes(key: KeyLike): Uint8Array {
  return typeof key === "string" ? encodeUtf8(key) : key;
}

export function nameOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

export function isWithin(key: Uint8Array, range: KeyRange): boolean {
  const { gt, gte, lt, lte, prefix } = range;
  return (
    (gt === undefined || compareBytes(key, toBytes(gt)) > 0) &&
    (gte === undefined || compareBytes(key, toBytes(gte)) >= 0) &&
    (lt === undefined || compareBytes(key, toBytes(lt)) < 0) &&
    (lte === undefined || compareBytes(key, toBytes(lte)) <= 0) &&
    (prefix === undefined || nameOf(key).startsWith(nameOf(toBytes(prefix))))
  );
}
