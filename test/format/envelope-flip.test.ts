/** Damages every kind of enveloped object in every way, and demands an error that names it, and never another answer (P6). */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { writeU32 } from "../../src/common/byte-writer.js";
import { checksum } from "../../src/common/checksum.js";
import { isMoraineError } from "../../src/common/errors.js";
import { decodeClaim } from "../../src/format/claim.js";
import { decodeCompactions } from "../../src/format/compactions-codec.js";
import { decodeRetiredList } from "../../src/format/retired-list-codec.js";
import { expectEqual } from "../support/expect-equal.js";
import { type Sample, samples } from "./envelope-samples.js";
import { databaseId, otherDatabaseId } from "./manifest-samples.js";

const corruption = expect.objectContaining({ kind: "corruption", object: "golden" });

/** With a checksum that is right again: what a defect or an enemy could write. */
function resealed(bytes: Uint8Array): Uint8Array {
  const sealed = bytes.slice();
  writeU32(sealed, 24, sealed.length - 32);
  writeU32(sealed, sealed.length - 4, checksum(sealed.subarray(0, sealed.length - 4)));
  return sealed;
}

function withPayload(bytes: Uint8Array, payload: Uint8Array): Uint8Array {
  return resealed(Uint8Array.from([...bytes.subarray(0, 28), ...payload, 0, 0, 0, 0]));
}

/** All but those of several envelopes, which test/unit/format/run-list.test.ts damages. */
const single = Object.entries(samples).filter(([name]) => name !== "run-parts");

describe.each(single)("a %s", (_, sample: Sample) => {
  const bytes = Uint8Array.from(sample.encode());

  test("is read back as it was written", () => {
    expect(bytes.length).toBeLessThan(2000);
    expect(() => sample.decode(bytes, databaseId)).not.toThrow();
    expectEqual(resealed(bytes), bytes);
  });

  test("with any bit flipped is corruption", () => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => sample.decode(damaged), `bit ${bit}`).toThrow(corruption);
    }
  });

  test("of any other length is corruption", () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(() => sample.decode(bytes.slice(0, length)), `length ${length}`).toThrow(corruption);
    }
    for (const end of [[0], [...bytes], [...bytes.subarray(bytes.length - 4)]]) {
      expect(() => sample.decode(Uint8Array.from([...bytes, ...end]))).toThrow(corruption);
    }
  });

  test("of a later format version is unsupported, and says so", () => {
    const later = bytes.slice();
    later[4] = 2;
    expect(() => sample.decode(resealed(later))).toThrow(
      expect.objectContaining({ kind: "unsupported", message: expect.stringContaining("golden") }),
    );
  });

  test("of another kind is corruption", () => {
    for (const other of Object.values(samples)) {
      if (other.encode()[3] === bytes[3]) continue;
      expect(() => sample.decode(other.encode())).toThrow(corruption);
    }
  });

  test("with any payload, sealed as it should be, gives what it says or a typed error", () => {
    const isTyped = (payload: Uint8Array): void => {
      try {
        sample.decode(withPayload(bytes, payload));
      } catch (error) {
        if (!isMoraineError(error, "corruption") && !isMoraineError(error, "unsupported"))
          throw error;
      }
    };
    const whole = bytes.subarray(28, bytes.length - 4);
    for (let at = 0; at < whole.length; at++) {
      for (const byte of [0, 1, 0x7f, 0x80, 0xff]) {
        const payload = whole.slice();
        payload[at] = byte;
        isTyped(payload);
      }
      for (const length of [4, 8]) isTyped(whole.slice().fill(0xff, at, at + length));
      isTyped(whole.slice(0, at));
    }
    void fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), isTyped), { numRuns: 300 });
  });
});

const bound = ["wal-group", "wal-load", "wal-fence", "run", "run-list", "retired-list"] as const;

test.each(bound)("a %s of another database is corruption", (kind) => {
  const sample = samples[kind];
  expect(() => sample.decode(sample.encode(), otherDatabaseId)).toThrow(corruption);
});

test("a manifest whose name says another number is corruption", async () => {
  const { decodeManifest } = await import("../../src/format/manifest-codec.js");
  const bytes = Uint8Array.from(samples.manifest.encode());
  expect(() => decodeManifest(bytes, "golden", 8)).toThrow(corruption);
  expect(decodeManifest(bytes, "golden").number).toBe(7);
});

test("a state of compactions, a list or a claim whose name says another number or id is corruption", () => {
  const state = Uint8Array.from(samples.compactions.encode());
  expect(() => decodeCompactions(state, "golden", 13)).toThrow(corruption);
  const list = Uint8Array.from(samples["retired-list"].encode());
  expect(() => decodeRetiredList(list, "golden", databaseId, databaseId)).toThrow(corruption);
  expect(() => decodeClaim(samples.claim.encode(), "golden", 3)).toThrow(corruption);
});

test("a WAL object whose name says another epoch or id is corruption", async () => {
  const { decodeWalObject } = await import("../../src/format/wal-object.js");
  const bytes = samples["wal-group"].encode();
  for (const position of [
    { epoch: 5, id: 8 },
    { epoch: 4, id: 9 },
  ]) {
    expect(() => decodeWalObject(bytes, "golden", databaseId, position)).toThrow(corruption);
  }
});

test("a manifest with a field that only later versions know keeps what this one knows", () => {
  const bytes = Uint8Array.from(samples.manifest.encode());
  const payload = bytes.subarray(28, bytes.length - 4);
  // Field 1000, a varint.
  const longer = Uint8Array.from([...payload, 0xc0, 0x3e, 5]);
  const { decode } = samples.manifest;
  expectEqual(decode(withPayload(bytes, longer)), decode(bytes));
});
