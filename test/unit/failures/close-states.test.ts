/** `close()` whatever the writer is doing: all who wait are settled, and nothing is sent and no timer is left afterwards (P7). */
import { describe, expect, test } from "vitest";
import type { OpenOptions } from "../../../src/index.js";
import { newPlace, openAt, turns } from "../db/support.js";
import {
  enter,
  expectCommandsEndWith,
  expectNoUnhandledRejections,
  expectSilence,
  fullMemory,
  hour,
  keysAfter,
  outcomes,
  quiet,
  type Scene,
  type State,
  states,
  Watched,
  withoutWal,
} from "./support.js";

expectNoUnhandledRejections();

async function expectClosed({ place, db }: Scene): Promise<void> {
  expect(await db.closed).toBeUndefined();
  await expectCommandsEndWith(db, "closed");
  await db.close();
  await expectSilence(place);
}

/** With a store that works. Writes that got a seq are durable then; those that wait for memory never got one. */
async function closeAndFlush(state: State, flush: true | "wal", options: OpenOptions = {}) {
  const scene = await enter(state, options);
  const { place, db, held, waiting } = scene;
  const closing = new Watched("close", db.close({ flush }));
  await turns();
  held.release();
  await place.clock.advance(200_000);
  expect(closing.outcome).toBe("fulfilled");
  for (const { name, outcome } of waiting) {
    if (name.startsWith("put ")) expect([name, outcome]).toEqual([name, "fulfilled"]);
    else if (name.startsWith("waiting ")) expect([name, outcome]).toEqual([name, "closed"]);
    else if (flush === true && state !== fullMemory)
      expect([name, outcome]).toEqual([name, "fulfilled"]);
    else expect(["fulfilled", "closed", "unknown"]).toContain(outcome);
  }
  await expectClosed(scene);
  expect(await keysAfter(place)).toEqual([...scene.accepted].sort());
}

/** With a store that never answers what is under way. */
async function giveUp(state: State, options: OpenOptions = {}): Promise<Scene> {
  const scene = await enter(state, options);
  const { place, db, held, waiting } = scene;
  await db.close({ flush: false });
  await turns();
  for (const { name, outcome } of waiting) {
    // What was sent may be stored; what was not is given up.
    if (!name.startsWith("waiting ")) expect(["unknown", "closed"]).toContain(outcome);
    else expect([name, outcome]).toEqual([name, "closed"]);
  }
  await expectClosed(scene);
  // What was on its way was aborted, not only forgotten: letting it go now stores nothing.
  held.release();
  await turns();
  expect(await keysAfter(place)).toEqual([...scene.acknowledged].sort());
  return scene;
}

describe.each([true, "wal"] as const)("close({ flush: %s })", (flush) => {
  for (const state of [...states, fullMemory]) {
    test(`of a writer ${state.name} makes durable what was accepted, and settles everybody`, () =>
      closeAndFlush(state, flush));
  }
  for (const state of withoutWal) {
    test(`without a WAL, of a writer ${state.name}, makes durable what was accepted`, () =>
      closeAndFlush(state, flush, { wal: false }));
  }
});

describe("close({ flush: false })", () => {
  for (const state of [...states, fullMemory]) {
    test(`of a writer ${state.name} waits for no request, and aborts those under way`, async () => {
      await giveUp(state);
    });
  }
  for (const state of withoutWal) {
    test(`without a WAL, of a writer ${state.name}, waits for no request`, async () => {
      await giveUp(state, { wal: false });
    });
  }

  test("says unknown of what was sent, and closed of what was not", async () => {
    const scene = await giveUp(states.find(({ name }) => name.includes("four"))!);
    expect(outcomes(scene.waiting)).toEqual({
      "put a": "unknown",
      "put b": "unknown",
      "put c": "unknown",
      "put d": "unknown",
      "put e": "closed",
    });
  });

  test("says unknown of a write without a WAL whose commit was sent", async () => {
    const state = withoutWal.find(({ name }) => name.includes("commit"))!;
    const scene = await giveUp(state, { wal: false });
    expect(outcomes(scene.waiting)).toEqual({ "put a": "unknown" });
  });

  test("says unknown of a checkpoint whose commit was sent", async () => {
    const state = states.find(({ name }) => name.includes("checkpoint whose commit"))!;
    const scene = await giveUp(state);
    expect(outcomes(scene.waiting)).toEqual({ checkpoint: "unknown" });
  });
});

describe("close() of a store that is away", () => {
  for (const state of [...states, fullMemory]) {
    test(`of a writer ${state.name}, without a deadline, is cut short by close({ flush: false })`, async () => {
      const scene = await enter(state, { storeDeadlineMs: Number.POSITIVE_INFINITY });
      const { place, db, waiting } = scene;
      place.faulty.intercept = () => ({ kind: "before" });
      scene.held.releaseOnly("");
      const closing = new Watched("close", db.close());
      await place.clock.advance(10 * hour);
      expect(closing.outcome).toBe("pending");
      await db.close({ flush: false });
      await turns();
      expect(closing.outcome).toMatch(/closed|unknown/);
      expect(Object.values(outcomes(waiting))).not.toContain("pending");
      await expectClosed(scene);
      place.faulty.intercept = undefined;
      expect(await keysAfter(place)).toEqual(expect.arrayContaining(scene.acknowledged));
    });
  }

  test.each([true, "wal"] as const)(
    "rejects after the deadline when flush is %s, settles everybody and leaves no timer",
    async (flush) => {
      for (const state of [...states, fullMemory]) {
        const scene = await enter(state);
        const { place, db, waiting } = scene;
        place.faulty.intercept = () => ({ kind: "before" });
        scene.held.releaseOnly("");
        const closing = new Watched("close", db.close({ flush }));
        await place.clock.advance(2 * hour);
        expect(["pending", undefined]).not.toContain(closing.outcome);
        expect(Object.values(outcomes(waiting))).not.toContain("pending");
        await expectCommandsEndWith(db, "closed");
        await expectSilence(place);
        place.faulty.intercept = undefined;
        const found = await keysAfter(place);
        expect(found).toEqual(expect.arrayContaining(scene.acknowledged));
        // A close that resolved has kept everything.
        if (closing.outcome === "fulfilled") expect(found).toEqual([...scene.accepted].sort());
      }
    },
  );

  test("leaves no request for the hint behind, however long requests are tried again", async () => {
    for (const flush of [true, "wal", false] as const) {
      for (const storeDeadlineMs of [60_000, Number.POSITIVE_INFINITY]) {
        const place = newPlace();
        const db = await openAt(place, { ...quiet, storeDeadlineMs });
        place.faulty.intercept = ({ key }) =>
          key.endsWith("/latest") ? { kind: "before" } : undefined;
        await db.put("key", "value");
        await place.clock.advance(2000);
        await db.flush({ to: "l0" });
        await place.clock.advanceUntil(db.close({ flush }));
        await expectSilence(place);
      }
    }
  });
});
