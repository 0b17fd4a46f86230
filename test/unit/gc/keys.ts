/** Keys that ascend with their number. */
export function writeUint32Key(value: number): Uint8Array {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, value);
  return key;
}
