/**
 * A writer that is fenced, whatever it is doing: no waiter is resolved, all are told, and nothing is sent afterwards
 * (P2, P7).
 */
import { describe, expect, test } from "vitest";
import type { OpenOptions } from "../../../src/index.js";
import { turns } from "../db/support.js";
import {
  enter,
  expectCommandsEndWith,
  expectNoUnhandledRejections,
  expectSilence,
  fullMemory,
  keysIn,
  manifest,
  outcomes,
  putNotDurable,
  quiet,
  reopened,
  type Scene,
  type State,
  states,
  Watched,
  wal,
  withoutWal,
} from "./support.js";

expectNoUnhandledRejections();

async function expectFenced(scene: Scene, found: string[]): Promise<void> {
  const { place, db, waiting } = scene;
  const expected = Object.fromEntries(waiting.map(({ name }) => [name, "fenced"]));
  expect(outcomes(waiting)).toEqual(expected);
  expect(await db.closed).toMatchObject({ kind: "fenced", ownEpoch: 1, seenEpoch: 2 });
  expect(found.sort()).toEqual([...scene.acknowledged].sort());
  await expectCommandsEndWith(db, "fenced");
  await db.close().catch((error) => expect(error).toMatchObject({ kind: "fenced" }));
  await expectCommandsEndWith(db, "fenced");
  await expectSilence(place);
}

/** A successor takes over, then the requests that were held arrive, and in the end somebody asks for a flush. */
async function fence(state: State, options: OpenOptions = {}): Promise<void> {
  const scene = await enter(state, options);
  const { place, db, held, waiting } = scene;
  const successor = await reopened(place, quiet);
  held.release();
  await turns();
  waiting.push(new Watched("a last put", db.put("late", "value")));
  waiting.push(new Watched("a last flush", db.flush({ to: "l0" })));
  await place.clock.advance(200_000);
  await expectFenced(scene, await keysIn(place, successor));
  await successor.put("after", "value");
  expect(await successor.has("late")).toBe(false);
  await successor.close();
}

describe("a writer that is fenced", () => {
  for (const state of withoutWal) {
    test(`without a WAL, ${state.name}, acknowledges nothing more`, () =>
      fence(state, { wal: false }));
  }

  for (const state of [...states, fullMemory]) {
    test(`${state.name} acknowledges nothing more, and its successor has all that was acknowledged`, () =>
      fence(state));
  }

  test("while it closes rejects the close, and nothing it still had to say is believed", async () => {
    for (const holds of [wal, manifest]) {
      const scene = await enter({
        name: "closing",
        options: quiet,
        holds,
        enter: async (inner) => {
          await putNotDurable(inner, "a");
          inner.waiting.push(new Watched("close", inner.db.close()));
          await turns();
          expect(inner.held.count).toBe(1);
        },
      });
      // With the WAL object stored, "a" was durable before the successor came: it may be there, unacknowledged.
      const successor = await reopened(scene.place, quiet);
      scene.held.release();
      await turns();
      const found = (await keysIn(scene.place, successor)).filter((key) => key !== "a");
      await expectFenced(scene, found);
      await successor.close();
    }
  });

  test("in the last commit of its close rejects the close", async () => {
    const scene = await enter({
      name: "closing",
      options: quiet,
      holds: manifest,
      enter: async ({ db, held, waiting }) => {
        waiting.push(new Watched("close", db.close()));
        await turns();
        // The flush is committed, and only the commit that ends the log is held.
        held.releaseOnly("");
        await turns();
        expect([held.count, held.keys.length]).toEqual([1, 2]);
      },
    });
    const successor = await reopened(scene.place, quiet);
    scene.held.release();
    await turns();
    await expectFenced(scene, await keysIn(scene.place, successor));
    await successor.close();
  });

  test("is told once, and the same by everything", async () => {
    const scene = await enter(states.find(({ name }) => name.includes("four"))!);
    const successor = await reopened(scene.place, quiet);
    scene.held.release();
    await turns();
    const reasons = scene.waiting.map(({ error }) => error);
    expect(new Set(reasons).size).toBe(1);
    expect(await scene.db.closed).toBe(reasons[0]);
    await successor.close();
  });
});
