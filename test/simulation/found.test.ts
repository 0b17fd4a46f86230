/** Defects that simulated runs have found, each as a small test of its own. */
import { beforeAll, expect, test } from "vitest";
import { UlidFactory } from "../../src/common/ids.js";
import { seededRandom } from "../../src/common/random.js";
import { ManualClock } from "../../src/testing/manual-clock.js";
import { loadEngine } from "../support/load-engine.js";
import { scanContent } from "./history.js";
import { openDb } from "./sweep-workload.js";
import { World } from "./world.js";

beforeAll(loadEngine);

test("a flush covers writes that were called before it and wait for memory", async () => {
  const world = new World(1);
  const process = world.process("writer");
  let waited = 0;
  const script = world.spawn(process, async () => {
    const db = await openDb(process, { unflushedBytesMax: 40_000 });
    for (let i = 0; i < 30; i++) {
      db.put(`key${i}`, "x".repeat(5000), { durable: false }).catch(() => undefined);
    }
    waited = db.stats().waitingWrites;
    const { durableSeq } = await db.flush();
    expect(durableSeq).toBe(30);
    world.kill(process);
  });
  await world.run(() => script.done || process.state === "dead");
  expect(waited).toBeGreaterThan(0);
  const successor = world.process("successor");
  const reopened = world.spawn(successor, async () => {
    expect((await scanContent(await openDb(successor))).size).toBe(30);
  });
  await world.run(() => reopened.done);
});

/** It asked its flusher again and again for a seq that had been given and lost, and never let the event loop rest. */
test("without a WAL, a flush and a close of what was found end", async () => {
  const world = new World(1);
  const first = world.process("first");
  const script = world.spawn(first, async () => {
    const db = await openDb(first, { wal: false });
    await db.put("kept", "1");
    db.put("flushed", "1", { durable: false }).catch(() => undefined);
    const flushed = db.flush({ to: "l0" });
    db.put("lost", "1", { durable: false }).catch(() => undefined);
    await flushed;
    world.kill(first);
  });
  await world.run(() => script.done || first.state === "dead");
  const second = world.process("second");
  const reopened = world.spawn(second, async () => {
    const db = await openDb(second, { wal: false });
    expect(db.seq).toBeGreaterThan((await db.getEntry("flushed"))!.seq);
    expect(await db.get("lost")).toBeUndefined();
    await db.flush();
    await db.checkpoint();
    await db.close();
  });
  await world.run(() => reopened.done);
});

/** An upload under way would otherwise overwrite an SST of the successor. */
test.each([0, -60_000])("a successor whose clock is %i ms off mints ids of its own", (offMs) => {
  for (let seed = 1; seed <= 50; seed++) {
    const clock = new ManualClock();
    const writer = new UlidFactory(clock, seededRandom(seed));
    const committed = writer.next();
    // On its way when the writer was replaced: the successor cannot know of them.
    const underWay = [writer.next(), writer.next(), writer.next()];
    const behind = new ManualClock({ now: clock.now() + offMs });
    const successor = new UlidFactory(behind, seededRandom(1000 + seed));
    successor.raiseAbove(committed);
    const minted = [successor.next(), successor.next(), successor.next()];
    expect(underWay.filter((id) => minted.includes(id))).toEqual([]);
    expect([...minted].sort()).toEqual(minted);
    expect(minted[0]! > committed).toBe(true);
  }
});

/** The first load that was replayed was committed before the second had joined the queue: nothing held the floor below it. */
test("a successor's first commit leaves the floor below every load that it has replayed", async () => {
  const world = new World(1);
  const writer = world.process("writer");
  const script = world.spawn(writer, async () => {
    const db = await openDb(writer);
    world.fateOf = ({ key }) => (key.includes("/manifest/") ? "refuse" : "complete");
    await db.load([["a", "1"]]);
    await db.load([["b", "1"]]);
    world.kill(writer);
  });
  await world.run(() => script.done || writer.state === "dead");
  world.fateOf = () => "complete";
  const successor = world.process("successor");
  // The audit of the world fails the run when a manifest names what is below a floor.
  const reopened = world.spawn(successor, async () => {
    const db = await openDb(successor);
    await db.flush({ to: "l0" });
    expect(db.stats().l0Count).toBe(2);
  });
  await world.run(() => reopened.done);
});
