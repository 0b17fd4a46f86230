/** A load that is aborted, at each of its requests and after its tick: no trace, or only the waiting has ended. */
import { describe, expect, test } from "vitest";
import type { OpenOptions } from "../../../src/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { turns } from "../db/support.js";
import {
  expectNoTrace,
  keysOf,
  type LoadScene,
  listed,
  openSmall,
  rows,
  watchLoad,
} from "./load-support.js";
import { expectNoUnhandledRejections, keysAfter, keysIn, manifest, sst, wal } from "./support.js";

expectNoUnhandledRejections();

const enough = new Error("enough");

/** Ascending, or in an order that makes a run of each chunk. */
const orders: [string, (i: number) => number][] = [
  ["sorted", (i) => i],
  ["unsorted", (i) => (i * 347) % 600],
];
const entriesOf = (order: (i: number) => number): [string, string][] => {
  const keys = keysOf(600);
  return keys.map((_, i) => [keys[order(i)]!, "v".repeat(60)]);
};

/** After so many ticks of the microtask queue. */
async function abortAfter(ticks: number, controller: AbortController): Promise<void> {
  for (let i = 0; i < ticks; i++) await undefined;
  controller.abort(enough);
}

async function expectThere(scene: LoadScene): Promise<void> {
  const { place, db } = scene;
  const expected = ["before", ...keysOf(600)];
  expect(await keysIn(place, db)).toEqual(expected);
  await place.clock.advanceUntil(db.flush({ to: "l0" }));
  expect(await keysIn(place, db)).toEqual(expected);
  await place.clock.advanceUntil(db.close());
  expect(await keysAfter(place)).toEqual(expected);
}

describe.each(orders)("%s rows", (_, order) => {
  describe.each<[string, OpenOptions]>([
    ["with a WAL", {}],
    ["without a WAL", { wal: false }],
  ])("%s", (__, options) => {
    test.each([
      ["as it is sent", -1],
      ["as it is stored", 2],
      ["when it has been stored", 25],
    ])("aborted at each request, %s", async (___, ticks) => {
      let [traceless, there] = [0, 0];
      for (let abortAt = 0; ; abortAt++) {
        const scene = await openSmall(options);
        const { place, db } = scene;
        const controller = new AbortController();
        let request = 0;
        place.faulty.intercept = ({ operation }) => {
          // A reply takes a turn, so that several are on their way at once.
          const until = turns(1);
          if (operation !== "delete" && request++ === abortAt) {
            if (ticks < 0) controller.abort(enough);
            else void until.then(() => abortAfter(ticks, controller));
          }
          return { kind: "delay", until };
        };
        const load = watchLoad(scene, entriesOf(order), { signal: controller.signal });
        await turns(100);
        place.faulty.intercept = undefined;
        if (!controller.signal.aborted) {
          expect(load.outcome).toBe("fulfilled");
          await expectThere(scene);
          break;
        }
        expect([undefined, enough]).toContain(load.error);
        expect(load.outcome).not.toBe("pending");
        if (db.seq === 1) {
          expect(load.error).toBe(enough);
          await expectNoTrace(scene);
          traceless++;
        } else {
          await expectThere(scene);
          there++;
        }
      }
      expect(traceless).toBeGreaterThan(5);
      expect(there).toBeGreaterThan(0);
    });
  });
});

test("aborted at any moment between its last upload and its tick: gone without a trace, or there as a whole", async () => {
  let [traceless, there] = [0, 0];
  for (let ticks = 0; ticks < 50; ticks++) {
    const scene = await openSmall();
    const { place, db } = scene;
    const controller = new AbortController();
    const held = new HeldRequests(place.faulty, sst);
    const load = watchLoad(scene, rows(50), { signal: controller.signal });
    await turns(3);
    expect(held.count).toBe(1);
    held.release();
    await abortAfter(ticks, controller);
    await turns();
    expect(load.outcome).not.toBe("pending");
    if (db.seq === 1) {
      await expectNoTrace(scene);
      traceless++;
    } else {
      expect((await keysIn(place, db)).length).toBe(51);
      await place.clock.advanceUntil(db.close());
      expect((await keysAfter(place)).length).toBe(51);
      there++;
    }
  }
  expect(traceless).toBeGreaterThan(3);
  expect(there).toBeGreaterThan(3);
});

test.each([
  ["its record is on its way", wal],
  ["its record is buffered", undefined],
])("aborted while %s, only the waiting ends", async (_, holds) => {
  const scene = await openSmall();
  const { place, db } = scene;
  const controller = new AbortController();
  const held = new HeldRequests(place.faulty, wal);
  // As many as may be in flight, so that the record of the load waits in the buffer.
  const others = Array.from({ length: holds === undefined ? 4 : 0 }, async (__, i) => {
    await turns(2 * i);
    await db.put("before", String(i));
  });
  await turns();
  const load = watchLoad(
    scene,
    entriesOf((i) => i),
    { signal: controller.signal },
  );
  await turns();
  expect(held.count).toBe(holds === undefined ? 4 : 1);
  expect(load.outcome).toBe("pending");
  controller.abort(enough);
  await turns();
  expect(load.error).toBe(enough);
  held.release();
  await Promise.all(others);
  await expectThere(scene);
});

test("aborted while its manifest is on its way, it is durable already", async () => {
  const scene = await openSmall();
  const { place } = scene;
  const controller = new AbortController();
  const held = new HeldRequests(place.faulty, manifest);
  const load = watchLoad(
    scene,
    entriesOf((i) => i),
    { signal: controller.signal },
  );
  await place.clock.advance(100);
  expect([held.count, load.outcome]).toEqual([1, "fulfilled"]);
  controller.abort(enough);
  held.release();
  await expectThere(scene);
});

test("aborted before the call, it does nothing, and does not look at its entries", async () => {
  const scene = await openSmall();
  const untouched = {
    [Symbol.iterator](): Iterator<[string, string]> {
      throw new Error("looked at");
    },
  };
  const load = watchLoad(scene, untouched, { signal: AbortSignal.abort(enough) });
  await turns();
  expect([load.error, scene.place.counting.total]).toEqual([enough, 0]);
  await expectNoTrace(scene);
});

test("an upload that arrives after its abort is an orphan below the floor, which names nothing", async () => {
  const scene = await openSmall();
  const { place } = scene;
  const controller = new AbortController();
  place.faulty.intercept = (request) => (sst(request) ? { kind: "late" } : undefined);
  const load = watchLoad(scene, rows(300), { signal: controller.signal });
  await turns();
  controller.abort(enough);
  await turns();
  expect(load.error).toBe(enough);
  place.faulty.intercept = undefined;
  await expectNoTrace(scene);
  const named = await listed(place);
  expect(await place.faulty.releaseLate()).toBeGreaterThan(0);
  expect((await listed(place)).length).toBeGreaterThan(named.length);
  expect(await keysAfter(place)).toEqual(["after", "before"]);
});
