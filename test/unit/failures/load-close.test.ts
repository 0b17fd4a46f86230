/** `close()` and fencing in every state of a load: what has no seq is cancelled, what has one is waited for (P7). */
import { describe, expect, test } from "vitest";
import { verifySst } from "../../../src/format/verify-sst.js";
import type { OpenOptions } from "../../../src/index.js";
import type { FaultyRequest } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { text, turns } from "../db/support.js";
import {
  keysOf,
  type LoadScene,
  listed,
  newestManifest,
  openSmall,
  rows,
  Source,
  small,
  watchLoad,
} from "./load-support.js";
import {
  expectCommandsEndWith,
  expectNoUnhandledRejections,
  expectSilence,
  keysAfter,
  keysIn,
  manifest,
  reopened,
  sst,
  Watched,
  wal,
} from "./support.js";

expectNoUnhandledRejections();

interface State {
  readonly name: string;
  readonly holds: (request: FaultyRequest) => boolean;
  /** What is loaded; 300 rows in each case. */
  readonly entries: () => Parameters<typeof watchLoad>[1];
  readonly hasSeq: boolean;
  /** It has been acknowledged. */
  readonly isDone?: boolean;
}

const nothing = (): boolean => false;
const states: readonly State[] = [
  { name: "waits for its source", holds: nothing, entries: () => new Source(300), hasSeq: false },
  { name: "waits for its uploads", holds: sst, entries: () => rows(300), hasSeq: false },
  {
    name: "waits for uploads and source",
    holds: sst,
    entries: () => new Source(300),
    hasSeq: false,
  },
  { name: "waits for its WAL object", holds: wal, entries: () => rows(300), hasSeq: true },
  {
    name: "waits for its manifest",
    holds: manifest,
    entries: () => rows(300),
    hasSeq: true,
    isDone: true,
  },
];
const withoutWal: readonly State[] = states
  .filter(({ holds }) => holds !== wal)
  .map(({ isDone: _, ...state }) => state);

interface Entered extends LoadScene {
  readonly load: Watched;
  readonly held: HeldRequests;
}

async function enter(state: State, options: OpenOptions = {}): Promise<Entered> {
  const scene = await openSmall(options);
  const held = new HeldRequests(scene.place.faulty, state.holds);
  const load = watchLoad(scene, state.entries());
  await turns();
  expect(held.count > 0).toBe(state.holds !== nothing);
  expect(load.outcome).toBe(state.isDone ? "fulfilled" : "pending");
  expect(scene.db.seq > 1).toBe(state.hasSeq);
  return { ...scene, held, load };
}

const before = ["before"];
const all = ["before", ...keysOf(300)];

/** SSTs of loads that are stored, and that neither the newest manifest nor the log names. */
async function orphans({ place }: LoadScene): Promise<string[]> {
  const db = await reopened(place);
  await place.clock.advanceUntil(db.flush({ to: "l0" }));
  await place.clock.advanceUntil(db.close());
  const { l0 } = await newestManifest(place);
  const named = new Set(l0.flatMap(({ ssts }) => ssts.map(({ id }) => `db/sst/${id}.sst`)));
  const found: string[] = [];
  for (const object of await listed(place)) {
    const { firstKey } = verifySst((await place.inner.get(object))!.bytes, { object });
    if (!named.has(object) && text(firstKey)!.startsWith("load")) found.push(object);
  }
  return found;
}

describe.each([
  ["with a WAL", states, {}],
  ["without a WAL", withoutWal, { wal: false }],
] as const)("%s", (_, these, options) => {
  describe.each(these)("a load that $name", (state) => {
    test.each([true, "wal"] as const)("and close({ flush: %s })", async (flush) => {
      const scene = await enter(state, options);
      const { place, db, held, load } = scene;
      const closing = new Watched("close", db.close({ flush }));
      await turns();
      // What has no seq is cancelled without waiting for anything that the store owes.
      expect(load.outcome).toBe(state.isDone ? "fulfilled" : state.hasSeq ? "pending" : "closed");
      held.release();
      await place.clock.advance(10_000);
      expect(closing.outcome).toBe("fulfilled");
      expect(load.outcome).toBe(state.hasSeq ? "fulfilled" : "closed");
      expect(await db.closed).toBeUndefined();
      await expectCommandsEndWith(db, "closed");
      await expect(db.load([])).rejects.toMatchObject({ kind: "closed" });
      await expectSilence(place);
      expect(await keysAfter(place)).toEqual(state.hasSeq ? all : before);
      expect(await orphans(scene)).toEqual([]);
    });

    test("and close({ flush: false })", async () => {
      const scene = await enter(state, options);
      const { place, db, held, load } = scene;
      await db.close({ flush: false });
      await turns();
      expect(load.outcome).toBe(state.isDone ? "fulfilled" : state.hasSeq ? "unknown" : "closed");
      await expectCommandsEndWith(db, "closed");
      await expectSilence(place);
      held.release();
      await turns();
      expect(await keysAfter(place)).toEqual(state.isDone ? all : before);
      // Nobody knows whether the record of this one will be found, so its SSTs stay.
      if (!state.hasSeq || state.isDone) expect(await orphans(scene)).toEqual([]);
    });

    test("and a close that a second one cuts short, while the store is away", async () => {
      const scene = await enter(state, options);
      const { place, db, held, load } = scene;
      place.faulty.intercept = () => ({ kind: "before" });
      const closing = new Watched("close", db.close());
      await turns();
      const cut = new Watched("cut", db.close({ flush: false }));
      await place.clock.advance(6000);
      expect(["pending", undefined]).not.toContain(closing.outcome);
      expect(cut.outcome).toBe("fulfilled");
      expect(load.outcome).not.toBe("pending");
      await expectSilence(place);
      held.release();
      expect(await keysAfter(place)).toEqual(state.isDone ? all : before);
    });

    test("and a successor that fences it", async () => {
      const scene = await enter(state, options);
      const { place, db, held, load } = scene;
      const successor = await reopened(place, small);
      held.release();
      await turns();
      const last = new Watched("put", db.put("late", "value"));
      await place.clock.advance(200_000);
      expect(last.outcome).toBe("fenced");
      expect(load.outcome).toBe(state.isDone ? "fulfilled" : "fenced");
      expect(await db.closed).toMatchObject({ kind: "fenced" });
      await expect(db.load([])).rejects.toMatchObject({ kind: "fenced" });
      await expectSilence(place);
      expect(await keysIn(place, successor)).toEqual(state.isDone ? all : before);
      await place.clock.advanceUntil(successor.close());
      if (db.seq === 1) expect(await orphans(scene)).toEqual([]);
    });
  });
});

test("a close waits for the clean-up, so that nothing is left when it resolves", async () => {
  const scene = await openSmall();
  const { place, db } = scene;
  const load = watchLoad(scene, new Source(1000));
  await turns();
  expect((await listed(place)).length).toBeGreaterThan(5);
  await place.clock.advanceUntil(db.close({ flush: "wal" }));
  expect(await listed(place)).toEqual([]);
  expect(load.outcome).toBe("closed");
});

test("several loads at once, closed over in different states, are each told what holds for them", async () => {
  const scene = await openSmall();
  const { place, db } = scene;
  const done = watchLoad(scene, rows(100));
  await turns();
  const held = new HeldRequests(place.faulty, wal);
  const [sent, waiting] = [watchLoad(scene, rows(100, 100)), watchLoad(scene, new Source(300))];
  await turns();
  const closing = new Watched("close", db.close());
  await turns();
  held.release();
  await place.clock.advance(1000);
  expect([done, sent, waiting, closing].map(({ outcome }) => outcome)).toEqual([
    ...["fulfilled", "fulfilled", "closed", "fulfilled"],
  ]);
  expect(await keysAfter(place)).toEqual(["before", ...keysOf(200)]);
});

test.each(["is fenced", "has failed"])(
  "after a handle %s, the SSTs of a load that was under way are deleted, and nothing else is sent",
  async (how) => {
    const scene = await openSmall({ storeDeadlineMs: 10_000 });
    const { place, db } = scene;
    const load = watchLoad(scene, new Source(1000));
    await turns();
    const stored = await listed(place);
    expect(stored.length).toBeGreaterThan(5);
    let sentBefore = 0;
    void db.closed.then(() => {
      sentBefore = place.counting.total;
    });
    const successor = how === "is fenced" ? await reopened(place) : undefined;
    if (successor === undefined) {
      place.faulty.intercept = (request) => (wal(request) ? { kind: "before" } : undefined);
    }
    const put = new Watched("put", db.put("late", "value"));
    await place.clock.advance(200_000);
    const kind = how === "is fenced" ? "fenced" : "unknown";
    expect([put.outcome, load.outcome]).toEqual([kind, how === "is fenced" ? "fenced" : "closed"]);
    await db.close().catch(() => undefined);
    await place.clock.advance(200_000);
    const sent = place.counting.requests.slice(sentBefore);
    expect(sent.map(({ operation }) => operation)).toEqual(["delete"]);
    expect([...sent[0]!.keys!].sort()).toEqual(expect.arrayContaining(stored));
    expect(await listed(place)).toEqual([]);
    await successor?.close();
  },
);
