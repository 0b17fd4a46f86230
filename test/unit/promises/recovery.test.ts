/** Promises about taking over: a successor at any moment, and what it finds (R7, R20, R22, R26, R27). */
import { describe, expect, test } from "vitest";
import { Db } from "../../../src/index.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import type { FaultyRequest } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { newPlace, openAt, type Place, requestsOf, text, turns } from "../db/support.js";
import { manifest, quiet, sst, tiny, Watched, wal } from "../failures/support.js";
import { beside, logOf, newestOf, objectsOf } from "./support.js";

const keysOf = async (db: Db): Promise<(string | undefined)[]> =>
  (await db.keys().nextMany(1000)).map(text);

/** A database whose writer died with so many objects in its log. */
async function abandoned(place: Place, walObjects: number): Promise<void> {
  const dying = beside(place);
  const db = await openAt(dying, quiet);
  for (let i = 1; i <= walObjects; i++) await db.put(`key ${i}`, "value");
  dying.faulty.crash();
}

describe("an opener that is overtaken", () => {
  const moments: [string, (request: FaultyRequest) => boolean][] = [
    ["right after it has claimed its epoch", ({ operation }) => operation === "list"],
    ["while it places fences", wal],
    [
      "in the middle of its replay",
      ({ operation, key }) => operation === "get" && key.includes("/wal/"),
    ],
    [
      "before its last look",
      ({ operation, key }) => operation === "get" && /manifest\/0+3/.test(key),
    ],
  ];

  test.each(moments)("%s stops with FencedError and leaves nothing running", async (_, holds) => {
    const place = newPlace();
    await abandoned(place, 3);
    const slow = beside(place);
    const held = new HeldRequests(slow.faulty, holds);
    const opening = new Watched("open", Db.open(slow.at, { clock: place.clock }));
    await turns();
    expect([held.count > 0, (await newestOf(place)).writerEpoch]).toEqual([true, 2]);
    const db = await openAt(beside(place), quiet);
    held.release();
    await turns();
    expect(opening.outcome).toBe("fenced");
    expect(opening.error).toMatchObject({ ownEpoch: 2, seenEpoch: 3 });
    slow.counting.reset();
    await place.clock.advance(3_600_000);
    expect([slow.counting.total, place.clock.pendingTimers]).toEqual([0, 0]);
    await db.put("after", "value");
    expect(await keysOf(db)).toEqual(["after", "key 1", "key 2", "key 3"]);
    await db.close();
  });
});

test("an opener whose claim comes second takes the epoch after the first, and is the writer", async () => {
  const place = newPlace();
  await abandoned(place, 1);
  const held = new HeldRequests(place.faulty, manifest);
  const opening = Db.open(place.at, { clock: place.clock });
  await turns();
  expect(held.count).toBe(1);
  const first = await openAt(beside(place), quiet);
  await first.put("first", "value");
  held.release();
  const second = await place.clock.advanceUntil(opening);
  expect([first.stats().epoch, second.stats().epoch]).toEqual([2, 3]);
  await expect(first.put("late", "value")).rejects.toMatchObject({ kind: "fenced", seenEpoch: 3 });
  expect(await keysOf(second)).toEqual(["first", "key 1"]);
  await second.put("second", "value");
  await second.close();
});

describe("an opener loses nothing when the writer that it replaces", () => {
  test.each([
    ["flushes to L0 between its look and its claim", manifest],
    [
      "writes between its claim and its look at the log",
      ({ operation }: FaultyRequest) => operation === "list",
    ],
    ["takes the ids that it wants to fence", wal],
  ])("%s", async (name, holds) => {
    const place = newPlace();
    const old = beside(place);
    const db = await openAt(old, quiet);
    await db.put("a", "1");
    const held = new HeldRequests(place.faulty, holds);
    const opening = Db.open(place.at, { clock: place.clock });
    await turns();
    expect(held.count).toBeGreaterThan(0);
    await db.put("b", "2");
    // Once the epoch is claimed, a commit of the old writer would find it.
    if (name.includes("flushes")) await db.flush({ to: "l0" });
    await db.put("c", "3");
    held.release();
    const next = await place.clock.advanceUntil(opening);
    expect(await keysOf(next)).toEqual(["a", "b", "c"]);
    await expect(db.put("d", "4")).rejects.toMatchObject({ kind: "fenced" });
    expect((await next.put("e", "5")).seq).toBe(4);
    expect(next.stats().l0Count).toBe(name.includes("flushes") ? 1 : 0);
    await next.close();
  });
});

describe("replay", () => {
  /** Two tables of four are in L0 when the writer dies; all four are in one WAL object. */
  async function boundaryInside(place: Place): Promise<void> {
    const dying = beside(place);
    const db = await openAt(dying, tiny);
    const held = new HeldRequests(dying.faulty, sst);
    for (const key of ["a", "b", "c", "d"]) void db.put(key, `first ${key}`, { durable: false });
    await db.flush();
    await turns();
    for (const key of held.keys.slice(0, 2)) held.releaseOnly(key);
    await turns();
    dying.faulty.crash();
  }

  test("takes from an object whose first batches are in L0 exactly the others", async () => {
    const place = newPlace();
    await boundaryInside(place);
    expect(await newestOf(place)).toMatchObject({ lastL0Seq: 2, walStart: { epoch: 1, id: 1 } });
    const log = await logOf(place);
    expect(log.map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq])).toEqual([[1, 4]]);
    const db = await openAt(place, quiet);
    expect(db.stats().l0Count).toBe(2);
    await db.flush({ to: "l0" });
    // Rows 3 and 4 alone: nothing is there twice.
    const { l0 } = await newestOf(place);
    expect(l0.map(({ ssts: [one] }) => [one!.minSeq, one!.maxSeq, one!.rowCount])).toEqual([
      [1, 1, 1],
      [2, 2, 1],
      [3, 4, 2],
    ]);
    expect(await keysOf(db)).toEqual(["a", "b", "c", "d"]);
    await db.close();
  });

  test("gives rows in seq order, in tables of which no two hold a part of one batch", async () => {
    const place = newPlace();
    const dying = beside(place);
    const db = await openAt(dying, quiet);
    for (let i = 0; i < 12; i++) {
      const batch = db.batch();
      for (let row = 0; row < 8; row++) batch.put(`${row}`, `${i}`.padEnd(1500, "."));
      await db.write(batch);
    }
    dying.faulty.crash();
    const next = await openAt(place, tiny);
    const rows = await next.getMany(Array.from({ length: 8 }, (_, row) => `${row}`));
    expect(new Set(rows.map((row) => text(row)!.slice(0, 2)))).toEqual(new Set(["11"]));
    await next.flush({ to: "l0" });
    const { l0 } = await newestOf(place);
    expect(l0.length).toBeGreaterThan(3);
    let seq = 0;
    for (const { ssts } of l0) {
      expect(ssts[0]!.minSeq).toBe(seq + 1);
      seq = ssts[0]!.maxSeq;
      expect(ssts[0]!.rowCount).toBe(8 * (seq - ssts[0]!.minSeq + 1));
    }
    expect(seq).toBe(12);
    await next.close();
  });

  test("ends at a fence, which holds no rows, and fences of many openers add nothing", async () => {
    const place = newPlace();
    await abandoned(place, 2);
    for (let i = 0; i < 4; i++) {
      const dying = beside(place);
      await openAt(dying, quiet);
      dying.faulty.crash();
    }
    const db = await openAt(place, quiet);
    expect([db.seq, await keysOf(db)]).toEqual([2, ["key 1", "key 2"]]);
    await db.close();
  });

  test("that comes to an object which is gone names its log, and hides nothing behind a fence", async () => {
    // Puts one after the other: each object says that all before it were acknowledged.
    for (const missing of [1, 3, 5, 8]) {
      const place = newPlace();
      await abandoned(place, 9);
      await place.inner.delete([`db/${ObjectPaths.wal(1, missing)}`]);
      const before = await objectsOf(place, "/wal/");
      const opening = Db.open(place.at, { clock: place.clock });
      await expect(place.clock.advanceUntil(opening)).rejects.toMatchObject({
        kind: "corruption",
        object: expect.stringContaining(ObjectPaths.walPrefix(1)),
      });
      expect(await objectsOf(place, "/wal/")).toEqual(before);
    }
  });
});

test("seqs go on after every kind of end, from the manifest or from the log", async () => {
  let place = newPlace();
  let seq = 0;
  const ends = [true, "wal", "crash", "flush, then crash", true] as const;
  for (const end of [...ends, ...ends]) {
    const db = await openAt(place, quiet);
    expect(db.seq).toBe(seq);
    for (let i = 0; i < 3; i++) expect((await db.put("key", `${seq}`)).seq).toBe(++seq);
    expect(text(await db.get("key"))).toBe(`${seq - 1}`);
    if (end === "flush, then crash") await db.flush({ to: "l0" });
    if (end === true || end === "wal") await db.close({ flush: end });
    else place.faulty.crash();
    place = beside(place);
  }
});

test("a successor whose clock is a day behind is let in, and its writes are the newer ones", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  const before = await db.put("key", "old");
  place.clock.setWall(place.clock.now() - 24 * 3_600_000);
  const next = await openAt(beside(place), quiet);
  const after = await next.put("key", "new");
  expect(after.createdAt).toBeLessThan(before.createdAt);
  expect([after.seq, text(await next.get("key"))]).toEqual([before.seq + 1, "new"]);
  await next.flush({ to: "l0" });
  await next.close();
  const last = beside(place);
  await using again = await openAt(last);
  expect([text(await again.get("key")), requestsOf(last.counting).length > 0]).toEqual([
    "new",
    true,
  ]);
});
