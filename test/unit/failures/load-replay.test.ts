/** What a successor and a reader make of a log with loads in it: each once, at its place, and with its ids respected (R42, R49). */
import { expect, test } from "vitest";
import { encodeManifest } from "../../../src/format/manifest-codec.js";
import { DbReader } from "../../../src/index.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { ManualClock } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { newPlace, openAt, text, turns } from "../db/support.js";
import {
  keyOf,
  type LoadScene,
  listed,
  newestManifest,
  openSmall,
  rows,
  small,
  watchLoad,
} from "./load-support.js";
import { expectNoUnhandledRejections, keysIn, manifest, reopened, wal } from "./support.js";

expectNoUnhandledRejections();

const day = 24 * 3_600_000;

/** A dead writer, whose last WAL object holds a load that is in L0 and a write that is not. */
async function sharedObject(): Promise<LoadScene> {
  const scene = await openSmall();
  const { place, db } = scene;
  const held = new HeldRequests(place.faulty, wal);
  const early = Array.from({ length: 4 }, async (_, i) => {
    await turns(2 * i);
    await db.put(`early ${i}`, "");
  });
  await turns();
  const load = watchLoad(scene, rows(300));
  await turns();
  // In the same object as the record of the load, but in a MemTable that nobody flushes.
  const late = db.put(keyOf(7), "late");
  await turns();
  expect(held.count).toBe(4);
  held.release();
  await Promise.all([...early, late]);
  await turns();
  const { lastL0Seq, walStart } = await newestManifest(place);
  expect([load.outcome, lastL0Seq, walStart.id]).toEqual(["fulfilled", db.seq - 1, 6]);
  place.faulty.crash();
  return scene;
}

test("a load in L0, whose WAL object is read again for what follows it, is skipped", async () => {
  const { place } = await sharedObject();
  const { clock } = place;
  const reader = await clock.advanceUntil(
    DbReader.open({ store: place.inner, path: "db" }, { clock }),
  );
  const successor = await reopened(place, small);
  for (const handle of [reader, successor]) {
    expect(text(await clock.advanceUntil(handle.get(keyOf(7))))).toBe("late");
    expect(text(await clock.advanceUntil(handle.get(keyOf(8))))).toBe("v".repeat(60));
  }
  expect(successor.stats().l0Count).toBe(2);
  await clock.advanceUntil(successor.flush({ to: "l0" }));
  expect(successor.stats().l0Count).toBe(3);
  expect((await keysIn(place, successor)).length).toBe(305);
  await clock.advanceUntil(reader.refresh());
  expect((await clock.advanceUntil(reader.keys().nextMany(1000))).length).toBe(305);
  await clock.advanceUntil(reader.close());
  await clock.advanceUntil(successor.close());
});

test("and when what it named has been compacted and collected, nobody looks for it", async () => {
  const { place } = await sharedObject();
  const { clock } = place;
  // As if a compaction had found nothing to keep.
  const before = await newestManifest(place);
  const number = before.number + 1;
  const compacted = { ...before, number, l0: [], token: new Uint8Array(16).fill(7) };
  await place.inner.create(`db/${ObjectPaths.manifest(number)}`, encodeManifest(compacted));
  await place.inner.delete(await listed(place));
  const reader = await clock.advanceUntil(
    DbReader.open({ store: place.inner, path: "db" }, { clock }),
  );
  expect((await clock.advanceUntil(reader.keys().nextMany(1000))).map(text)).toEqual([keyOf(7)]);
  await clock.advanceUntil(reader.close());
  // What it replays is in its view until the first commit after its claim.
  const next = newPlace(place.inner, clock);
  const claim = ObjectPaths.manifest(number + 1);
  const held = new HeldRequests(
    next.faulty,
    (request) => manifest(request) && !request.key.endsWith(claim),
  );
  const successor = await openAt(next, small);
  expect(await keysIn(next, successor)).toEqual([keyOf(7)]);
  held.release();
  await clock.advanceUntil(successor.close());
  expect((await newestManifest(place)).l0.map(({ seq }) => seq)).toEqual([0]);
});

test("a successor whose clock is behind mints its ids above those of the load that it replays", async () => {
  const ahead = newPlace(undefined, new ManualClock({ now: Date.UTC(2026, 0, 2) }));
  await (await openAt(newPlace(ahead.inner, new ManualClock()))).close();
  const db = await openAt(ahead, small);
  new HeldRequests(ahead.faulty, manifest);
  await ahead.clock.advanceUntil(db.load(rows(300)));
  const loaded = await listed(ahead);
  ahead.faulty.crash();

  const behind = newPlace(ahead.inner, new ManualClock({ now: Date.UTC(2026, 0, 2) - day / 2 }));
  const successor = await openAt(behind, small);
  const held = new HeldRequests(behind.faulty, manifest);
  await behind.clock.advanceUntil(successor.put("after", "value"));
  const flushing = successor.flush({ to: "l0" });
  await turns();
  const minted = (await listed(behind)).filter((key) => !loaded.includes(key));
  expect(minted.length).toBe(1);
  for (const key of loaded) expect(minted[0]! > key).toBe(true);
  held.release();
  await behind.clock.advanceUntil(flushing);
  const { l0, writerFloor } = await newestManifest(behind);
  expect(l0.map(({ seq }) => seq > 0)).toEqual([true, false]);
  expect(writerFloor >= l0[1]!.ssts[0]!.id).toBe(true);
  await behind.clock.advanceUntil(successor.close());
});

test("a reader that followed a load from the log lets go of it when L0 names it, and shows it once", async () => {
  const scene = await openSmall();
  const { place, db } = scene;
  const { clock } = place;
  const held = new HeldRequests(place.faulty, manifest);
  await clock.advanceUntil(db.put(keyOf(1), "before", { durable: false }));
  const load = watchLoad(scene, rows(300));
  await turns();
  await clock.advanceUntil(db.put(keyOf(2), "after"));
  const reader = await clock.advanceUntil(
    DbReader.open({ store: place.inner, path: "db" }, { clock, pollIntervalMs: 3_600_000 }),
  );
  const check = async (): Promise<void> => {
    expect((await clock.advanceUntil(reader.keys().nextMany(1000))).length).toBe(301);
    const values = reader.getMany([1, 2].map(keyOf));
    expect((await clock.advanceUntil(values)).map(text)).toEqual(["v".repeat(60), "after"]);
  };
  await check();
  expect([load.outcome, reader.stats().l0Count]).toEqual(["fulfilled", 0]);
  held.release();
  await clock.advanceUntil(db.flush({ to: "l0" }));
  await clock.advanceUntil(reader.refresh());
  expect(reader.stats().l0Count).toBe(3);
  await check();
  await clock.advanceUntil(reader.close());
  await clock.advanceUntil(db.close());
});
