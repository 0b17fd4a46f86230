/**
 * The types of values in stored protobuf messages: how each goes onto the wire, how it comes back, and what an absent field
 * stands for. Numbers are safe integers and ids are strings here, and that is checked on both ways.
 */
import { type Bytes, copyBytes, emptyBytes } from "../common/bytes.js";
import { type Ulid, ulidFromBytes, ulidToBytes } from "../common/ids.js";
import { noUlid } from "./manifest.js";
import { uint32Max, type WireReader, WireType, type WireWriter } from "./protobuf-wire.js";

export interface ValueType<V> {
  /** As in a .proto file. */
  readonly name: string;
  readonly wireType: WireType;
  /** What an absent field stands for; undefined where a message without the field is damaged. */
  readonly absent: V | undefined;
  /** As in proto3, a field of this value is not written. */
  isDefault(value: V): boolean;
  write(writer: WireWriter, value: V): void;
  /** `field` is for messages only. Throws `CorruptionError`, or an error of the library where the bytes end too soon. */
  read(reader: WireReader, field: string): V;
}

const isZero = (value: number): boolean => value === 0;
const isEmpty = (value: { readonly length: number }): boolean => value.length === 0;

export const uint64: ValueType<number> = {
  name: "uint64",
  wireType: WireType.Varint,
  absent: 0,
  isDefault: isZero,
  write: (writer, value) => writer.integer(value),
  read: (reader, field) => reader.integer(field),
};

export const uint32: ValueType<number> = {
  name: "uint32",
  wireType: WireType.Varint,
  absent: 0,
  isDefault: isZero,
  write: (writer, value) => writer.integer(value, uint32Max),
  read: (reader, field) => reader.integer(field, uint32Max),
};

export const bool: ValueType<boolean> = {
  name: "bool",
  wireType: WireType.Varint,
  absent: false,
  isDefault: (value) => !value,
  write: (writer, value) => writer.bool(value),
  read: (reader) => reader.bool(),
};

export const string: ValueType<string> = {
  name: "string",
  wireType: WireType.LengthDelimited,
  absent: "",
  isDefault: isEmpty,
  write: (writer, value) => writer.string(value),
  read(reader) {
    const strict = true;
    return reader.string(strict);
  },
};

/** Copied: what is kept of a message must not keep the whole object in memory. */
export const bytes: ValueType<Bytes> = {
  name: "bytes",
  wireType: WireType.LengthDelimited,
  absent: emptyBytes,
  isDefault: isEmpty,
  write: (writer, value) => writer.bytes(value),
  read: (reader) => copyBytes(reader.bytes()),
};

/** An id that is always there. */
export const ulid: ValueType<Ulid> = {
  name: "bytes",
  wireType: WireType.LengthDelimited,
  absent: undefined,
  isDefault: () => false,
  write: (writer, id) => writer.bytes(ulidToBytes(id)),
  read: (reader, field) => toUlid(reader.bytes(), reader, field),
};

/** An id, or `noUlid`. */
export const ulidOrNone: ValueType<Ulid> = {
  ...ulid,
  absent: noUlid,
  isDefault: (id) => id === noUlid,
  read(reader, field) {
    const stored = reader.bytes();
    return stored.length === 0 ? noUlid : toUlid(stored, reader, field);
  },
};

function toUlid(stored: Uint8Array, reader: WireReader, field: string): Ulid {
  if (stored.length !== 16) reader.fail(`field ${field} is not an id`);
  return ulidFromBytes(stored);
}
