/**
 * `CachedPart`: a part of an object as a file of the disk cache.
 *
 *   "MRNP" | u8 version = 1 | u8 length of the name | name | f64 bytes of the object | f64 lastModified of the object
 *   | f64 offset | u32 length | bytes | u32 CRC-32 of all before it
 *
 * Numbers are big-endian; the name is ASCII. A file that is not exactly this, for the name and offset that are looked for, is
 * damaged or foreign: it is never an error, only no answer. So nothing has to be synced, and a torn write does no harm.
 */
import { allocateBytes, type Bytes } from "../common/bytes.js";
import { checksum } from "../common/checksum.js";
import type { ObjectMeta } from "./object-store.js";

const magic = 0x4d524e50;
const version = 1;
const fixedBytes = 4 + 1 + 1 + 8 + 8 + 8 + 4;
const trailerBytes = 4;

/** What an entry is about. */
export interface PartPlace {
  /** Of the object: unique, and its content never changes. Up to 255 ASCII characters. */
  readonly name: string;
  readonly offset: number;
}

export interface CachedPart {
  readonly object: ObjectMeta;
  readonly bytes: Bytes;
}

/** Bytes of the file for a part of `length` bytes. */
export function partFileBytes(name: string, length: number): number {
  return fixedBytes + name.length + length + trailerBytes;
}

/** The file, as one array, because each write to a file waits for a turn of the event loop. */
export function encodePart(place: PartPlace, object: ObjectMeta, bytes: Uint8Array): Bytes {
  const { name, offset } = place;
  const file = allocateBytes(partFileBytes(name, bytes.length));
  const view = new DataView(file.buffer);
  view.setUint32(0, magic);
  view.setUint8(4, version);
  view.setUint8(5, name.length);
  for (let i = 0; i < name.length; i++) file[6 + i] = name.charCodeAt(i);
  const at = 6 + name.length;
  view.setFloat64(at, object.size);
  view.setFloat64(at + 8, object.lastModified);
  view.setFloat64(at + 16, offset);
  view.setUint32(at + 24, bytes.length);
  file.set(bytes, at + 28);
  const end = at + 28 + bytes.length;
  view.setUint32(end, checksum(file.subarray(0, end)));
  return file;
}

/** What the file says, as a view of it; undefined unless it is whole, undamaged and about `place`. */
export function decodePart(file: Bytes, place: PartPlace): CachedPart | undefined {
  const { name, offset } = place;
  const at = 6 + name.length;
  const start = at + 28;
  const end = file.length - trailerBytes;
  if (end < start) return undefined;
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (view.getUint32(0) !== magic || view.getUint8(4) !== version) return undefined;
  if (view.getUint8(5) !== name.length) return undefined;
  for (let i = 0; i < name.length; i++) if (file[6 + i] !== name.charCodeAt(i)) return undefined;
  const object = { size: view.getFloat64(at), lastModified: view.getFloat64(at + 8) };
  if (view.getFloat64(at + 16) !== offset || view.getUint32(at + 24) !== end - start) {
    return undefined;
  }
  if (view.getUint32(end) !== checksum(file.subarray(0, end))) return undefined;
  return { object, bytes: file.subarray(start, end) };
}
