/** `hashKey`: the hash by which a MemTable finds keys. It is not stored, unlike that of filters. */

/** FNV-1a (Fowler, Noll, Vo) with the finaliser of MurmurHash3 (Appleby), so that the low bits are well mixed. */
export function hashKey(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
