/** Many calls that wait with one signal: it has one listener, all of them end with its reason, and nothing stays behind. */
import { getEventListeners } from "node:events";
import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import type { Db } from "../../../src/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { loadEngine } from "../../support/load-engine.js";
import { warningsOf } from "../../support/warnings.js";
import { newPlace, openAt, turns } from "./support.js";

beforeAll(loadEngine);

const listening = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;

/** A MemTable of one row takes some 30 KiB, so the first write fills it and the second finds no room. */
async function fullDatabase() {
  const place = newPlace();
  const db = await openAt(place, { memTableBytes: 4096, unflushedBytesMax: 8192 });
  const held = new HeldRequests(place.faulty, ({ operation }) => operation === "put");
  await db.put("first", "1", { durable: false });
  return { db, held };
}

async function* neverEnding(): AsyncGenerator<[string, string]> {
  await new Promise(() => undefined);
}

const waits: Record<string, (db: Db, i: number, signal: AbortSignal) => Promise<unknown>> = {
  "puts that wait for memory": (db, i, signal) => db.put(`k${i}`, "v", { signal }),
  "batches that wait for memory": (db, i, signal) =>
    db.write([{ type: "put", key: `k${i}`, value: "v" }], { signal }),
  "change feeds": (db, _i, signal) => db.changes({ signal })[Symbol.asyncIterator]().next(),
  loads: (db, _i, signal) => db.load(neverEnding(), { signal }),
};

for (const [name, wait] of Object.entries(waits)) {
  test(`50 ${name} add one listener, and all reject with the reason`, async () => {
    const { db, held } = await fullDatabase();
    const controller = new AbortController();
    const { signal } = controller;
    const reason = new Error("enough");
    const warnings = await warningsOf(async () => {
      const waiting = Array.from({ length: 50 }, (_, i) => wait(db, i, signal));
      await turns();
      expect(listening(signal)).toBe(1);
      controller.abort(reason);
      const settled = await Promise.allSettled(waiting);
      for (const outcome of settled) expect(outcome).toEqual({ status: "rejected", reason });
    });
    expect(warnings).toEqual([]);
    expect(listening(signal)).toBe(0);
    expect(db.stats().waitingWrites).toBe(0);
    held.release();
    await db.close();
    expect(db.seq).toBe(1);
  });

  test(`50 ${name} that a close ends leave no listener`, async () => {
    const { db, held } = await fullDatabase();
    const { signal } = new AbortController();
    const waiting = Array.from({ length: 50 }, (_, i) => wait(db, i, signal));
    await turns();
    expect(listening(signal)).toBe(1);
    const closing = db.close();
    const settled = Promise.allSettled(waiting);
    await turns();
    held.release();
    await closing;
    for (const { status } of await settled) expect(status).toBe("rejected");
    expect(listening(signal)).toBe(0);
  });
}

test("writes that waited and were admitted leave no listener", async () => {
  const { db, held } = await fullDatabase();
  const { signal } = new AbortController();
  const waiting = Array.from({ length: 50 }, (_, i) =>
    db.put(`k${i}`, "v", { durable: false, signal }),
  );
  expect([db.stats().waitingWrites, listening(signal)]).toEqual([50, 1]);
  held.release();
  const results = await Promise.all(waiting);
  expect(results.map(({ seq }) => seq)).toEqual(waiting.map((_, i) => i + 2));
  expect(listening(signal)).toBe(0);
  await db.close();
});

test("whichever of the waiting writes are aborted, the others get their seqs in the order of their calls", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(2), { minLength: 1, maxLength: 40 }), async (signals) => {
      const { db, held } = await fullDatabase();
      const controllers = [0, 1, 2].map(() => new AbortController());
      const waiting = signals.map((which, i) =>
        db.put(`k${i}`, "v", { durable: false, signal: controllers[which]!.signal }),
      );
      const flushing = db.flush();
      controllers[0]!.abort("none");
      held.releaseOnly("/wal/");
      controllers[1]!.abort("none");
      held.release();
      const settled = await Promise.allSettled(waiting);
      let seq = 1;
      signals.forEach((which, i) => {
        const expected = which < 2 ? { status: "rejected" } : { value: { seq: ++seq } };
        expect(settled[i]).toMatchObject(expected);
      });
      await flushing;
      await db.close();
      expect(db.seq).toBe(seq);
    }),
    { numRuns: 30 },
  );
});
