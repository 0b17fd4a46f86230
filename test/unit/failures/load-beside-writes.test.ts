/** Loads among writes, full memory, other loads, crashes and successors: order, and nobody who waits for ever. */
import { describe, expect, test } from "vitest";
import { Db, DbReader, type OpenOptions } from "../../../src/index.js";
import { MemoryObjectStore } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { newPlace, openAt, text, turns } from "../db/support.js";
import {
  keyOf,
  keysOf,
  listed,
  newestManifest,
  openSmall,
  rows,
  Source,
  small,
  watchLoad,
} from "./load-support.js";
import {
  expectNoUnhandledRejections,
  keysAfter,
  keysIn,
  reopened,
  Watched,
  wal,
} from "./support.js";

expectNoUnhandledRejections();

const ways: [string, OpenOptions][] = [
  ["with a WAL", {}],
  ["without a WAL", { wal: false }],
];

describe.each(ways)("%s", (_, options) => {
  test("two loads and the writes around them are seen in the order of their seqs, before and after", async () => {
    const scene = await openSmall(options);
    const { place, db } = scene;
    const { clock } = place;
    const [first, second] = [new Source(300), new Source(300)];
    const loads = [watchLoad(scene, first), watchLoad(scene, second)];
    await clock.advanceUntil(db.put(keyOf(1), "before both"));
    // What began last may end first.
    second.gate.resolve("end");
    await clock.advance(1000);
    await clock.advanceUntil(db.put(keyOf(2), "between"));
    await clock.advanceUntil(db.delete(keyOf(3)));
    first.gate.resolve("end");
    await clock.advance(1000);
    await clock.advanceUntil(db.put(keyOf(4), "after both"));
    expect(loads.map(({ outcome }) => outcome)).toEqual(["fulfilled", "fulfilled"]);
    const loaded = "v".repeat(60);
    const check = async (handle: Db | DbReader): Promise<void> => {
      const found = [1, 2, 3, 4, 5].map(async (i) => text(await handle.get(keyOf(i))));
      expect(await clock.advanceUntil(Promise.all(found))).toEqual([
        ...[loaded, loaded, loaded, "after both", loaded],
      ]);
    };
    await check(db);
    await clock.advanceUntil(db.flush({ to: "l0" }));
    await check(db);
    const reader = await clock.advanceUntil(DbReader.open(place.at, { clock }));
    await check(reader);
    await clock.advanceUntil(reader.close());
    await clock.advanceUntil(db.close());
    const again = await reopened(place, options);
    await check(again);
    await clock.advanceUntil(again.close());
  });

  test("a load many times the memory of writes, while they wait for memory: all get through", async () => {
    const scene = await openSmall({ ...options, memTableBytes: 4096, unflushedBytesMax: 8192 });
    const { place, db } = scene;
    const load = watchLoad(scene, rows(2000));
    const writes = Array.from(
      { length: 20 },
      (__, i) =>
        new Watched(`put ${i}`, db.put(`w ${i}`, "x".repeat(3000), { durable: i % 2 > 0 })),
    );
    expect(db.stats().waitingWrites).toBeGreaterThan(0);
    await place.clock.advance(60_000);
    expect(new Set([load, ...writes].map(({ outcome }) => outcome))).toEqual(
      new Set(["fulfilled"]),
    );
    await place.clock.advanceUntil(db.close());
    expect((await keysAfter(place, options)).length).toBe(2021);
  });

  test("a checkpoint and a flush while a load is under way wait for nothing of it", async () => {
    const scene = await openSmall(options);
    const { place, db } = scene;
    const source = new Source(300);
    const load = watchLoad(scene, source);
    await turns();
    await place.clock.advanceUntil(db.checkpoint({ name: "during" }));
    await place.clock.advanceUntil(db.flush({ to: "l0" }));
    expect(load.outcome).toBe("pending");
    source.gate.resolve("end");
    await place.clock.advance(1000);
    const checkpoint = await place.clock.advanceUntil(db.checkpoint({ name: "after" }));
    expect([load.outcome, checkpoint.seq]).toEqual(["fulfilled", db.seq]);
    await place.clock.advanceUntil(db.close());
  });
});

test.each(ways)(
  "%s, the floor rises past a load once L0 names it, and no further while another is under way",
  async (_, options) => {
    const scene = await openSmall(options);
    const { place, db } = scene;
    const { clock } = place;
    const source = new Source(300);
    const slow = watchLoad(scene, source);
    await turns();
    const named = (await newestManifest(place)).l0.flatMap(({ ssts }) => ssts.map(({ id }) => id));
    const early = (await listed(place))
      .map((key) => key.slice("db/sst/".length, -".sst".length))
      .filter((id) => !named.includes(id));
    expect(early.length).toBeGreaterThan(2);
    await clock.advanceUntil(db.load(rows(300, 300)));
    await clock.advanceUntil(db.flush({ to: "l0" }));
    expect((await newestManifest(place)).writerFloor < early[0]!).toBe(true);
    source.gate.resolve("end");
    await clock.advance(1000);
    expect(slow.outcome).toBe("fulfilled");
    await clock.advanceUntil(db.flush({ to: "l0" }));
    const { l0, writerFloor } = await newestManifest(place);
    const ids = l0.flatMap(({ ssts }) => ssts.map(({ id }) => id));
    expect(ids).toEqual(expect.arrayContaining(early));
    expect(writerFloor >= ids.sort().at(-1)!).toBe(true);
    await clock.advanceUntil(db.close());
  },
);

test("a crash at each request of a load: a successor has all of it or nothing", async () => {
  let [none, all] = [0, 0];
  for (let crashAt = 0; ; crashAt++) {
    const scene = await openSmall();
    const { place, db } = scene;
    let request = 0;
    place.faulty.intercept = () =>
      request++ === crashAt ? { kind: "crash", applied: crashAt % 2 === 0 } : undefined;
    const load = watchLoad(scene, rows(300));
    await place.clock.advance(1000);
    if (!place.faulty.crashed) {
      place.faulty.intercept = undefined;
      await place.clock.advanceUntil(db.close());
      break;
    }
    const found = await keysAfter(place, small);
    expect([1, 301]).toContain(found.length);
    if (load.outcome === "fulfilled") expect(found.length).toBe(301);
    if (found.length === 1) none++;
    else all++;
  }
  expect(none).toBeGreaterThan(5);
  expect(all).toBeGreaterThan(0);
});

test("a load whose record no successor has flushed yet goes from successor to successor", async () => {
  const scene = await openSmall();
  const { place } = scene;
  const { clock } = place;
  // Nothing of it comes to L0.
  new HeldRequests(
    place.faulty,
    ({ key, operation }) => operation === "create" && key.includes("manifest"),
  );
  const load = watchLoad(scene, rows(300));
  await turns();
  expect(load.outcome).toBe("fulfilled");
  for (let i = 0; i < 3; i++) {
    const next = newPlace(place.inner, clock);
    const db = await openAt(next, small);
    await clock.advanceUntil(db.put(`successor ${i}`, ""));
    expect((await keysIn(next, db)).length).toBe(301 + i + 1);
    next.faulty.crash();
  }
  const last = newPlace(place.inner, clock);
  const db = await openAt(last, small);
  await clock.advanceUntil(db.flush({ to: "l0" }));
  await clock.advanceUntil(db.close());
  expect(await keysAfter(place)).toEqual([
    ...["before", ...keysOf(300), "successor 0", "successor 1", "successor 2"],
  ]);
});

test("with the log on another store, rows are here and the record is there", async () => {
  const place = newPlace();
  const { clock } = place;
  const logs = newPlace(new MemoryObjectStore({ clock }), clock);
  const options = { ...small, wal: logs.at };
  const db = await openAt(place, options);
  logs.counting.reset();
  await clock.advanceUntil(db.load(rows(300)));
  await clock.advanceUntil(db.flush({ to: "l0" }));
  expect((await listed(place)).length).toBeGreaterThan(4);
  expect(await listed(logs)).toEqual([]);
  expect(logs.counting.counts).toMatchObject({ create: 1, put: 0 });
  const held = new HeldRequests(logs.faulty, wal);
  const scene = { place, db };
  const sent = watchLoad(scene, rows(300, 300));
  const waiting = watchLoad(scene, new Source(300));
  await turns();
  expect([held.count, sent.outcome, waiting.outcome]).toEqual([1, "pending", "pending"]);
  held.release();
  await clock.advanceUntil(db.close({ flush: "wal" }));
  expect([sent.outcome, waiting.outcome]).toEqual(["fulfilled", "closed"]);
  const again = await clock.advanceUntil(Db.open(place.at, { clock, ...options }));
  expect(await keysIn(place, again)).toEqual(keysOf(600));
  await clock.advanceUntil(again.close());
});
