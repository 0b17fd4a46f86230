/** The shortest key that parts two blocks: what an index stores instead of the last key of the first one. */
import { type Bytes, copyBytes } from "../common/bytes.js";

/**
 * The shortest s with last <= s < next, or `last` itself where next equals it (two versions of one key). `last` is the
 * beginning of `lastBytes`, and `shared` is how many bytes the two have in common. Returns a copy.
 */
export function shortestSeparator(
  lastBytes: Uint8Array,
  lastLength: number,
  nextBytes: Uint8Array,
  nextStart: number,
  nextEnd: number,
  shared: number,
): Bytes {
  if (shared === lastLength) return copyBytes(lastBytes, 0, lastLength);
  const next = nextBytes[nextStart + shared]!;
  if (lastBytes[shared]! + 1 < next || nextEnd - nextStart > shared + 1) {
    const separator = copyBytes(lastBytes, 0, shared + 1);
    // Either there is a byte between the two, or `next` goes on after this byte and is above it.
    separator[shared] = lastBytes[shared]! + 1;
    return separator;
  }
  // `next` ends here, one above `last`: raise the first byte of the rest of `last` that can be raised.
  let raised = shared + 1;
  while (raised < lastLength && lastBytes[raised] === 0xff) raised++;
  if (raised + 1 >= lastLength) return copyBytes(lastBytes, 0, lastLength);
  const separator = copyBytes(lastBytes, 0, raised + 1);
  separator[raised]! += 1;
  return separator;
}
