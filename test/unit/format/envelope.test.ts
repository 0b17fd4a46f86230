import { expect, test } from "vitest";
import { EnvelopeKind, sealEnvelope } from "../../../src/format/envelope.js";

test("a payload that its length field cannot hold is refused, not cut", () => {
  const large = { length: 2 ** 32 } as Uint8Array;
  const seal = () => sealEnvelope(EnvelopeKind.wal, "01JZZZZZZZZZZZZZZZZZZZZZZZ", [large]);
  expect(seal).toThrow("4 GiB");
});
