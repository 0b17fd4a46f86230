/** Promises about the flush pipeline and its manifest writer, each through a database (R36, R37, R42). */
import { afterEach, describe, expect, test, vi } from "vitest";
import { SstBuilder } from "../../../src/format/sst-builder.js";
import { HeldRequests } from "../../support/held-requests.js";
import { newPlace, openAt, type Place, requestsOf, text, turns } from "../db/support.js";
import { hour, manifest, quiet, sst, tiny, Watched, wal } from "../failures/support.js";
import { beside, logOf, manifestsOf, newestOf, objectsOf } from "./support.js";

afterEach(() => {
  vi.restoreAllMocks();
});

const commits = ({ counting }: Place): number =>
  requestsOf(counting).filter((request) => /^create manifest/.test(request)).length;

test("tables uploaded one after another behind the oldest are published once, with the last seq of all", async () => {
  const place = newPlace();
  const db = await openAt(place, tiny);
  const held = new HeldRequests(place.faulty, sst);
  for (let i = 1; i <= 4; i++) await db.put(`key ${i}`, "value");
  await turns();
  for (const key of held.keys.slice(1)) {
    held.releaseOnly(key);
    await turns();
  }
  expect(commits(place)).toBe(0);
  const flush = db.flush({ to: "l0" });
  held.release();
  expect(await flush).toEqual({ durableSeq: 4 });
  expect(commits(place)).toBe(1);
  expect(await newestOf(place)).toMatchObject({ number: 2, lastL0Seq: 4 });
  await db.close();
});

test("seqs that were given and lost leave a gap between tables, which holds nothing back", async () => {
  const place = newPlace();
  const lost = beside(place);
  const first = await openAt(lost, { ...quiet, wal: false });
  await first.put("a", "1", { durable: false });
  const flush = first.flush({ to: "l0" });
  await first.put("lost", "2", { durable: false });
  await flush;
  lost.faulty.crash();
  const db = await openAt(place, { ...tiny, wal: false });
  expect([db.seq, await db.has("lost")]).toEqual([2, false]);
  for (const key of ["b", "c"]) expect((await db.put(key, "x")).seq).toBe(key === "b" ? 3 : 4);
  const { l0, lastL0Seq } = await newestOf(place);
  expect(l0.map(({ ssts }) => ssts[0]!.minSeq)).toEqual([1, 3, 4]);
  expect(lastL0Seq).toBe(4);
  expect(await db.flush({ to: "l0" })).toEqual({ durableSeq: 4 });
  await db.close();
});

test("of tables that are all uploaded, those that are durable in the log are published, and the rest waits", async () => {
  const place = newPlace();
  const db = await openAt(place, tiny);
  const held = new HeldRequests(place.faulty, wal);
  for (const key of ["a", "b", "c"]) {
    void db.put(key, "value");
    await turns();
  }
  expect([(await objectsOf(place, "/sst/")).length, held.count, commits(place)]).toEqual([3, 3, 0]);
  held.releaseOnly("1.wal");
  await turns();
  expect(await newestOf(place)).toMatchObject({ number: 2, lastL0Seq: 1 });
  // Replay goes on with what is in flight, and with nothing before it.
  expect((await newestOf(place)).walStart).toEqual({ epoch: 1, id: 2 });
  held.release();
  await turns();
  expect(await newestOf(place)).toMatchObject({ lastL0Seq: 3, walStart: { epoch: 1, id: 4 } });
  await db.close();
});

test("several flush waiters and checkpoints are answered by one commit, those of later writes by another", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  await db.put("a", "1");
  const held = new HeldRequests(place.faulty, manifest);
  const early = [
    ...[1, 2, 3].map((i) => new Watched(`flush ${i}`, db.flush({ to: "l0" }))),
    new Watched("checkpoint", db.checkpoint()),
  ];
  await turns();
  await db.put("b", "2");
  const late = new Watched("late", db.flush({ to: "l0" }));
  await turns();
  held.releaseOnly("2.manifest");
  await turns();
  expect([...early, late].map(({ outcome }) => outcome)).toEqual([
    ...Array(4).fill("fulfilled"),
    "pending",
  ]);
  held.release();
  await turns();
  expect(late.value).toEqual({ durableSeq: 2 });
  expect(commits(place)).toBe(2);
  await db.close();
});

test("every attempt of an upload has the id that was given at dispatch, and the same bytes", async () => {
  const place = newPlace();
  const db = await openAt(place, {
    ...tiny,
    uploadsInFlight: 2,
    storeDeadlineMs: 1000,
    background: false,
  });
  const sent = new Map<string, Uint8Array[]>();
  const put = place.inner.put.bind(place.inner);
  vi.spyOn(place.inner, "put").mockImplementation(async (key, source, options) => {
    const bytes = Uint8Array.from(source as Uint8Array);
    if (key.includes("/sst/")) sent.set(key, [...(sent.get(key) ?? []), bytes]);
    return put(key, source, options);
  });
  // Longer than the deadline of a request, and then every third one gets through, in whatever order.
  let attempt = 0;
  place.faulty.intercept = (request) =>
    sst(request) && (place.clock.monotonic() < 60_000 || ++attempt % 3 !== 0)
      ? { kind: "after" }
      : undefined;
  for (let i = 0; i < 4; i++) await db.put(`key ${i}`, `value ${i}`);
  await place.clock.advance(120_000);
  await db.flush({ to: "l0" });
  const { l0 } = await newestOf(place);
  const ids = l0.map((entry) => entry.ssts[0]!.id);
  expect([ids, ids.length]).toEqual([[...ids].sort(), 4]);
  expect([...sent.keys()].sort()).toEqual(ids.map((id) => `db/sst/${id}.sst`));
  const attempts = [...sent.values()];
  expect(attempts.flat().length).toBeGreaterThan(20);
  for (const [first, ...others] of attempts) for (const one of others) expect(one).toEqual(first);
  await db.close();
});

describe("uploads that fail", () => {
  test("are given up by a close that leaves the rows to the log, and by it alone", async () => {
    const place = newPlace();
    const db = await openAt(place, { ...tiny, storeDeadlineMs: Number.POSITIVE_INFINITY });
    place.faulty.intercept = (request) => (sst(request) ? { kind: "before" } : undefined);
    await db.put("a", "1");
    await place.clock.advance(hour);
    place.counting.reset();
    await place.clock.advance(hour);
    expect(requestsOf(place.counting).filter((one) => one.includes("sst/")).length).toBeGreaterThan(
      10,
    );
    await db.close({ flush: "wal" });
    place.counting.reset();
    await place.clock.advance(hour);
    expect([place.counting.total, place.clock.pendingTimers]).toEqual([0, 0]);
    await using next = await openAt(beside(place));
    expect(text(await next.get("a"))).toBe("1");
  });

  test("fail the flush that waits for them, and a process that dies then loses nothing", async () => {
    const place = newPlace();
    const dying = beside(place);
    const db = await openAt(dying, quiet);
    await db.put("a", "1");
    dying.faulty.intercept = (request) => (sst(request) ? { kind: "before" } : undefined);
    const flush = place.clock.advanceUntil(db.flush({ to: "l0" }));
    await expect(flush).rejects.toMatchObject({ kind: "unavailable" });
    dying.faulty.crash();
    await using next = await openAt(place, quiet);
    expect(next.stats()).toMatchObject({ l0Count: 0, durableSeq: 1 });
    expect(text(await next.get("a"))).toBe("1");
  });
});

test("an SST that cannot be built ends the handle with its error, and nothing is tried again", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  await db.put("a", "1");
  const cause = new RangeError("planned");
  const finish = vi.spyOn(SstBuilder.prototype, "finish").mockImplementation(() => {
    throw cause;
  });
  const waiting = [
    new Watched("flush", db.flush({ to: "l0" })),
    new Watched("checkpoint", db.checkpoint()),
  ];
  await turns();
  expect(waiting.map(({ outcome }) => outcome)).toEqual(["internal", "internal"]);
  expect(await db.closed).toMatchObject({ kind: "internal", cause });
  await place.clock.advance(hour);
  expect([finish.mock.calls.length, commits(place)]).toEqual([1, 0]);
  await expect(db.put("b", "2")).rejects.toMatchObject({ kind: "closed" });
  vi.restoreAllMocks();
  await using next = await openAt(beside(place));
  expect(text(await next.get("a"))).toBe("1");
});

test("a table in which no row is left to be seen takes lastL0Seq and the start of replay along", async () => {
  const place = newPlace();
  const db = await openAt(place, quiet);
  for (const key of ["a", "b"]) await db.delete(key);
  await db.put("a", "1");
  await db.delete("a");
  await db.flush({ to: "l0" });
  expect(await newestOf(place)).toMatchObject({ lastL0Seq: 4, walStart: { epoch: 1, id: 5 } });
  expect(await db.keys().nextMany(9)).toEqual([]);
  await db.close();
});

test("while flushes race writes, every manifest says of L0 and of the log exactly what is there", async () => {
  const place = newPlace();
  const db = await openAt(place, { ...tiny, uploadsInFlight: 3, background: false });
  const held = new HeldRequests(place.faulty, (request) => sst(request) || wal(request));
  const pending: Promise<unknown>[] = [];
  for (let i = 0; i < 24; i++) {
    pending.push(db.put(`key ${i}`, "value", { durable: i % 3 !== 0 }));
    if (i % 4 === 0) pending.push(db.flush({ to: "l0" }));
    await turns(2);
    // One request out of those under way, now an old one, now a new one.
    held.releaseOnly(held.keys[(i * 7) % held.keys.length]!);
    await turns(2);
  }
  held.release();
  await Promise.all(pending);
  await db.flush({ to: "l0" });
  const manifests = await manifestsOf(place);
  expect(manifests.length).toBeGreaterThan(4);
  const log = await logOf(place);
  for (const { l0, lastL0Seq, lastSeq, walStart } of manifests) {
    expect(lastL0Seq).toBe(Math.max(0, ...l0.map(({ ssts }) => ssts[0]!.maxSeq)));
    expect(l0.reduce((rows, { ssts }) => rows + ssts[0]!.rowCount, 0)).toBe(lastL0Seq);
    expect(lastSeq).toBeGreaterThanOrEqual(lastL0Seq);
    // Replay starts at the first object that holds what L0 does not: no later, and no earlier.
    for (const { id, lastSeq: last } of log) expect(last <= lastL0Seq).toBe(id < walStart.id);
  }
  await db.close();
});

test("no manifest has a floor at or above an SST that is uploaded and not named yet", async () => {
  const place = newPlace();
  const db = await openAt(place, tiny);
  const held = new HeldRequests(place.faulty, sst);
  for (let i = 0; i < 4; i++) await db.put(`key ${i}`, "value");
  await turns();
  // The last two are stored first, and the first is then named by a commit of its own.
  for (const i of [3, 2, 0]) {
    held.releaseOnly(held.keys[i]!);
    await turns();
  }
  const { l0, writerFloor } = await newestOf(place);
  const stored = await objectsOf(place, "/sst/");
  expect([l0.length, stored.length]).toEqual([1, 3]);
  const named = l0[0]!.ssts[0]!.id;
  const unnamed = stored.map((key) => key.slice(7, 33)).filter((id) => id !== named);
  expect(unnamed.length).toBe(2);
  for (const id of unnamed) expect(id > writerFloor).toBe(true);
  held.release();
  await db.close();
  const last = await newestOf(place);
  expect(last.l0.every(({ ssts }) => ssts[0]!.id <= last.writerFloor)).toBe(true);
});
