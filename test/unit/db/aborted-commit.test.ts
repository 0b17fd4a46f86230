/** A commit whose signal is aborted while it looks for conflicts in SSTs. */
import { beforeAll, expect, test, vi } from "vitest";
import { HeldRequests } from "../../support/held-requests.js";
import { loadEngine } from "../../support/load-engine.js";
import { newPlace, openAt } from "./support.js";

beforeAll(loadEngine);

const looks = vi.hoisted(() => ({ count: 0, onEnd: (): void => undefined }));

vi.mock("../../../src/read/find-later-write.js", async (original) => {
  const actual = await original<typeof import("../../../src/read/find-later-write.js")>();
  return {
    findLaterWrite: async (...given: Parameters<typeof actual.findLaterWrite>) => {
      const found = await actual.findLaterWrite(...given);
      looks.count++;
      // The reads are over: nobody but the commit looks at the signal now.
      looks.onEnd();
      return found;
    },
  };
});

test("it is called off, even where it would have waited for memory, and nothing of it is written", async () => {
  const place = newPlace();
  const limits = { memTableBytes: 4096, unflushedBytesMax: 8192 };
  const db = await openAt(place, { ...limits, conflictWindowBytes: 0, flushIntervalMs: 1 });
  const tx = db.begin();
  tx.put("a", "1");
  await place.clock.advanceUntil(db.put("b", "1"));
  await place.clock.advanceUntil(db.flush({ to: "l0" }));
  const held = new HeldRequests(place.faulty, ({ operation }) => operation === "put");
  const fill = db.put("c", new Uint8Array(8192), { durable: false });
  const controller = new AbortController();
  const reason = new Error("enough");
  looks.onEnd = () => controller.abort(reason);
  const committing = tx.commit({ durable: false, signal: controller.signal });
  await expect(committing).rejects.toBe(reason);
  expect([looks.count, db.stats().waitingWrites]).toEqual([1, 0]);
  held.release();
  await place.clock.advanceUntil(fill);
  expect(await db.get("a")).toBeUndefined();
  await place.clock.advanceUntil(db.close());
});
