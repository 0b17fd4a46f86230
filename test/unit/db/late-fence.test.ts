/** R87: a fence that an opener placed late, where an object had been collected, leads a reader to nothing but newer rows. */
import { expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { encodeWalFence } from "../../../src/format/wal-object.js";
import { DbReader } from "../../../src/index.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import type { FaultyRequest, ManualClock } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { newPlace, openAt, rows, turns } from "./support.js";

const missing = `db/${ObjectPaths.wal(1, 2)}`;
const ofManifests = ({ key }: FaultyRequest): boolean => key.endsWith(".manifest");

const options = (clock: ManualClock) => ({ clock, pollIntervalMs: 3_600_000 });

test("a reader that meets it shows later rows only with those that were before them", async () => {
  const place = newPlace();
  const { clock, inner } = place;
  const first = newPlace(inner, clock);
  const db = await openAt(first);
  await clock.advanceUntil(db.put("a", "1"));
  const beside = newPlace(inner, clock);
  const reader = await clock.advanceUntil(DbReader.open(beside.at, options(clock)));
  expect(await rows(reader)).toBe("a=1");

  // It finds the end of the log before the second object is there, and a manifest in which the log has a successor.
  let held = new HeldRequests(beside.faulty, ofManifests);
  const look = reader.refresh();
  await turns();
  expect(held.count).toBe(1);
  await clock.advanceUntil(db.put("b", "2"));
  first.faulty.crash();
  const next = await openAt(place);
  await clock.advanceUntil(next.put("c", "3"));
  const before = held;
  held = new HeldRequests(beside.faulty, ({ key }) => key === missing);
  before.releaseOnly("");
  await turns();
  expect(held.keys).toEqual([missing]);

  // Meanwhile the second object is collected, and somebody who had slept finds its id free.
  await clock.advanceUntil(next.flush({ to: "l0" }));
  await inner.delete([missing]);
  const { databaseId } = await clock.advanceUntil(Admin.open(place.at, { clock }));
  const fence = { epoch: 1, id: 2, token: new Uint8Array(16), closerEpoch: 2 };
  expect(await inner.create(missing, encodeWalFence(databaseId, fence))).toBe("created");
  const wal = held;
  held = new HeldRequests(beside.faulty, ofManifests);
  wal.releaseOnly("");
  await turns();
  expect(held.count).toBe(1);
  expect(await rows(reader)).toBe("a=1");
  expect(beside.counting.requests.at(-2)?.key).toBe(`db/${ObjectPaths.wal(2, 1)}`);
  held.release();
  await clock.advanceUntil(look);
  expect(await rows(reader)).toBe("a=1 b=2 c=3");

  await reader.close();
  await clock.advanceUntil(next.close());
});

test("seqs that were lost with their writer hold up no reader", async () => {
  const place = newPlace();
  const { clock, inner } = place;
  // A MemTable of one row is full, so the first write is flushed; the commit finds that a second one has its seq.
  const dying = newPlace(inner, clock);
  const db = await openAt(dying, { memTableBytes: 4096, flushIntervalMs: 3_600_000 });
  const ssts = new HeldRequests(dying.faulty, ({ key }) => key.includes("/sst/"));
  await clock.advanceUntil(db.put("a", "1"));
  await db.put("lost", "2", { durable: false });
  ssts.release();
  await clock.advance(1000);
  const reader = await clock.advanceUntil(DbReader.open(place.at, options(clock)));
  expect(reader.seq).toBe(1);
  dying.faulty.crash();

  const next = await openAt(newPlace(inner, clock));
  expect((await clock.advanceUntil(next.put("b", "3"))).seq).toBe(3);
  await clock.advanceUntil(reader.refresh());
  expect(reader.seq).toBe(3);
  expect(await rows(reader)).toBe("a=1 b=3");
  await reader.close();
  await clock.advanceUntil(next.close());
});
