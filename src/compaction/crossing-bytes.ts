/** Bytes that cross between threads: memory of their own, which changes hands without a copy. */
import type { MessagePort, TransferListItem } from "node:worker_threads";
import { type Bytes, copyBytes } from "../common/bytes.js";

/**
 * `bytes`, if they are all of their memory, and a copy otherwise: to hand over a part of something larger would take all of that from
 * whoever uses the rest.
 */
export function ownBytes(bytes: Uint8Array): Bytes {
  const { buffer, byteLength } = bytes;
  if (byteLength > 0 && buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) {
    return bytes as Bytes;
  }
  return copyBytes(bytes);
}

/** Sends a message, and hands over the memory of `bytes`, which is in it. */
export function postWithBytes(port: MessagePort, message: unknown, bytes: Bytes | undefined): void {
  // Memory of no length may be a constant that everyone shares.
  const handedOver: TransferListItem[] =
    bytes === undefined || bytes.byteLength === 0 ? [] : [bytes.buffer];
  port.postMessage(message, handedOver);
}
