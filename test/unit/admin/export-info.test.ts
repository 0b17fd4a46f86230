/** What an export says of itself is what the copy holds. */
import { expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { contentOf, openDb, readAt } from "./exports.js";

test("under writes everything up to the given seq is in it, whatever is written later", async () => {
  const store = new MemoryObjectStore();
  const from = { store, path: "db" };
  const db = await openDb(from, { walPutsPerSecond: Number.POSITIVE_INFINITY });
  const admin = await Admin.open(from);
  /** The seq of each row, which is written once. */
  const seqs = new Map<string, number>();
  let isOver = false;
  const writing = (async () => {
    for (let i = 0; !isOver; i++) {
      const { seq } = await db.put(`row ${String(i).padStart(6, "0")}`, "1");
      seqs.set(`row ${String(i).padStart(6, "0")}`, seq);
      if (i % 40 === 39) await db.flush({ to: "l0" });
    }
  })();
  for (let round = 0; round < 5; round++) {
    while (seqs.size < 60 * (round + 1)) await new Promise((resolve) => setTimeout(resolve, 1));
    const before = [...seqs];
    const path = `copy/${round}`;
    const { seq } = await admin.export(undefined, { store, path });
    const after = seqs.size;
    for (const [, one] of before) expect(one).toBeLessThanOrEqual(seq);
    while (seqs.size < after + 5) await new Promise((resolve) => setTimeout(resolve, 1));
    const keys = new Set(Object.keys(await readAt({ store, path })));
    const missing = [...seqs].filter(([key, one]) => one <= seq && !keys.has(key));
    expect(missing).toEqual([]);
    expect(keys.size).toBeGreaterThanOrEqual(before.length);
    // A writer there goes on above it.
    const copy = await openDb({ store, path });
    expect((await copy.put("next", "1")).seq).toBeGreaterThan(seq);
    await copy.close();
  }
  isOver = true;
  await writing;
  await admin.close();
  await db.close();
});

test("of a checkpoint it is the checkpoint's seq, and with nobody writing the copy ends there", async () => {
  const store = new MemoryObjectStore();
  const from = { store, path: "db" };
  const db = await openDb(from);
  const admin = await Admin.open(from);
  const seqs = new Map<string, number>();
  for (const key of ["a", "b", "c"]) seqs.set(key, (await db.put(key, "1")).seq);
  const checkpoints = [
    await db.checkpoint({ name: "durable", scope: "durable" }),
    await db.checkpoint({ name: "all" }),
  ];
  for (const key of ["d", "e"]) seqs.set(key, (await db.put(key, "1")).seq);
  const all = await contentOf(db);
  for (const { id, seq: expected } of [...checkpoints, { id: undefined, seq: undefined }]) {
    const path = `copy/${id ?? "now"}`;
    const { seq } = await admin.export(id, { store, path });
    expect(seq).toBe(expected ?? seqs.get("e"));
    const upTo = Object.keys(all).filter((key) => seqs.get(key)! <= seq);
    expect(Object.keys(await readAt({ store, path }))).toEqual(upTo);
  }
  await admin.close();
  await db.close();
});
