/** Snapshots, and reads at an older seq: what they see, what they hold, and how they end. */
import { expect, test } from "vitest";
import { Db, DbReader, type Snapshot } from "../../../src/index.js";
import { MemoryObjectStore } from "../../../src/testing/index.js";
import { newPlace, openAt, text } from "./support.js";

const quiet = { flushIntervalMs: 3_600_000 };
const at = (): { store: MemoryObjectStore; path: string } => ({
  store: new MemoryObjectStore(),
  path: "db",
});

async function rows(
  from: Db | DbReader | Snapshot,
  options: Parameters<Db["scan"]>[0] = {},
): Promise<string[]> {
  const seen: string[] = [];
  for await (const { key, value } of from.scan(options)) seen.push(`${text(key)}=${text(value)}`);
  return seen;
}

/** Everything that changes a database without removing it. */
async function disturb(db: Db): Promise<void> {
  await db.put("a", "later");
  await db.delete("b");
  await db.write(db.batch().put("c", "later").put("aa", "later").delete("a"));
  await db.flush({ to: "l0" });
  await db.load([
    ["a", "loaded"],
    ["b", "loaded"],
    ["d", "loaded"],
  ]);
  await db.put("b", "after the load");
  await db.flush({ to: "l0" });
  await db.put("a", "last", { durable: false });
}

test("a snapshot reads the same, whatever is written, flushed and loaded later", async () => {
  const db = await Db.open(at(), quiet);
  await db.put("a", "1");
  await db.flush({ to: "l0" });
  await db.load([["b", "2"]]);
  await db.put("c", "3");
  const snapshot = db.snapshot();
  const before = ["a=1", "b=2", "c=3"];
  const scan = snapshot.scan();
  await disturb(db);
  expect(snapshot.seq).toBe(3);
  expect(await rows(snapshot)).toEqual(before);
  expect(await rows(snapshot, { reverse: true })).toEqual(before.toReversed());
  expect(await rows(db, { snapshot, gte: "b" })).toEqual(before.slice(1));
  expect((await scan.nextMany(9)).length).toBe(3);
  expect(text(await snapshot.get("a"))).toBe("1");
  expect(text(await db.get("a", { snapshot }))).toBe("1");
  expect(text(snapshot.getCached("c")?.value)).toBe("3");
  expect((await snapshot.getMany(["c", "aa", "b"])).map(text)).toEqual(["3", undefined, "2"]);
  expect(await snapshot.has("d")).toBe(false);
  expect((await snapshot.getEntry("b"))?.seq).toBe(2);
  expect(text(await db.get("a"))).toBe("last");
  await db.close();
});

test("a snapshot does not see the MemTable grow that it was taken over", async () => {
  const db = await Db.open(at(), quiet);
  const snapshots = [];
  for (let i = 0; i < 50; i++) {
    await db.put("key", String(i), { durable: false });
    await db.put(`key ${i}`, String(i), { durable: false });
    snapshots.push(db.snapshot());
  }
  for (const [i, snapshot] of snapshots.entries()) {
    expect(text(await snapshot.get("key"))).toBe(String(i));
    expect(await rows(snapshot)).toHaveLength(i + 2);
    expect((await rows(snapshot, { reverse: true })).at(-1)).toBe(`key=${i}`);
  }
  await db.close();
});

test("reads at an older seq see what was there after that write", async () => {
  const db = await Db.open(at(), quiet);
  for (let i = 1; i <= 4; i++) {
    await db.put("a", String(i));
    await db.flush({ to: i % 2 === 0 ? "l0" : "wal" });
  }
  for (let seq = 0; seq <= 4; seq++) {
    const value = seq === 0 ? undefined : String(seq);
    expect(text(await db.get("a", { seq }))).toBe(value);
    expect(await rows(db, { seq })).toEqual(seq === 0 ? [] : [`a=${value}`]);
  }
  await db.put("a", "5", { durable: false });
  expect(text(await db.get("a", { seq: 5, durability: "durable" }))).toBe("4");
  const snapshot = db.snapshot();
  await db.put("a", "6", { durable: false });
  expect(text(await snapshot.get("a", { seq: 3 }))).toBe("3");
  await expect(snapshot.get("a", { seq: 6 })).rejects.toThrow(
    '"seq" is 6, and the newest here is 5',
  );
  await db.close();
});

test("with durability, a snapshot sees what was durable when it was taken", async () => {
  const db = await Db.open(at(), quiet);
  await db.put("a", "1");
  await db.put("a", "2", { durable: false });
  const snapshot = db.snapshot();
  await db.flush();
  expect(text(await snapshot.get("a"))).toBe("2");
  expect(text(await snapshot.get("a", { durability: "durable" }))).toBe("1");
  expect(text(await db.get("a", { durability: "durable" }))).toBe("2");
  await db.close();
});

test("a reader's snapshot stays when the reader goes on", async () => {
  const place = at();
  const db = await Db.open(place, quiet);
  await db.put("a", "1");
  await db.put("b", "1");
  const reader = await DbReader.open(place, { pollIntervalMs: 3_600_000 });
  const snapshot = reader.snapshot();
  const cases = [() => db.put("a", "2"), () => disturb(db), () => db.flush({ to: "l0" })];
  for (const change of cases) {
    await change();
    await reader.refresh();
    expect(await rows(snapshot)).toEqual(["a=1", "b=1"]);
    expect(text(await reader.get("a", { snapshot }))).toBe("1");
  }
  expect(text(await reader.get("a"))).toBe("last");
  expect(text(await reader.get("a", { seq: 3 }))).toBe("2");
  expect(reader.stats()).toMatchObject({ snapshotCount: 1, oldestSnapshotSeq: 2 });
  await reader.close();
  await expect(snapshot.get("a")).rejects.toMatchObject({ kind: "closed" });
  expect(reader.stats().snapshotCount).toBe(0);
  await db.close();
});

test("stats tell how many snapshots are open, and the oldest", async () => {
  const db = await Db.open(at(), quiet);
  expect(db.stats()).toMatchObject({ snapshotCount: 0, oldestSnapshotSeq: undefined });
  await db.put("a", "1");
  const first = db.snapshot();
  await db.put("a", "2");
  const second = db.snapshot();
  const third = db.snapshot();
  expect(db.stats()).toMatchObject({ snapshotCount: 3, oldestSnapshotSeq: 1 });
  second.close();
  second.close();
  expect(db.stats()).toMatchObject({ snapshotCount: 2, oldestSnapshotSeq: 1 });
  first[Symbol.dispose]();
  expect(db.stats()).toMatchObject({ snapshotCount: 1, oldestSnapshotSeq: 2 });
  await third[Symbol.asyncDispose]();
  expect(db.stats()).toMatchObject({ snapshotCount: 0, oldestSnapshotSeq: undefined });
  await db.close();
});

test("a closed snapshot, its scans, and reads that are given it reject", async () => {
  const db = await Db.open(at(), quiet);
  await db.put("a", "1");
  const snapshot = db.snapshot();
  const scan = snapshot.scan();
  const other = db.scan({ snapshot });
  snapshot.close();
  const closed = { kind: "closed", message: "The snapshot is closed. Take a new one." };
  await expect(snapshot.get("a")).rejects.toMatchObject(closed);
  await expect(db.get("a", { snapshot })).rejects.toMatchObject(closed);
  await expect(snapshot.getMany(["a"])).rejects.toMatchObject(closed);
  await expect(scan.next()).rejects.toMatchObject(closed);
  await expect(other.next()).rejects.toMatchObject(closed);
  expect(() => snapshot.keys()).toThrow(closed.message);
  expect(() => snapshot.getCached("a")).toThrow(closed.message);
  expect(text(await db.get("a"))).toBe("1");
  await db.close();
});

test("a snapshot is closed with its database, and says what closed that", async () => {
  const place = newPlace();
  const db = await openAt(place);
  await place.clock.advanceUntil(db.put("a", "1"));
  const snapshot = db.snapshot();
  const successor = await openAt(newPlace(place.inner, place.clock));
  await expect(place.clock.advanceUntil(db.put("a", "2"))).rejects.toMatchObject({
    kind: "fenced",
  });
  await expect(snapshot.get("a")).rejects.toMatchObject({ kind: "fenced" });
  expect(() => db.snapshot()).toThrow(expect.objectContaining({ kind: "fenced" }));
  const own = successor.snapshot();
  await place.clock.advanceUntil(successor.close());
  await expect(own.get("a")).rejects.toMatchObject({ kind: "closed" });
  expect(successor.stats().snapshotCount).toBe(0);
  own.close();
});

test("bad use has typed errors", async () => {
  const place = at();
  const db = await Db.open(place, quiet);
  const other = await Db.open(at(), quiet);
  await db.put("a", "1");
  const snapshot = db.snapshot();
  const invalid = (message: string) => ({
    kind: "invalid",
    message: expect.stringContaining(message),
  });
  await expect(other.get("a", { snapshot })).rejects.toMatchObject(
    invalid("one of another handle"),
  );
  await expect(db.get("a", { snapshot: db as never })).rejects.toMatchObject(
    invalid('"snapshot" must be what snapshot() gives'),
  );
  await expect(db.get("a", { snapshot: null as never })).rejects.toMatchObject(invalid("null"));
  await expect(snapshot.get("a", { snapshot })).rejects.toMatchObject(
    invalid("handle that made it"),
  );
  await expect(db.get("a", { snapshot, seq: 1 })).rejects.toMatchObject(invalid("not both"));
  await expect(db.get("a", { seq: 2 })).rejects.toMatchObject(invalid('"seq" is 2'));
  await expect(db.getMany(["a"], { seq: -1 })).rejects.toMatchObject(invalid("from 0"));
  await expect(db.has("a", { seq: 0.5 })).rejects.toMatchObject(invalid("whole number"));
  expect(() => db.scan({ seq: 2 })).toThrow('"seq" is 2');
  expect(() => db.scan({ seq: Number.NaN })).toThrow("whole number");
  expect(() => db.scan({ snapshot, seq: 0 })).toThrow("not both");
  await Promise.all([db.close(), other.close()]);
});
