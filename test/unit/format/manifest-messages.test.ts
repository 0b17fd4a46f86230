/** The tables of the messages are proto/manifest.proto, and their bytes are those of another implementation of protobuf. */
import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { emptyBytes } from "../../../src/common/bytes.js";
import { isMoraineError } from "../../../src/common/errors.js";
import { ulidToBytes } from "../../../src/common/ids.js";
import { claimMessage } from "../../../src/format/claim.js";
import { compactionsMessage } from "../../../src/format/compactions-codec.js";
import type { TombstoneSpan } from "../../../src/format/manifest.js";
import {
  loadMessage,
  manifestMessage,
  retiredListMessage,
  runIndexMessage,
  runMessage,
} from "../../../src/format/manifest-messages.js";
import { MessageType } from "../../../src/format/protobuf-message.js";
import { expectEqual } from "../../support/expect-equal.js";
import { counted, sampled } from "../../support/run-counts.js";
import { sstOf } from "../manifest/manifests.js";
import {
  claims,
  compactions,
  loads,
  manifests,
  retiredLists,
  runIndexes,
  runs,
} from "./manifest-arbitrary.js";

const specification = readFileSync(
  new URL("../../../proto/manifest.proto", import.meta.url),
  "utf8",
);
const specified = (text: string, options?: protobuf.IParseOptions): protobuf.Namespace =>
  protobuf.parse(text, options).root.lookup("moraine.v1") as protobuf.Namespace;
const v1 = specified(specification);

/** Each message as the lines that stand in a .proto file. */
type Lines = Record<string, readonly string[]>;

function linesOfProto(text: string): Lines {
  const types = specified(text, { keepCase: true }).nestedArray as protobuf.Type[];
  const line = ({ repeated, type, name, id }: protobuf.Field): string =>
    `${repeated ? "repeated " : ""}${type} ${name} = ${id}`;
  return Object.fromEntries(types.map((type) => [type.name, type.fieldsArray.map(line)]));
}

type Table = Pick<MessageType<object>, "name" | "fields">;

function linesOfTables(root: Table, lines: Record<string, string[]> = {}): Lines {
  lines[root.name] = root.fields.map(({ name, number, type, repeated }) => {
    if (type instanceof MessageType) linesOfTables(type, lines);
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return `${repeated ? "repeated " : ""}${type.name} ${snake} = ${number}`;
  });
  return lines;
}

describe("the tables and the specification", () => {
  const ours = {
    ...linesOfTables(manifestMessage),
    ...linesOfTables(runMessage),
    ...linesOfTables(loadMessage),
    ...linesOfTables(runIndexMessage),
    ...linesOfTables(retiredListMessage),
    ...linesOfTables(compactionsMessage),
    ...linesOfTables(claimMessage),
  };

  test("have the same messages, and the same fields in the order of their numbers", () => {
    expectEqual(ours, linesOfProto(specification));
    expect(ours["SstInfo"]).toContain("uint64 max_expires_at = 11");
    expect(Object.keys(ours)).toHaveLength(25);
  });

  test.each([
    ["another number", "uint64 ttl_ms = 5", "uint64 ttl_ms = 70"],
    ["another name", "uint64 top_offset", "uint64 top_place"],
    ["another type of integer", "uint32 puts_in_flight", "uint64 puts_in_flight"],
    ["text for bytes", "bytes first_key = 5", "string first_key = 5"],
    ["another message", "repeated SstInfo ssts = 2", "repeated L0Entry ssts = 2"],
    ["one for many", "repeated bytes ids", "bytes ids"],
    ["a field more", "uint32 level = 9;", "uint32 level = 9; uint32 colour = 90;"],
    ["a field less", "uint64 seq = 2;", ""],
    ["two swapped", "min_seq = 7;\n  uint64 max_seq = 8", "max_seq = 7;\n  uint64 min_seq = 8"],
    ["a message more", "message WalEpoch", "message Colour {}\nmessage WalEpoch"],
  ])("are told apart by %s", (_, from, to) => {
    const planted = specification.replace(from, to);
    expect(planted).not.toBe(specification);
    expect(linesOfProto(planted)).not.toEqual(ours);
  });
});

const idFields = [
  ...["owner", "base", "loads", "holderId"],
  ...["id", "ids", "databaseId", "checkpointId", "writerFloor", "compactorFloor"],
  ...["claim", "l0", "ssts"],
];

/** A message in the form of protobufjs: ids are bytes there. */
function forProtobufjs(value: unknown, field = "", isClaim = false): unknown {
  // Of a claim the owner is a name.
  if (typeof value === "string" && idFields.includes(field) && !(isClaim && field === "owner")) {
    return value === "" ? new Uint8Array(0) : ulidToBytes(value);
  }
  if (Array.isArray(value)) return value.map((each) => forProtobufjs(each, field));
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      forProtobufjs(each, name, "claimedAt" in value),
    ]),
  );
}

/** A message of either side so that equal ones are equal: bytes as hex, numbers as decimals. */
const comparable = (message: unknown): unknown =>
  JSON.parse(
    JSON.stringify(message, function (this: Record<string, unknown>, name) {
      const value = this[name];
      if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
      return typeof value === "number" ? String(value) : value;
    }),
  );

const decodedByProtobufjs = (type: protobuf.Type, bytes: Uint8Array): unknown =>
  comparable(type.toObject(type.decode(bytes), { longs: String, defaults: true }));

interface AnyMessage {
  encode(message: object): Uint8Array;
  decode(bytes: Uint8Array, object: string): object;
}

const cases: [name: string, AnyMessage, fc.Arbitrary<object>][] = [
  ["Manifest", manifestMessage, manifests],
  ["Run", runMessage, runs],
  ["LoadRecord", loadMessage, loads],
  ["RunIndex", runIndexMessage, runIndexes],
  ["RetiredList", retiredListMessage, retiredLists],
  ["Compactions", compactionsMessage, compactions],
  ["Claim", claimMessage, claims],
];

describe.each(cases)("%s", (name, ours, arbitrary) => {
  const theirs = v1.lookupType(name);
  const encodedByProtobufjs = (message: object, type = theirs): Uint8Array =>
    type.encode(type.fromObject(forProtobufjs(message) as Record<string, unknown>)).finish();

  test("is written as protobufjs writes it, and each reads what the other wrote", () => {
    void fc.assert(
      fc.property(arbitrary, (message) => {
        const bytes = ours.encode(message);
        expect(Buffer.from(bytes).equals(encodedByProtobufjs(message))).toBe(true);
        expectEqual(ours.decode(bytes, "object"), message);
        expectEqual(decodedByProtobufjs(theirs, bytes), comparable(forProtobufjs(message)));
      }),
      { numRuns: sampled(200) },
    );
  });

  test("of a later version, which has more fields of every type, is what this one knows of it", () => {
    const more = `
      fixed32 a = 90; sint64 b = 91; string c = 92; repeated double d = 93; Run e = 94; bool f = 1000;
    }`;
    const later = specified(specification.replaceAll(/(?<=;)\s*\}/g, more)).lookupType(name);
    const added = { a: 7, b: -1, c: "later", d: [1, 2.5], e: { id: Uint8Array.of(1, 2) }, f: true };
    const withMore = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(withMore);
      if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
      const fields = Object.entries(value).map(([field, each]) => [field, withMore(each)]);
      return { ...Object.fromEntries(fields), ...added };
    };
    void fc.assert(
      fc.property(arbitrary, (message) => {
        const type = later.fromObject(withMore(forProtobufjs(message)) as object);
        const bytes = later.encode(type).finish();
        expect(bytes.length).toBeGreaterThan(ours.encode(message).length + 30);
        expectEqual(ours.decode(bytes, "object"), message);
      }),
      { numRuns: sampled(50) },
    );
  });

  test("that is damaged is corruption, or says what protobufjs reads in it", () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 });
    let read = 0;
    void fc.assert(
      fc.property(arbitrary, damage, fc.nat(9), (message, changes, cut) => {
        const whole = ours.encode(message);
        const bytes = whole.slice(0, cut === 0 ? changes[0]![0] % (whole.length + 1) : undefined);
        for (const [at, byte] of changes) {
          if (bytes.length > 0) bytes[at % bytes.length] = byte;
        }
        let decoded: object;
        try {
          decoded = ours.decode(bytes, "object");
        } catch (error) {
          if (isMoraineError(error, "corruption") && error.object === "object") return;
          throw error;
        }
        read++;
        expectEqual(decodedByProtobufjs(theirs, bytes), comparable(forProtobufjs(decoded)));
      }),
      counted(1000, 400),
    );
    expect(read).toBeGreaterThan(50);
  });
});

test("an SST whose range deletes contradict each other, or it, is corruption", () => {
  const span = (start: number, end: number | undefined, over: object = {}): TombstoneSpan => ({
    ...{ start: Uint8Array.of(start), end: end === undefined ? emptyBytes : Uint8Array.of(end) },
    ...{ endless: end === undefined, count: 2, minSeq: 0, maxSeq: 9, ...over },
  });
  const decoded = (over: object): unknown => {
    const info = { ...sstOf(1, 3, 9), rangeDeletesOffset: 20, ...over };
    return runMessage.decode(runMessage.encode({ id: info.id, ssts: [info] }), "o");
  };
  const right = [span(1, 2), span(2, 5, { minSeq: 9 }), span(7, undefined)];
  expect(decoded({ rangeDeletes: right })).toMatchObject({ ssts: [{ rangeDeletes: right }] });
  for (const wrong of [
    { rangeDeletes: [] },
    { rangeDeletes: right, rangeDeletesOffset: 0 },
    { rangeDeletes: right, rangeDeletesOffset: 51 },
    { rangeDeletes: right, maxSeq: 8 },
    { rangeDeletes: [span(1, 3), span(2, 5)] },
    { rangeDeletes: [span(3, 4), span(1, 2)] },
    { rangeDeletes: [span(1, undefined), span(2, 5)] },
    { rangeDeletes: [span(2, 2)] },
    { rangeDeletes: [span(1, 2, { count: 0 })] },
    { rangeDeletes: [span(1, 2, { minSeq: 10 })] },
    { rangeDeletes: [span(1, 2, { endless: true })] },
  ]) {
    expect(() => decoded(wrong), JSON.stringify(wrong)).toThrow(
      expect.objectContaining({ kind: "corruption", object: "o" }),
    );
  }
});
