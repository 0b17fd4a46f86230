/** Restore: a checkpoint becomes the newest state, the replaced one stays, and whoever worked beside it is told. */
import { expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { openContext } from "../../../src/admin/open-context.js";
import { decodeUtf8 } from "../../../src/common/bytes.js";
import { collect } from "../../../src/db/collect.js";
import { Compactor } from "../../../src/db/compactor.js";
import { Db } from "../../../src/db/db.js";
import { DbReader } from "../../../src/db/db-reader.js";
import type { Reads } from "../../../src/db/reads.js";
import { endCheckpoints } from "../../../src/manifest/checkpoint-expiry.js";
import { bytesAppend } from "../../../src/merge/byte-strings.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { FaultyObjectStore } from "../../../src/testing/index.js";

const operators = { mergeOperators: { log: bytesAppend } };

function place() {
  const store = new MemoryObjectStore();
  return { store, path: "db" };
}

async function contentOf(reads: Reads): Promise<Record<string, string>> {
  const content: Record<string, string> = {};
  for await (const { key, value } of reads.scan()) content[decodeUtf8(key)] = decodeUtf8(value);
  return content;
}

/** Rows of every kind, in L0 and in the log. */
async function writeAll(db: Db, round: string): Promise<void> {
  await db.put(`put ${round}`, round);
  await db.put("same", round);
  await db.merge("merged", `${round};`, { operator: "log" });
  await db.load([
    { key: "loaded", value: round },
    { key: `loaded ${round}`, value: round },
  ]);
  await db.put("short", round, { ttlMs: 3_600_000 });
  await db.deleteRange({ gte: "put a", lt: `put ${round}` });
  await db.delete("gone");
  await db.put(`gone ${round}`, "1");
  await db.deletePrefix("gone");
}

test("a checkpoint of all is restored: what was there then is there, and what came later is in the replaced checkpoint", async () => {
  const location = place();
  const db = await Db.open(location, operators);
  await writeAll(db, "a");
  const { id } = await db.checkpoint({ name: "first" });
  const before = await contentOf(db);
  await writeAll(db, "b");
  await db.flush({ to: "l0" });
  await writeAll(db, "c");
  const later = await contentOf(db);
  const { seq: lastSeq } = await db.put("last", "acknowledged");
  const admin = await Admin.open(location);
  const { checkpoint, seq, manifestNumber } = await admin.restore("first", { name: "replaced" });
  expect(checkpoint).toMatchObject({ name: "replaced", purpose: "replaced", seq: lastSeq });
  expect(seq).toBe(lastSeq + 1);
  // The writer is told.
  await expect(db.put("late", "1")).rejects.toMatchObject({ kind: "fenced" });
  expect(await db.closed).toMatchObject({ kind: "fenced" });
  const reader = await DbReader.open(location, operators);
  expect(await contentOf(reader)).toEqual(before);
  expect(reader.seq).toBe(seq);
  expect(reader.stats().manifestNumber).toBe(manifestNumber);
  await reader.close();
  // No seq is used twice, and the next open has nothing to close.
  const next = await Db.open(location, operators);
  const written = await next.put("new", "1");
  expect(written.seq).toBeGreaterThan(seq);
  await next.close();
  // Undone, once with the restored state as it was written to since.
  const undone = await admin.restore(checkpoint.id);
  const again = await Db.open(location, operators);
  expect(await contentOf(again)).toEqual({ ...later, last: "acknowledged" });
  await again.close();
  await admin.restore(undone.checkpoint.id);
  const third = await Db.open(location, operators);
  expect(await contentOf(third)).toEqual({ ...before, new: "1" });
  await third.close();
  expect(id).toBeTruthy();
  await admin.close();
});

test("collected with no grace, compacted and restored in turn, nothing that is named is missing", async () => {
  const location = place();
  let db = await Db.open(location, { ...operators, background: false });
  const known: { id: string; content: Record<string, string> }[] = [];
  const keep = async (): Promise<void> => {
    known.push({ id: (await db.checkpoint()).id, content: await contentOf(db) });
  };
  const tidy = async (): Promise<void> => {
    const compactor = await Compactor.open(location, { ...operators, compactionL0Trigger: 1 });
    await compactor.compact();
    await compactor.close();
    await collect(location, { graceMs: 0, sweep: true });
  };
  for (const round of ["a", "b", "c"]) {
    await writeAll(db, round);
    await keep();
    await tidy();
  }
  await writeAll(db, "d");
  const admin = await Admin.open(location);
  for (const i of [0, 2, 1, 0]) {
    const content = await contentOf(db);
    const { checkpoint } = await admin.restore(known[i]!.id);
    known.push({ id: checkpoint.id, content });
    await tidy();
    await db.close().catch(() => undefined);
    db = await Db.open(location, { ...operators, background: false });
    expect(await contentOf(db)).toEqual(known[i]!.content);
    await writeAll(db, `e${i}`);
    await tidy();
  }
  for (const { id, content } of known) {
    const { checkpoint } = await admin.restore(id);
    await tidy();
    const reader = await DbReader.open(location, operators);
    expect(await contentOf(reader)).toEqual(content);
    await reader.close();
    expect(checkpoint.id).toBeTruthy();
  }
  await admin.close();
});

test("a load that only the replaced log names is kept with it, and dropped with it", async () => {
  const location = place();
  const first = await Db.open(location, { background: false });
  await first.put("a", "1");
  await first.checkpoint({ name: "wanted" });
  await first.close();
  // After its claim it commits nothing: the load is in its log alone.
  let commits = 0;
  const process = new FaultyObjectStore(location.store, {
    intercept: ({ operation, key }) =>
      operation === "create" && key.includes("/manifest/") && commits++ > 0
        ? { kind: "delay", until: new Promise(() => undefined) }
        : undefined,
  });
  const db = await Db.open({ store: process, path: "db" }, { background: false });
  await db.load([{ key: "b", value: "loaded" }]);
  process.crash();
  const admin = await Admin.open(location);
  const { checkpoint } = await admin.restore("wanted");
  await collect(location, { graceMs: 0, sweep: true });
  const undone = await admin.restore(checkpoint.id);
  const reader = await DbReader.open(location);
  expect(await contentOf(reader)).toEqual({ a: "1", b: "loaded" });
  await reader.close();
  // The load is in L0 now, and is retired with that.
  await admin.restore(undone.checkpoint.id);
  const { stored } = await openContext(location, undefined);
  const ids = stored.current.checkpoints.map(({ id }) => id);
  await stored.commit(endCheckpoints(ids));
  await collect(location, { graceMs: 0, sweep: true });
  const ssts: string[] = [];
  for await (const { key } of location.store.list({ prefix: "db/sst/" })) ssts.push(key);
  expect(ssts).toHaveLength(1);
  await admin.close();
});
