/** Each checkpoint is answered exactly once, when it is certain what has become of it. */
import { expect, test } from "vitest";
import { systemClock } from "../../../src/common/clock.js";
import type { OpenOptions } from "../../../src/db/open-options.js";
import { type CheckpointInfo, Db, MemoryObjectStore } from "../../../src/index.js";
import { findNewest } from "../../../src/manifest/find-newest.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { CountingObjectStore, FaultyObjectStore } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { turns } from "./support.js";

const path = "db";
const quiet: OpenOptions = { flushIntervalMs: 3_600_000, background: false };

async function listed(store: MemoryObjectStore): Promise<string[]> {
  const manifests = new ManifestStore(prefixed(store, path));
  const newest = await findNewest(manifests, { clock: systemClock, retentionMs: 86_400_000 });
  return newest!.checkpoints.map(({ id }) => id);
}

test("1,000 checkpoints of eight callers, beside writes, settle exactly once each, on few commits", async () => {
  const memory = new MemoryObjectStore();
  const store = new CountingObjectStore(memory);
  const db = await Db.open(
    { store, path },
    { ...quiet, walPutsPerSecond: Number.POSITIVE_INFINITY },
  );
  store.reset();
  const settled = new Map<number, number>();
  const made: CheckpointInfo[] = [];
  const refused: unknown[] = [];
  let isOver = false;
  const writing = (async () => {
    for (let i = 0; !isOver; i++) await db.put(`key ${i % 50}`, `${i}`);
  })();
  const caller = async (number: number): Promise<void> => {
    const calls = Array.from({ length: 125 }, async (_, i) => {
      if (i % 25 === 24) await new Promise((resolve) => setTimeout(resolve, 1));
      // One in five asks for a name that another asks for too.
      const name = i % 5 === 0 ? `name ${i} ${number >> 1}` : undefined;
      const which = number * 125 + i;
      const asked = db.checkpoint({ name, scope: i % 2 === 0 ? "durable" : "all" });
      await asked
        .then(
          (info) => made.push(info),
          (error: { kind: string }) => refused.push(error.kind),
        )
        .finally(() => settled.set(which, (settled.get(which) ?? 0) + 1));
    });
    await Promise.all(calls);
  };
  await Promise.all(Array.from({ length: 8 }, (_, number) => caller(number)));
  isOver = true;
  await writing;
  expect([...settled.values()].filter((count) => count === 1)).toHaveLength(1000);
  // Of two that ask for a name, one gets it.
  expect(refused).toEqual(Array.from({ length: 100 }, () => "exists"));
  expect(made).toHaveLength(900);
  expect(new Set(await listed(memory))).toEqual(new Set(made.map(({ id }) => id)));
  const commits = store.requests.filter(({ key }) => key.endsWith(".manifest")).length;
  expect(commits).toBeLessThan(200);
  await db.close();
});

test("those of one turn ride on one commit", async () => {
  const store = new CountingObjectStore(new MemoryObjectStore());
  const db = await Db.open({ store, path }, quiet);
  store.reset();
  const made = await Promise.all(
    Array.from({ length: 50 }, () => db.checkpoint({ scope: "durable" })),
  );
  expect(new Set(made.map(({ id }) => id)).size).toBe(50);
  expect(new Set(made.map(({ manifestNumber }) => manifestNumber)).size).toBe(1);
  expect(store.counts.create).toBe(1);
  await db.close();
});

test("a close answers what is due, and tells the others that nothing was made", async () => {
  for (const flush of [true, "wal"] as const) {
    const memory = new MemoryObjectStore();
    const db = await Db.open({ store: memory, path }, quiet);
    await db.put("a", "1");
    const asked = Promise.allSettled([
      db.checkpoint({ scope: "durable" }),
      db.checkpoint({ scope: "durable" }),
    ]);
    await db.close({ flush });
    const made = (await asked).map((answer) => answer.status);
    expect(made).toEqual(["fulfilled", "fulfilled"]);
    expect(await listed(memory)).toHaveLength(2);
  }
  // One that is not due: no SST comes to the store, so that what it waits for is not in L0 when the handle ends.
  for (const flush of [true, "wal"] as const) {
    const memory = new MemoryObjectStore();
    const store = new FaultyObjectStore(memory);
    const db = await Db.open({ store, path }, quiet);
    const held = new HeldRequests(store, ({ key }) => key.endsWith(".sst"));
    await db.put("a", "1");
    const due = db.checkpoint({ scope: "durable" });
    const other = db.checkpoint({ scope: "all" });
    other.catch(() => undefined);
    const closed = db.close({ flush });
    // Whoever closes with all in L0 waits for that, until a second close cuts it short.
    if (flush === true) {
      await due;
      await Promise.allSettled([db.close({ flush: false }), closed]);
    } else await closed;
    const { id } = await due;
    await expect(other).rejects.toMatchObject({ kind: "closed" });
    held.release();
    await turns();
    expect(await listed(memory)).toEqual([id]);
  }
});

test("aborted before its commit is sent, it leaves no trace; after that only the waiting ends", async () => {
  const memory = new MemoryObjectStore();
  const store = new FaultyObjectStore(memory);
  const db = await Db.open({ store, path }, quiet);
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let sent = (): void => undefined;
  const isSent = new Promise<void>((resolve) => {
    sent = resolve;
  });
  store.intercept = ({ operation, key }) => {
    if (operation !== "create" || !key.endsWith(".manifest")) return undefined;
    sent();
    return { kind: "delay", until: held };
  };
  const [first, second] = [new AbortController(), new AbortController()];
  const riding = db.checkpoint({ scope: "durable", signal: first.signal });
  await isSent;
  const waiting = db.checkpoint({ scope: "durable", signal: second.signal });
  second.abort(new Error("second"));
  first.abort(new Error("first"));
  await expect(waiting).rejects.toThrow("second");
  await expect(riding).rejects.toThrow("first");
  store.intercept = undefined;
  release();
  await db.close();
  expect(await listed(memory)).toHaveLength(1);
});

test("it is made whose reply was lost, and whose commit is known to have failed is made again by the next", async () => {
  const memory = new MemoryObjectStore();
  for (const kind of ["before", "after"] as const) {
    const store = new FaultyObjectStore(memory);
    const db = await Db.open({ store, path: `${path}/${kind}` }, quiet);
    let left = 1;
    store.intercept = ({ operation, key }) =>
      operation === "create" && key.endsWith(".manifest") && left-- > 0 ? { kind } : undefined;
    const { id } = await db.checkpoint({ scope: "durable" });
    expect(id).toHaveLength(26);
    await db.close();
  }
});
