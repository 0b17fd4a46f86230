/** Transactions and snapshots over keys that have merges. */
import { expect, test } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { bytesAppend, Db, type MergeOperator, type OpenOptions } from "../../../src/index.js";
import { FaultyObjectStore, MemoryObjectStore } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { newPlace, openAt, text } from "./support.js";

const operators = { mergeOperators: { append: bytesAppend } };
const openDb = (options: OpenOptions = {}): Promise<Db> =>
  Db.open(
    { store: new MemoryObjectStore(), path: "db" },
    { flushIntervalMs: 3_600_000, ...operators, ...options },
  );

async function rows(from: Pick<Db, "scan">, options = {}): Promise<string> {
  const seen: string[] = [];
  for await (const { key, value } of from.scan(options)) seen.push(`${text(key)}=${text(value)}`);
  return seen.join(" ");
}

test.each([
  ["in memory", async () => undefined],
  ["in SSTs", async (db: Db) => void (await db.flush({ to: "l0" }))],
])(
  "own writes lie over merges, also over one of the seq that is read, both ways: %s",
  async (_, settle) => {
    const db = await openDb();
    await db.put("a", "1");
    await db.merge("a", "2");
    await db.merge("c", "3");
    await db.write(db.batch().merge("a", "4").merge("b", "5").put("d", "6"));
    await settle(db);
    const tx = db.begin();
    const snapshot = db.snapshot();
    await db.write(db.batch().merge("c", "later").merge("d", "later"));
    expect(await rows(tx)).toBe("a=124 b=5 c=3 d=6");
    tx.put("a", "own");
    tx.delete("b");
    tx.put("d", "own");
    expect(await rows(tx)).toBe("a=own c=3 d=own");
    expect(await rows(tx, { reverse: true })).toBe("d=own c=3 a=own");
    expect((await tx.getMany(["a", "b", "c", "d"])).map(text)).toEqual([
      ...["own", undefined, "3", "own"],
    ]);
    expect(await rows(snapshot, { reverse: true })).toBe("d=6 c=3 b=5 a=124");
    expect(text(await db.get("a", { seq: 2 }))).toBe("12");
    expect(text(await db.get("c"))).toBe("3later");
    await db.close();
  },
);

test("a merge by another conflicts, with what was written and with what was read", async () => {
  const db = await openDb({ conflictWindowBytes: 0 });
  for (const isFlushed of [false, true]) {
    const [written, read] = [db.begin(), db.begin({ isolation: "serializable" })];
    written.put("a", "own");
    await rows(read, { prefix: "a" });
    read.put("x", "own");
    await db.merge("a", "1");
    if (isFlushed) await db.flush({ to: "l0" });
    await expect(written.commit()).rejects.toMatchObject({ kind: "conflict" });
    await expect(read.commit()).rejects.toMatchObject({ kind: "conflict" });
  }
  await db.close();
});

/** Puts the operands in brackets, those of one call together; fails on "!", deletes on "x". */
const brackets: MergeOperator = {
  merge: (_key, value, operands) => {
    const all = operands.map(text).join("");
    if (all.includes("!")) throw new Error("no exclamations");
    if (all.includes("x")) return undefined;
    return encodeUtf8(`${text(value) ?? ""}[${all}]`);
  },
  check: (operand) => {
    if (operand.length === 0) throw new Error("an empty operand");
  },
};
const two = { mergeOperators: { brackets, append: bytesAppend } };

const places: [string, (db: Db) => Promise<unknown>][] = [
  ["in memory", async () => undefined],
  ["in SSTs", (db) => db.flush({ to: "l0" })],
];

test.each(places)(
  "own merges are seen over what lies beneath, by every read, both ways: %s",
  async (_, settle) => {
    const db = await openDb({ blockCacheBytes: 0 });
    await db.put("a", "1");
    await db.put("b", "1");
    await db.merge("b", "2");
    await db.delete("c");
    await db.put("e", "1");
    await settle(db);
    const tx = db.begin();
    await db.put("a", "later");
    await db.merge("b", "later");
    for (const key of ["a", "b", "c", "d"]) tx.merge(key, "+");
    tx.merge("b", "-");
    expect(await rows(tx)).toBe("a=1+ b=12+- c=+ d=+ e=1");
    expect(await rows(tx, { reverse: true })).toBe("e=1 d=+ c=+ b=12+- a=1+");
    expect(await rows(tx, { gt: "a", lt: "c" })).toBe("b=12+-");
    expect(await rows(tx, { gte: "b", lte: "c", reverse: true })).toBe("c=+ b=12+-");
    const keys = ["b", "a", "e", "d", "b", "z"];
    expect((await tx.getMany(keys)).map(text)).toEqual(["12+-", "1+", "1", "+", "12+-", undefined]);
    for (const [key, value] of Object.entries({ a: "1+", b: "12+-", c: "+", d: "+" })) {
      expect(text(await tx.get(key))).toBe(value);
      expect(await tx.has(key)).toBe(true);
      expect(await tx.getEntry(key)).toMatchObject({ seq: 0, createdAt: expect.any(Number) });
    }
    expect(await tx.getEntry("e")).toMatchObject({ seq: 5 });
    expect(text(tx.getCached("d")?.value) ?? "unknown").toBe(_ === "in memory" ? "+" : "unknown");
    const scan = tx.keys({ reverse: true });
    scan.seek("bb");
    expect((await scan.nextMany(9)).map(text)).toEqual(["b", "a"]);
    expect(text(await db.get("d"))).toBeUndefined();
    for (const key of ["a", "b"]) tx.unmarkWrite(key);
    await tx.commit();
    expect(await rows(db), "merges go with what others have written").toBe(
      "a=later+ b=12later+- c=+ d=+ e=1",
    );
    await db.close();
  },
);

test("a merge onto what the transaction has written is folded, and what it has merged is kept apart", async () => {
  const db = await openDb(two);
  await db.put("a", "1");
  const tx = db.begin();
  const bracket = (key: string, operand: string): void =>
    tx.merge(key, operand, { operator: "brackets" });
  const append = (key: string, operand: string): void =>
    tx.merge(key, operand, { operator: "append" });
  for (const operand of ["b", "c", "d"]) bracket("a", operand);
  expect(text(await tx.get("a")), "one call for all").toBe("1[bcd]");
  expect(() => append("a", "e")).toThrow('merges with "brackets" and "append" into key "a"');
  expect(text(await tx.get("a"))).toBe("1[bcd]");
  tx.put("b", "2");
  bracket("b", "c");
  append("b", "d");
  expect(text(await tx.get("b")), "known values take any operator").toBe("2[c]d");
  tx.delete("c");
  append("c", "3");
  bracket("c", "d");
  bracket("d", "x");
  expect(await tx.has("d"), "an operator may delete").toBe(false);
  append("c", "e");
  expect(await rows(tx)).toBe("a=1[bcd] b=2[c]d c=3[d]e");
  bracket("c", "x");
  expect(await tx.has("c")).toBe(false);
  append("c", "4");
  tx.put("a", "new");
  append("a", "er");
  expect(await rows(tx)).toBe("a=newer b=2[c]d c=4");
  await tx.commit();
  expect(await rows(db)).toBe("a=newer b=2[c]d c=4");
  await db.close();
});

test("an operator that fails on what is known fails the call; on what is not, whoever reads the key", async () => {
  const db = await openDb({ mergeOperators: { brackets } });
  const tx = db.begin();
  tx.put("a", "1");
  expect(() => tx.merge("a", "!")).toThrow(expect.objectContaining({ name: "MergeError" }));
  expect(text(await tx.get("a"))).toBe("1");
  tx.merge("b", "!");
  await expect(tx.get("b")).rejects.toMatchObject({ name: "MergeError", operator: "brackets" });
  expect(await rows(tx, { lt: "b" }), "nobody reads b").toBe("a=1");
  await expect(rows(tx)).rejects.toMatchObject({ name: "MergeError" });
  tx.merge("a", "2");
  tx.put("b", "well");
  await tx.commit();
  expect(await rows(db)).toBe("a=1[2] b=well");
  await db.close();
});

test("what is not known when a merge is made is known after a range delete", async () => {
  const db = await openDb(two);
  await db.put("a", "1");
  const tx = db.begin({ isolation: "serializable" });
  tx.deleteRange({ all: true });
  tx.merge("a", "2", { operator: "append" });
  expect(text(await tx.get("a"))).toBe("2");
  tx.merge("a", "3", { operator: "brackets" });
  expect(text(await tx.get("a"))).toBe("2[3]");
  tx.merge("b", "4", { operator: "append" });
  tx.deletePrefix("b");
  tx.merge("b", "5", { operator: "brackets" });
  expect(await rows(tx)).toBe("a=2[3] b=[5]");
  await tx.commit();
  expect(await rows(db)).toBe("a=2[3] b=[5]");
  await db.close();
});

test("merges expire as they say, and what has expired counts as deleted for the next", async () => {
  const place = newPlace();
  const { clock } = place;
  const db = await openAt(place, { flushIntervalMs: 3_600_000, ...operators, defaultTtlMs: 500 });
  await clock.advanceUntil(db.put("a", "1", { ttlMs: 10_000 }));
  await clock.advanceUntil(db.put("b", "1", { ttlMs: 10_000 }));
  const tx = db.begin();
  tx.merge("a", "2", { ttlMs: 100 });
  tx.merge("b", "2");
  tx.put("c", "1", { ttlMs: 100 });
  tx.put("d", "1", { ttlMs: 100 });
  tx.merge("d", "2", { ttlMs: Number.POSITIVE_INFINITY });
  expect(await tx.getEntry("b")).toMatchObject({ expiresAt: clock.now() + 500 });
  expect(await rows(tx)).toBe("a=12 b=12 c=1 d=12");
  await clock.advance(100);
  expect(await rows(tx)).toBe("b=12 d=12");
  for (const key of ["a", "c", "d"]) tx.merge(key, "3");
  expect(await rows(tx), "folded onto nothing, and onto what lives").toBe("a=3 b=12 c=3 d=123");
  await tx.commit({ durable: false });
  expect(await rows(db)).toBe("a=3 b=12 c=3 d=123");
  await clock.advance(499);
  expect(await rows(db), "a ttl counts from the commit").toBe("a=3 b=12 c=3 d=123");
  await clock.advance(1);
  expect(await rows(db)).toBe("");
  await clock.advanceUntil(db.close());
});

test("a key that was merged into is a read of what lies beneath when it is read, not before", async () => {
  const db = await openDb();
  const cases: [string, (tx: ReturnType<Db["begin"]>) => unknown, boolean][] = [
    ["merged and read", async (tx) => [tx.merge("k", "1"), await tx.get("k")], true],
    ["merged", (tx) => tx.merge("k", "1"), false],
    ["read many", async (tx) => [tx.merge("k", "1"), await tx.getMany(["j", "k"])], true],
    ["scanned", async (tx) => [tx.merge("k", "1"), await rows(tx, { prefix: "k" })], true],
    [
      "merged onto an own put",
      async (tx) => [tx.put("k", "1"), tx.merge("k", "2"), await tx.get("k")],
      false,
    ],
    [
      "merged into a deleted range",
      async (tx) => [tx.delete("k"), tx.merge("k", "2"), await tx.has("k")],
      false,
    ],
  ];
  for (const [name, act, conflicts] of cases) {
    const tx = db.begin({ isolation: "serializable" });
    await act(tx);
    tx.unmarkWrite("k");
    await db.merge("k", "0");
    const committing = tx.commit({ durable: false });
    if (conflicts) await expect(committing, name).rejects.toMatchObject({ kind: "conflict" });
    else expect((await committing).seq, name).toBe(db.seq);
  }
  await db.close();
});

test("a merge is a write: of two that merge into a key one gives way", async () => {
  const db = await openDb();
  const [first, second, third] = [db.begin(), db.begin(), db.begin()];
  first.merge("k", "1");
  second.merge("k", "2");
  third.merge("k", "3");
  third.unmarkWrite("k");
  await first.commit({ durable: false });
  await expect(second.commit()).rejects.toMatchObject({ kind: "conflict", seq: 1 });
  await third.commit({ durable: false });
  expect(text(await db.get("k"))).toBe("13");
  await db.close();
});

test("merging many times into one key is linear, and shows each what was there", async () => {
  const db = await openDb();
  const tx = db.begin();
  const operand = "x".repeat(10);
  for (let i = 0; i < 50_000; i++) {
    tx.merge("k", operand);
    if (i === 1) tx.scan();
  }
  const before = tx.values();
  tx.merge("k", "y");
  expect((await before.next())?.length).toBe(500_000);
  expect((await tx.get("k"))?.length).toBe(500_001);
  await tx.commit({ durable: false });
  expect(text(await db.get("k"))?.endsWith("xy")).toBe(true);
  await db.close();
}, 30_000);

test("a get that waits sees what had been written when it was asked for", async () => {
  const store = new FaultyObjectStore(new MemoryObjectStore());
  const db = await Db.open(
    { store, path: "db" },
    { flushIntervalMs: 3_600_000, blockCacheBytes: 0, ...operators },
  );
  await db.write(db.batch().put("a", "1").put("b", "1").put("c", "1"));
  await db.flush({ to: "l0" });
  const tx = db.begin();
  for (const key of ["a", "b"]) tx.merge(key, "2");
  const held = new HeldRequests(store, ({ operation }) => operation === "get");
  const asked = [tx.get("a"), tx.get("c"), tx.getMany(["b", "a", "d"])];
  tx.deleteRange({ all: true });
  tx.put("c", "new");
  tx.put("d", "new");
  held.release();
  const [a, c, many] = await Promise.all(asked);
  expect([text(a as Uint8Array), text(c as Uint8Array)]).toEqual(["12", "1"]);
  expect((many as Uint8Array[]).map(text)).toEqual(["12", "12", undefined]);
  expect(await rows(tx)).toBe("c=new d=new");
  await db.close();
});

test("bad merges have typed errors, and nothing happens", async () => {
  const db = await openDb(two);
  const tx = db.begin();
  const invalid = (message: string) =>
    expect.objectContaining({ kind: "invalid", message: expect.stringContaining(message) });
  const bracket = { operator: "brackets" };
  expect(() => tx.merge("k", "1")).toThrow(invalid('"operator" is missing'));
  expect(() => tx.merge("k", "1", { operator: "bracket" })).toThrow(invalid("Did you mean"));
  expect(() => tx.merge("k", "", bracket)).toThrow(invalid("an empty operand"));
  expect(() => tx.merge("k", 7 as never, bracket)).toThrow(invalid("value"));
  expect(() => tx.merge(7 as never, "1", bracket)).toThrow(invalid("key"));
  expect(() => tx.merge("k", "1", { ...bracket, ttl: 1 } as never)).toThrow(invalid("ttl"));
  expect(() => tx.merge("k", "1", { ...bracket, ttlMs: 0 })).toThrow(invalid("ttlMs"));
  expect(await rows(tx)).toBe("");
  expect(() => tx.unmarkWrite("k")).toThrow("has not written");
  tx.rollback();
  expect(() => tx.merge("k", "1", bracket)).toThrow("has been rolled back");
  const none = await openDb({ mergeOperators: {} });
  expect(() => none.begin().merge("k", "1")).toThrow(invalid("has no merge operators"));
  await none.close();
  await db.close();
});
