/** Defects that simulated runs have found, each as a small test of its own. */
import { expect, test } from "vitest";
import { scanContent } from "./history.js";
import { openDb } from "./sweep-workload.js";
import { World } from "./world.js";

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
