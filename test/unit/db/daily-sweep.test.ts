/** `maintain` sweeps once a day, whichever handles commit and whichever is asked: the manifest says when the last one was. */
import { beforeAll, expect, test } from "vitest";
import { Db, type OpenOptions } from "../../../src/index.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { CountingObjectStore, ManualClock, MemoryObjectStore } from "../../../src/testing/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { newest } from "./compact-by-hand.js";

beforeAll(loadEngine);

const hourMs = 3_600_000;
const idle: OpenOptions = { background: false, compactionThreads: 0, flushIntervalMs: hourMs };

/** Handles that live for one call, on a store that counts. */
class Place {
  readonly clock = new ManualClock();
  readonly memory = new MemoryObjectStore({ clock: this.clock });
  readonly counting = new CountingObjectStore(this.memory);

  /** By a fresh handle; its own clock may be ahead. */
  async with<T>(work: (db: Db) => Promise<T>, clock = this.clock): Promise<T> {
    const at = { store: this.counting, path: "db" };
    const db = await clock.advanceUntil(Db.open(at, { ...idle, clock }));
    const result = await clock.advanceUntil(work(db));
    await clock.advanceUntil(db.close());
    return result;
  }

  write(): Promise<void> {
    return this.with(async (db) => {
      await db.put("a", `${this.clock.now()}`);
      await db.flush({ to: "l0" });
    });
  }

  /** Whether a fresh handle's `maintain` swept: nothing else of it lists probes. */
  async sweeps(sweep?: boolean, clock = this.clock): Promise<boolean> {
    this.counting.reset();
    await this.with((db) => db.maintain({ sweep }), clock);
    return this.counting.requests.some(
      ({ operation, key }) => operation === "list" && key.includes("probe"),
    );
  }
}

test("a nightly maintain beside writers of every hour sweeps each night, and what a crash has left goes", async () => {
  const place = new Place();
  await place.write();
  const [named] = (await newest(prefixed(place.memory, "db"))).l0;
  const key = `db/sst/${named!.ssts[0]!.id}.sst`;
  const orphan = (await place.memory.get(key))!.bytes;
  for (let night = 0; night < 5; night++) {
    for (let hour = 0; hour < 24; hour++) {
      await place.clock.advance(hourMs);
      await place.write();
    }
    if ((await place.memory.head(key)) === undefined) await place.memory.put(key, orphan);
    expect(await place.sweeps()).toBe(true);
    // The runs name it no more from the first night on: as what a killed upload has left.
    if (night > 0) expect(await place.memory.head(key)).toBeUndefined();
    for (let again = 0; again < 3; again++) expect(await place.sweeps()).toBe(false);
  }
}, 60_000);

test("a new database's first day has no sweep; one that was asked for counts; false puts it off", async () => {
  const place = new Place();
  await place.write();
  expect(await place.sweeps()).toBe(false);
  await place.clock.advance(24 * hourMs);
  expect(await place.sweeps(false)).toBe(false);
  expect(await place.sweeps(true)).toBe(true);
  expect(await place.sweeps()).toBe(false);
});

test("a handle that lives for days sweeps on each of them", async () => {
  const place = new Place();
  await place.with(async (db) => {
    for (let day = 0; day < 3; day++) {
      place.counting.reset();
      await db.maintain();
      const isListed = place.counting.counts.list > 0;
      expect(isListed).toBe(day > 0);
      await place.clock.advance(24 * hourMs);
    }
  });
});

test("a handle whose clock was ahead by days puts off no sweep of the others", async () => {
  const place = new Place();
  await place.write();
  const ahead = new ManualClock({ now: place.clock.now() + 100 * 24 * hourMs });
  expect(await place.sweeps(undefined, ahead)).toBe(true);
  expect(await place.sweeps()).toBe(true);
  expect(await place.sweeps()).toBe(false);
});
