/** Messages by tables of their fields: what is read of bytes that no one should have written, and what is never written. */
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { type Bytes, encodeUtf8 } from "../../../src/common/bytes.js";
import { ulidToBytes } from "../../../src/common/ids.js";
import { MessageType, repeated } from "../../../src/format/protobuf-message.js";
import {
  bool,
  bytes,
  string,
  uint32,
  uint64,
  ulid,
  ulidOrNone,
} from "../../../src/format/protobuf-types.js";

interface Place {
  readonly id: string;
  readonly key: Bytes;
}

interface Sample {
  readonly seq: number;
  readonly small: number;
  readonly flag: boolean;
  readonly text: string;
  readonly place: Place;
  readonly places: readonly Place[];
  readonly numbers: readonly number[];
  readonly names: readonly string[];
  readonly floor: string;
}

const place = new MessageType<Place>("Place", { id: [1, ulid], key: [2, bytes] }, ({ key }) =>
  key[0] === 255 ? "its key is beyond all keys" : undefined,
);
const sample = new MessageType<Sample>("Sample", {
  seq: [1, uint64],
  small: [2, uint32],
  flag: [3, bool],
  text: [4, string],
  place: [5, place],
  places: [6, repeated(place)],
  numbers: [7, repeated(uint32)],
  names: [8, repeated(string)],
  floor: [9, ulidOrNone],
});

const id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const idBytes = [...ulidToBytes(id)];
const empty: Sample = {
  ...{ seq: 0, small: 0, flag: false, text: "", place: { id, key: new Uint8Array(0) } },
  ...{ places: [], numbers: [], names: [], floor: "" },
};
/** Field 5, which has to be there: the place of `empty`. */
const placeField = [0x2a, 18, 0x0a, 16, ...idBytes];
const decode = (after: Iterable<number>): Sample =>
  sample.decode(Uint8Array.from([...placeField, ...after]), "some/object");
/** The tag of a field: 0 varint, 1 of 8 bytes, 2 with its length, 3 and 4 a group, 5 of 4 bytes. */
const tag = (number: number, wireType: number): number => (number << 3) | wireType;
const ones = (count: number): number[] => Array<number>(count).fill(0xff);

describe("hostile bytes are corruption", () => {
  const doesNotDecode = "its protobuf message does not decode";
  const noEnd = "a number in its protobuf message does not end";
  test.each<[name: string, after: number[], message: string]>([
    ["2^53", [8, 128, 128, 128, 128, 128, 128, 128, 16], "field seq is not a safe integer"],
    ["2^53 + 1", [8, 129, 128, 128, 128, 128, 128, 128, 16], "field seq is not a safe integer"],
    ["2^64 - 1", [8, ...ones(9), 1], "field seq is not a safe integer"],
    ["ten bytes that are more than 64 bits", [8, ...ones(9), 127], "field seq is not a safe"],
    ["a number of eleven bytes", [8, ...ones(10), 1], noEnd],
    ["a number of a million bytes", [8, ...ones(1e6), 1], noEnd],
    ["a number that is cut off", [8, 128], noEnd],
    ["2^32 in 32 bits", [16, 128, 128, 128, 128, 16], "field small is not a 32-bit integer"],
    ["a list with 2^32", [58, 5, 128, 128, 128, 128, 16], "field numbers is not a 32-bit integer"],
    ["a flag of eleven bytes", [24, ...ones(10), 1], doesNotDecode],
    ["a flag that is cut off", [24], doesNotDecode],
    ["a tag of 33 bits", [0x88, 0x80, 0x80, 0x80, 0x10, 1], "more than 32 bits"],
    ["a tag of eleven bytes", [...ones(10), 1], noEnd],
    ["field 0", [0, 1], doesNotDecode],
    ["wire type 6", [tag(10, 6)], doesNotDecode],
    ["text without its length", [0x22], noEnd],
    ["text longer than the object", [0x22, 5, 65], "some/object"],
    ["text of 4 GiB", [0x22, ...ones(4), 15, 65], doesNotDecode],
    ["a length of 33 bits", [0x22, 129, 128, 128, 128, 16, 65], "more than 32 bits"],
    ["text that is no UTF-8", [0x22, 2, 0xc3, 0x28], doesNotDecode],
    ["a surrogate as UTF-8", [0x22, 3, 0xed, 0xa0, 0x80], doesNotDecode],
    ["a message longer than the object", [0x32, 99, 0x0a], "99 bytes of protobuf expected, 1 are"],
    ["a message of 4 GiB", [0x32, ...ones(4), 15], "4294967295 bytes of protobuf expected"],
    ["a list longer than the object", [58, 9, 1, 2], "9 bytes of protobuf expected, 2 are left"],
    [
      "a key that ends after its message",
      [0x32, 20, 10, 16, ...idBytes, 18, 1, 65],
      "message Place",
    ],
    ["a number that ends after its list", [58, 1, 128, 1], "field numbers does not end where"],
    ["a message that ends inside a field", [0x32, 1, 10, 16, ...idBytes], "message Place does not"],
    ["a message without what it needs", [0x32, 0], "field id is missing"],
    ["an id of 15 bytes", [0x32, 17, 10, 15, ...idBytes.slice(1)], "field id is not an id"],
    ["an id of no bytes", [0x32, 2, 10, 0], "field id is not an id"],
    ["a floor of 17 bytes", [0x4a, 17, 1, ...idBytes], "field floor is not an id"],
    ["a message twice", placeField, "field place is there twice"],
    ["an id twice", [0x32, 36, 10, 16, ...idBytes, 10, 16, ...idBytes], "field id is there twice"],
    ["bytes where a number should be", [tag(1, 2), 1, 0], "field seq has wire type 2"],
    ["four bytes where a number should be", [tag(1, 5), 1, 0, 0, 0], "field seq has wire type 5"],
    ["a number where text should be", [tag(4, 0), 1], "field text has wire type 0"],
    ["a number where a message should be", [tag(5, 0), 1], "field place has wire type 0"],
    ["a group where a message should be", [tag(5, 3), tag(5, 4)], "field place has wire type 3"],
    ["numbers where texts should be", [tag(8, 0), 1], "field names has wire type 0"],
    ["eight bytes in a list", [tag(7, 1), 1, 2, 3, 4, 5, 6, 7, 8], "field numbers has wire type 1"],
    ["a message that contradicts itself", [0x32, 21, 10, 16, ...idBytes, 18, 1, 255], "beyond all"],
    ["an unknown number of eleven bytes", [tag(10, 0), ...ones(10), 1], noEnd],
    ["an unknown number that is cut off", [tag(10, 0), 128], noEnd],
    ["unknown bytes that are cut off", [tag(10, 2), 5, 1], doesNotDecode],
    ["eight unknown bytes that are cut off", [tag(10, 1), 1, 2], doesNotDecode],
    ["four unknown bytes that are cut off", [tag(10, 5), 1, 2, 3], doesNotDecode],
    ["an unknown group that does not end", [tag(10, 3), tag(1, 0), 1], noEnd],
    ["an unknown group that another one ends", [tag(10, 3), tag(9, 4)], doesNotDecode],
    ["the end of a group that did not begin", [tag(10, 4)], doesNotDecode],
    ["a million groups", Array<number>(1e6).fill(tag(10, 3)), doesNotDecode],
  ])("%s", (_, after, message) => {
    expect(() => decode(after)).toThrow(
      expect.objectContaining({
        ...{ kind: "corruption", object: "some/object" },
        message: expect.stringContaining(message),
      }),
    );
  });

  test("no bytes, where there has to be a field", () => {
    expect(() => sample.decode(new Uint8Array(0), "some/object")).toThrow("field place is missing");
  });
});

describe("what protobuf allows is read", () => {
  test.each<[name: string, after: number[], found: Partial<Sample>]>([
    ["the greatest safe integer", [8, ...ones(7), 15], { seq: Number.MAX_SAFE_INTEGER }],
    ["the greatest of 32 bits", [16, ...ones(4), 15], { small: 2 ** 32 - 1 }],
    ["a number with zeros at its end", [8, 0x85, 0x80, 0x80, 0], { seq: 5 }],
    ["the last of several", [8, 1, 8, 7, 0x22, 1, 65, 0x22, 1, 66], { seq: 7, text: "B" }],
    ["a default that is there", [8, 0, 16, 0, 24, 0, 0x22, 0, 0x4a, 0], {}],
    ["a flag that is not 1", [24, 2], { flag: true }],
    ["a flag of two bytes", [24, 0x80, 1], { flag: true }],
    ["fields in another order", [0x22, 1, 65, 8, 1], { text: "A", seq: 1 }],
    ["a list that is packed", [58, 3, 1, 0x80, 1], { numbers: [1, 128] }],
    ["a list that is not packed", [56, 1, 56, 0x80, 1], { numbers: [1, 128] }],
    ["a list that is both", [56, 1, 58, 2, 2, 3, 56, 4], { numbers: [1, 2, 3, 4] }],
    ["a packed list of nothing", [58, 0], {}],
    ["an empty text in a list", [0x42, 0, 0x42, 1, 65], { names: ["", "A"] }],
    ["a byte-order mark, which is text", [0x22, 3, 0xef, 0xbb, 0xbf], { text: "\ufeff" }],
    ["an unknown number of 64 bits", [tag(10, 0), ...ones(9), 1], {}],
    ["unknown bytes", [tag(10, 2), 2, 8, 9], {}],
    ["unknown fixed fields", [tag(10, 5), ...ones(4), tag(11, 1), ...ones(8)], {}],
    ["an unknown group", [tag(10, 3), 8, 9, tag(11, 3), tag(11, 4), tag(10, 4), 8, 1], { seq: 1 }],
    ["the greatest field number", [0xf8, ...ones(3), 15, 1], {}],
  ])("%s", (_, after, found) => {
    expect(decode(after)).toEqual({ ...empty, ...found });
  });
});

test("a list of numbers that another schema does not pack is the same list", () => {
  const { root } = protobuf.parse(`syntax = "proto3";
    message Sample { repeated uint32 numbers = 7 [packed = false]; }`);
  const type = root.lookupType("Sample");
  const unpacked = type.encode(type.fromObject({ numbers: [1, 2 ** 32 - 1] })).finish();
  expect(unpacked[0]).toBe(tag(7, 0));
  expect(decode(unpacked).numbers).toEqual([1, 2 ** 32 - 1]);
});

test("what is read keeps none of the bytes that it was read from", () => {
  const key = encodeUtf8("a key of more than thirty-two bytes, which is copied otherwise");
  for (const length of [1, key.length]) {
    const stored = sample.encode({ ...empty, place: { id, key: key.slice(0, length) } });
    const read = sample.decode(stored, "object").place.key;
    expect(read.buffer.byteLength).toBe(length);
    stored.fill(0);
    expect(read).toEqual(key.slice(0, length));
  }
});

test("bytes are read from the part of a buffer that they are", () => {
  const whole = Uint8Array.from([1, 2, ...placeField, 0x22, 1, 65, 3, 4]);
  const part = whole.subarray(2, whole.length - 2);
  expect(sample.decode(part, "object")).toEqual({ ...empty, text: "A" });
});

test.each<[name: string, wrong: Partial<Sample>]>([
  ["a negative number", { seq: -1 }],
  ["a fraction", { seq: 0.5 }],
  ["a number above 2^53", { seq: 2 ** 53 }],
  ["no number", { seq: Number.NaN }],
  ["more than 32 bits", { small: 2 ** 32 }],
  ["more than 32 bits in a list", { numbers: [1, 2 ** 32] }],
])("%s is never written", (_, wrong) => {
  expect(() => sample.encode({ ...empty, ...wrong })).toThrow(
    expect.objectContaining({ kind: "internal" }),
  );
});

test("a table that is not that of its message does not compile", () => {
  // @ts-expect-error A property has no entry.
  new MessageType<Place>("Place", { id: [1, ulid] });
  // @ts-expect-error Text is no bytes.
  new MessageType<Place>("Place", { id: [1, ulid], key: [2, string] });
  // @ts-expect-error One is not many.
  new MessageType<Pick<Sample, "names">>("Sample", { names: [8, string] });
  // @ts-expect-error Many are not one.
  new MessageType<Pick<Sample, "text">>("Sample", { text: [4, repeated(string)] });
  // @ts-expect-error There is no such property.
  new MessageType<Place>("Place", { id: [1, ulid], key: [2, bytes], more: [3, bool] });
  expect(place.fields.map(({ name }) => name)).toEqual(["id", "key"]);
});
