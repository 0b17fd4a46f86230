/** Loads whose store refuses, is away or loses replies: one typed error, nothing left where nothing can be there. */
import { describe, expect, test } from "vitest";
import { StoreError } from "../../../src/index.js";
import type { Fault, FaultyRequest } from "../../../src/testing/index.js";
import { requestsOf, turns } from "../db/support.js";
import {
  expectNoTrace,
  keysOf,
  type LoadScene,
  listed,
  openSmall,
  rows,
  Source,
  small,
  watchLoad,
} from "./load-support.js";
import {
  expectNoUnhandledRejections,
  expectSilence,
  hour,
  keysAfter,
  manifest,
  sst,
  Watched,
  wal,
} from "./support.js";

expectNoUnhandledRejections();

const denied = new StoreError("denied", "No permission.");
const isDelete = ({ operation }: FaultyRequest): boolean => operation === "delete";

test("the requests of a load: its uploads, one WAL object, and one manifest when it is retired", async () => {
  for (const order of [1, 347]) {
    const scene = await openSmall();
    const { place, db } = scene;
    await place.clock.advanceUntil(db.flush({ to: "l0" }));
    await place.clock.advance(10_000);
    place.counting.reset();
    const keys = keysOf(1000);
    await place.clock.advanceUntil(db.load(keys.map((_, i) => [keys[(i * order) % 1000]!, "v"])));
    await place.clock.advance(10_000);
    await turns();
    const requests = requestsOf(place.counting).sort();
    const uploads = (await listed(place)).length - 1;
    expect(requests.filter((request) => !request.startsWith("put manifest/latest"))).toEqual([
      ...["create manifest/3.manifest", "create wal/1/2.wal"],
      ...new Array(uploads).fill("put sst/ULID.sst"),
    ]);
    await place.clock.advanceUntil(db.close());
  }
});

test.each([1, 2, 5])(
  "an upload that is refused, number %i: the load rejects with that",
  async (bad) => {
    for (const source of [rows(1000), new Source(1000), ...(bad === 1 ? [new Source(130)] : [])]) {
      const scene = await openSmall();
      let uploads = 0;
      scene.place.faulty.intercept = (request) =>
        sst(request) && ++uploads === bad ? { kind: "before", error: denied } : undefined;
      await expect(scene.db.load(source)).rejects.toBe(denied);
      scene.place.faulty.intercept = undefined;
      await expectNoTrace(scene);
    }
  },
);

test("a store that is away for the whole deadline: unavailable, and the handle goes on when it is back", async () => {
  const scene = await openSmall();
  const { place } = scene;
  place.faulty.intercept = () => ({ kind: "before" });
  const load = watchLoad(scene, rows(1000));
  await place.clock.advance(55_000);
  expect(load.outcome).toBe("pending");
  await place.clock.advance(20_000);
  expect(load.outcome).toBe("unavailable");
  place.faulty.intercept = undefined;
  expect(await listed(place)).toEqual([]);
  await expectNoTrace(scene);
});

test("a store that is away for a while: the load goes on, with the same ids", async () => {
  const scene = await openSmall();
  const { place, db } = scene;
  place.faulty.intercept = ({ operation }) =>
    operation === "put" ? { kind: "after" } : { kind: "before" };
  const load = watchLoad(scene, rows(300));
  await place.clock.advance(30_000);
  place.faulty.intercept = undefined;
  await place.clock.advance(30_000);
  expect(load.outcome).toBe("fulfilled");
  await place.clock.advanceUntil(db.flush({ to: "l0" }));
  const names = new Set(place.counting.requests.filter(sst as never).map(({ key }) => key));
  expect([...names].sort()).toEqual(await listed(place));
  await place.clock.advanceUntil(db.close());
  expect(await keysAfter(place)).toEqual(["before", ...keysOf(300)]);
});

describe("a clean-up that fails", () => {
  test.each<[string, Fault]>([
    ["is refused", { kind: "before", error: denied }],
    ["never gets an answer", { kind: "before" }],
    ["is done, and its reply lost", { kind: "after" }],
    ["hangs", { kind: "delay", until: new Promise(() => undefined) }],
  ])(
    "because it %s leaves the first error as it is, and the floor free to rise",
    async (_, fault) => {
      for (const storeDeadlineMs of [60_000, Number.POSITIVE_INFINITY]) {
        const scene = await openSmall({ storeDeadlineMs });
        const { place } = scene;
        place.faulty.intercept = (request) => (isDelete(request) ? fault : undefined);
        const broke = new Error("the source broke");
        const load = watchLoad(
          scene,
          (function* () {
            yield* rows(1000);
            throw broke;
          })(),
        );
        await place.clock.advance(6000);
        expect(load.error).toBe(broke);
        place.faulty.intercept = undefined;
        for (const key of await listed(place)) await place.inner.delete([key]);
        await expectNoTrace(scene);
      }
    },
  );

  test("does not hold up a close", async () => {
    for (const storeDeadlineMs of [60_000, Number.POSITIVE_INFINITY]) {
      const scene = await openSmall({ storeDeadlineMs });
      const { place, db } = scene;
      const load = watchLoad(scene, new Source(1000));
      await turns();
      place.faulty.intercept = (request) => (isDelete(request) ? { kind: "before" } : undefined);
      const closing = db.close();
      await place.clock.advance(6000);
      expect(load.outcome).toBe("closed");
      await closing;
      await expectSilence(place);
      place.faulty.intercept = undefined;
      expect(await keysAfter(place)).toEqual(["before"]);
    }
  });
});

describe("a store that never answers a delete, and heeds no signal,", () => {
  /** Also below every wrapper: the request stays where it is, whatever is asked of it. */
  async function openDeaf(storeDeadlineMs: number): Promise<LoadScene> {
    const scene = await openSmall({ storeDeadlineMs });
    scene.place.inner.delete = () => new Promise(() => undefined);
    return scene;
  }

  test.each([60_000, Number.POSITIVE_INFINITY])(
    "holds up neither a load that failed nor a close (deadline: %s ms)",
    async (storeDeadlineMs) => {
      const scene = await openDeaf(storeDeadlineMs);
      const { place, db } = scene;
      const broke = new Error("the source broke");
      const load = watchLoad(
        scene,
        (function* () {
          yield* rows(1000);
          throw broke;
        })(),
      );
      await place.clock.advance(6000);
      expect(load.error).toBe(broke);
      const waiting = watchLoad(scene, new Source(1000));
      await turns();
      const closing = new Watched("close", db.close());
      await place.clock.advance(6000);
      expect([waiting.outcome, closing.outcome]).toEqual(["closed", "fulfilled"]);
      await expectSilence(place);
      expect(await keysAfter(place)).toEqual(["before"]);
    },
  );

  test.each([60_000, Number.POSITIVE_INFINITY])(
    "does not hold up a close that is cut short, at all (deadline: %s ms)",
    async (storeDeadlineMs) => {
      const scene = await openDeaf(storeDeadlineMs);
      const { place, db } = scene;
      const load = watchLoad(scene, new Source(1000));
      await turns();
      const closing = new Watched("close", db.close());
      await turns();
      expect(closing.outcome).toBe("pending");
      const cut = new Watched("cut", db.close({ flush: false }));
      await turns();
      expect([closing.outcome, cut.outcome]).toEqual(["closed", "fulfilled"]);
      await place.clock.advance(6000);
      expect(load.outcome).toBe("closed");
      await expectSilence(place);
      expect(await keysAfter(place)).toEqual(["before"]);
    },
  );
});

describe.each([
  { way: "with a WAL", options: {}, deciding: wal },
  { way: "without a WAL", options: { wal: false } as const, deciding: manifest },
])("$way, what decides about a load", ({ options, deciding }) => {
  test.each<[string, Fault, boolean]>([
    ["stored, and no reply ever came", { kind: "after" }, true],
    ["not stored, and no reply ever came", { kind: "before" }, false],
  ])("%s: unknown, and reopening tells", async (_, fault, stored) => {
    const scene = await openSmall(options);
    const { place, db } = scene;
    place.faulty.intercept = (request) => (deciding(request) ? fault : undefined);
    const load = watchLoad(scene, rows(500));
    // This one has no seq yet when the handle fails, so there is no doubt about it.
    const other = watchLoad(scene, new Source(500));
    await place.clock.advance(70_000);
    expect(load.outcome).toBe("unknown");
    expect(other.outcome).toBe("closed");
    expect(await db.closed).toMatchObject({ kind: "unknown" });
    await expect(db.close()).rejects.toMatchObject({ kind: "closed" });
    await expectSilence(place);
    // What may be named stays, what never will be is deleted.
    const left = (await listed(place)).length;
    place.faulty.intercept = undefined;
    expect(await keysAfter(place, small)).toEqual(stored ? ["before", ...keysOf(500)] : ["before"]);
    expect(left).toBeGreaterThanOrEqual(8);
    expect(left).toBeLessThan(14);
  });

  test("on its way for hours, with an infinite deadline: it waits, and is there", async () => {
    const scene = await openSmall({ ...options, storeDeadlineMs: Number.POSITIVE_INFINITY });
    const { place, db } = scene;
    place.faulty.intercept = (request) => (deciding(request) ? { kind: "after" } : undefined);
    const load = watchLoad(scene, rows(500));
    await place.clock.advance(3 * hour);
    expect(load.outcome).toBe("pending");
    place.faulty.intercept = undefined;
    await place.clock.advance(10_000);
    expect(load.outcome).toBe("fulfilled");
    await place.clock.advanceUntil(db.close());
    expect(await keysAfter(place)).toEqual(["before", ...keysOf(500)]);
  });
});
