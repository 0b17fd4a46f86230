/** Splits and unions: the parts of a database at random keys have what is inside of them, and together are the whole. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import type { KeyRange } from "../../../src/common/key-range.js";
import { bytesAppend, type Db, type OpenOptions } from "../../../src/index.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { cloneOf, collectAt, manifestAt, openDb, pinsAt, rowsAt, rowsOf } from "./clones.js";

const options = { mergeOperators: { log: bytesAppend } };

const key = fc.integer({ min: 0, max: 40 }).map((n) => `k${String(n).padStart(2, "0")}`);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("put" as const), key, n: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("delete" as const), key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("merge" as const), key, n: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("range" as const), key, to: key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("expire" as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("load" as const), key }) },
  { weight: 2, arbitrary: fc.constant({ do: "flush" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "compact" as const }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function apply(db: Db, one: Step): Promise<void> {
  switch (one.do) {
    case "put":
      await db.put(one.key, `${one.n}`);
      return;
    case "delete":
      await db.delete(one.key);
      return;
    case "merge":
      await db.merge(one.key, `${one.n}`);
      return;
    case "range":
      await db.deleteRange({ gte: one.key, lt: one.to });
      return;
    case "expire":
      // Long over at the next read, and hiding what is older all the same.
      await db.put(one.key, "old", { expiresAt: 1 });
      return;
    case "load":
      await db.load([
        [one.key, "loaded"],
        [`${one.key}x`, "loaded"],
      ]);
      return;
    case "flush":
      await db.flush({ to: "l0" });
      return;
    default:
      await db.compact();
  }
}

/** What is inside of [cuts[i], cuts[i + 1]), from the first key to the last. */
const rangesOf = (cuts: readonly string[]): KeyRange[] => {
  const sorted = [...new Set(cuts)].sort();
  return [undefined, ...sorted].map((gte, i) => ({ gte, lt: sorted[i] }));
};

test("parts of a database that is split at any keys have what is inside of them, at every seq, and their union is the whole, also when it is compacted", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.array(key, { maxLength: 3 }),
      fc.array(step, { maxLength: 8 }),
      async (steps, cuts, more) => {
        const store = new MemoryObjectStore();
        const whole = await openDb(store, "p", options);
        for (const one of steps) await apply(whole, one);
        const { compactedSeq } = await manifestAt(store, "p");
        const ranges = rangesOf(cuts);
        let seq = 0;
        for (const [i, range] of ranges.entries()) {
          const made = await cloneOf(store, "p", `s${i}`, { range });
          seq = made.seq;
          const part = await openDb(store, `s${i}`, options);
          for (let at = Math.max(1, compactedSeq); at <= seq; at++) {
            expect(await rowsOf(part, { seq: at })).toBe(
              await rowsOf(whole, { ...range, seq: at }),
            );
          }
          await part.close();
        }
        const sources = ranges.map((_, i) => ({ location: { store, path: `s${i}` } }));
        await Admin.union({ store, path: "u" }, sources);
        const union = await openDb(store, "u", options);
        expect(await rowsOf(union)).toBe(await rowsOf(whole));
        const snapshot = union.snapshot();
        const before = await rowsOf(snapshot);
        for (const one of more) await apply(union, one);
        for (const one of more) await apply(whole, one);
        expect(await rowsOf(snapshot)).toBe(before);
        snapshot.close();
        expect(await rowsOf(union)).toBe(await rowsOf(whole));
        await union.compact();
        for (const path of ["u", "p", ...ranges.map((_, i) => `s${i}`)])
          await collectAt(store, path);
        expect(await rowsOf(union)).toBe(await rowsOf(whole));
        await union.close();
        await whole.close();
      },
    ),
    { numRuns: 12 },
  );
});

test("what lies wholly inside a range is shared, and only what is across a bound is written anew", async () => {
  const store = new MemoryObjectStore();
  const db = await openDb(store, "p", { l0SoftMax: 100, l0HardMax: 100 });
  for (const name of ["a", "c", "e", "g"]) {
    await db.put(`${name}1`, "1");
    await db.put(`${name}2`, "2");
    await db.flush({ to: "l0" });
  }
  await cloneOf(store, "p", "c", { range: { gte: "c2", lt: "g" } });
  expect(await rowsAt(store, "c")).toBe("c2=2 e1=1 e2=2");
  const { l0 } = await manifestAt(store, "c");
  expect(l0.map(({ ssts }) => ssts[0]!.owner === "")).toEqual([true, false]);
  await db.close();
});

test("a part that names nothing of its parent lets go of it at once", async () => {
  const store = new MemoryObjectStore();
  const db = await openDb(store, "p");
  await db.put("a", "1");
  await db.put("b", "2");
  await db.flush({ to: "l0" });
  const { checkpointIds } = await cloneOf(store, "p", "c", { range: { lt: "b" } });
  expect(checkpointIds).toEqual([]);
  expect(await pinsAt(store, "p")).toEqual([]);
  expect((await manifestAt(store, "c")).externals).toEqual([]);
  expect(await rowsAt(store, "c")).toBe("a=1");
  await db.close();
});

test("a union of databases with keys in common is refused, and says where, range deletes included; a range is the way out", async () => {
  const store = new MemoryObjectStore();
  const one = await openDb(store, "one");
  await one.put("a", "1");
  await one.put("m", "1");
  const two = await openDb(store, "two");
  await two.put("x", "2");
  await two.deleteRange({ gte: "h" });
  await two.put("y", "2");
  const location = (path: string) => ({ store, path });
  const union = (range?: KeyRange) =>
    Admin.union(location("u"), [
      { location: location("one") },
      { location: location("two"), range },
    ]);
  await expect(union()).rejects.toMatchObject({
    ...{ kind: "invalid", message: expect.stringMatching(/"one" and "two".*"h".*range/s) },
  });
  expect(await pinsAt(store, "one")).toEqual([]);
  expect(await rowsOf(one)).toBe("a=1 m=1");
  const { seq } = await union({ gt: "m" });
  expect(await rowsAt(store, "u")).toBe("a=1 m=1 y=2");
  expect(seq).toBe(3);
  await expect(Admin.union(location("v"), [])).rejects.toMatchObject({ kind: "invalid" });
  const elsewhere = { store: new MemoryObjectStore(), path: "v" };
  await expect(Admin.union(elsewhere, [{ location: location("one") }])).rejects.toMatchObject({
    kind: "invalid",
  });
  await one.close();
  await two.close();
});

test("merge operators of a union go together where one list begins with the other", async () => {
  const store = new MemoryObjectStore();
  const names = async (path: string, mergeOperators: OpenOptions["mergeOperators"]) => {
    const db = await openDb(store, path, { mergeOperators });
    await db.put(path, "1");
    await db.close();
    return { location: { store, path } };
  };
  const log = await names("log", { log: bytesAppend });
  const both = await names("log2", { log: bytesAppend, other: bytesAppend });
  const other = await names("other", { other: bytesAppend });
  await Admin.union({ store, path: "u" }, [log, both]);
  expect((await manifestAt(store, "u")).pinned.mergeOperators).toEqual(["log", "other"]);
  await expect(Admin.union({ store, path: "v" }, [log, other])).rejects.toMatchObject({
    ...{ kind: "invalid", message: expect.stringContaining("merge operators") },
  });
});

test("parts that were detached are joined again, though objects of one database lie at the paths of both", async () => {
  const store = new MemoryObjectStore();
  const db = await openDb(store, "p");
  for (const name of ["a", "b", "x", "y"]) {
    await db.put(name, name);
    await db.flush({ to: "l0" });
  }
  const ranges = { left: { lt: "m" }, right: { gte: "m" } };
  for (const [path, range] of Object.entries(ranges)) {
    await cloneOf(store, "p", path, { range });
    await using admin = await Admin.open({ store, path });
    expect((await admin.detach()).copiedFiles).toBe(2);
  }
  const sources = Object.keys(ranges).map((path) => ({ location: { store, path } }));
  await Admin.union({ store, path: "u" }, sources);
  expect(await pinsAt(store, "left")).toEqual([]);
  expect(await pinsAt(store, "right")).toEqual([]);
  for (const path of ["p/", "left/", "right/"]) {
    const keys: string[] = [];
    for await (const { key } of store.list({ prefix: path })) keys.push(key);
    await store.delete(keys);
  }
  expect(await rowsAt(store, "u")).toBe("a=a b=b x=x y=y");
});

test("range deletes of a run that reach beyond its rows are clipped as well: they hide what they hid, and nothing else", async () => {
  const store = new MemoryObjectStore();
  const at = (path: string) => ({ location: { store, path } });
  const db = await openDb(store, "p");
  await db.put("k5", "1");
  await db.flush({ to: "l0" });
  await db.put("a", "1");
  await db.deleteRange({ gte: "b", lt: "w" });
  await db.flush({ to: "l0" });
  await db.close();
  // What was in L0 is in runs here.
  const halves = [
    { ...at("p"), range: { lt: "x" } },
    { ...at("p"), range: { gte: "x" } },
  ];
  await Admin.union({ store, path: "u" }, halves);
  await cloneOf(store, "u", "upper", { range: { gte: "k" } });
  expect(await rowsAt(store, "upper")).toBe("");
  await cloneOf(store, "u", "lower", { range: { lt: "k" } });
  const other = await openDb(store, "other");
  await other.put("k5", "other");
  await other.close();
  await Admin.union({ store, path: "both" }, [at("lower"), at("other")]);
  expect(await rowsAt(store, "both")).toBe("a=1 k5=other");
});

test("what is no checkpoint, no source and no option is refused, and never taken for what is in L0", async () => {
  const store = new MemoryObjectStore();
  const db = await openDb(store, "p");
  await db.put("a", "1");
  const admin = await Admin.open({ store, path: "p" });
  const source = { location: { store, path: "p" } };
  const target = { store, path: "u" };
  for (const junk of ["", null, 5, Symbol("no"), "x".repeat(257)] as never[]) {
    const calls = [
      () => admin.clone(target, { checkpoint: junk }),
      () => admin.export(undefined, junk),
      () => Admin.union(target, [{ ...source, checkpoint: junk }]),
      () => Admin.union(target, [source], junk),
      () => Admin.union(target, junk),
    ];
    for (const call of calls) await expect(call()).rejects.toMatchObject({ kind: "invalid" });
  }
  const undefinedSource = Admin.union(target, [undefined as never]);
  await expect(undefinedSource).rejects.toMatchObject({ kind: "invalid" });
  const misplaced = Admin.union(target, [source], { wal: false } as never);
  await expect(misplaced).rejects.toMatchObject({ kind: "invalid" });
  expect(await pinsAt(store, "p")).toEqual([]);
  await admin.close();
  await db.close();
});
