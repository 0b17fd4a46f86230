/** `keyAfter`: the least byte string above a key, where what includes the key ends. */
import { allocateBytes, type Bytes } from "./bytes.js";

export function keyAfter(key: Uint8Array): Bytes {
  const after = allocateBytes(key.length + 1);
  after.set(key);
  after[key.length] = 0;
  return after;
}
