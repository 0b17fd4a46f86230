/** The guard of errors: it knows the kind, and TypeScript then knows the fields. */
import { expect, test } from "vitest";
import { FencedError, isMoraineError, StoreError } from "../../../src/index.js";

test("after the guard the fields of the kind are there, also of a kind that several classes have", () => {
  const fenced: unknown = new FencedError("Fenced.", { ownEpoch: 1, seenEpoch: 2 });
  const away: unknown = new StoreError("throttled", "Away.", { retryAfterMs: 5 });
  expect(isMoraineError(fenced, "fenced") && fenced.seenEpoch).toBe(2);
  expect(isMoraineError(away, "unavailable") && away.retryAfterMs).toBe(5);
  expect(isMoraineError(away) && away.kind).toBe("unavailable");
  expect([isMoraineError(away, "fenced"), isMoraineError(new Error("Other."))]).toEqual([
    false,
    false,
  ]);
});
