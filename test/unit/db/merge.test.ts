/** Writing merges: alone, in batches, beside puts and deletes of the same key, with lifetimes, and what is refused. */
import * as fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { compareBytes, encodeUtf8 } from "../../../src/common/bytes.js";
import {
  bytesAppend,
  type Db,
  DbReader,
  decodeUint64,
  encodeUint64,
  isMoraineError,
  type LifetimeOptions,
  MergeError,
  type MergeOperator,
  type OpenOptions,
  uint64Add,
  type WriteOperation,
} from "../../../src/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { loadEngine } from "../../support/load-engine.js";
import { newPlace, openAt, type Place, text, turns } from "./support.js";

beforeAll(loadEngine);

const quiet = { flushIntervalMs: 3_600_000 };
const log = { mergeOperators: { log: bytesAppend }, ...quiet };
const two = { mergeOperators: { sum: uint64Add, log: bytesAppend }, ...quiet };

/** Calls a method as somebody without types would. */
function call(object: unknown, method: string, ...args: unknown[]): unknown {
  return (object as Record<string, (...args: unknown[]) => unknown>)[method]!(...args);
}

async function sceneOf(options: OpenOptions): Promise<{ place: Place; db: Db }> {
  const place = newPlace();
  return { place, db: await openAt(place, options) };
}

test("operands are folded when they are read, in a MemTable, an SST, after a replay and in a reader", async () => {
  const { place, db } = await sceneOf(log);
  const { clock } = place;
  await db.put("log", "a", { durable: false });
  await db.merge("log", "b", { durable: false });
  await db.write([{ type: "merge", key: "log", operand: "c" }], { durable: false });
  expect((await db.merge("new", "x")).seq).toBe(4);
  const check = async (reads: Db | DbReader): Promise<void> => {
    expect([text(await reads.get("log")), text(await reads.get("new"))]).toEqual(["abc", "x"]);
    expect((await reads.values().nextMany(9)).map(text)).toEqual(["abc", "x"]);
  };
  await check(db);
  await clock.advanceUntil(db.close({ flush: "wal" }));
  const again = await openAt(place, log);
  await check(again);
  await clock.advanceUntil(again.flush({ to: "l0" }));
  await check(again);
  await again.merge("log", "d", { durable: false });
  expect(text(await again.get("log"))).toBe("abcd");
  await clock.advanceUntil(again.flush({ to: "l0" }));
  const { mergeOperators } = log;
  const reader = await clock.advanceUntil(DbReader.open(place.at, { clock, mergeOperators }));
  expect(text(await reader.get("log"))).toBe("abcd");
});

test("the only operator need not be named; where there are several, or none, it has to be", async () => {
  const { db } = await sceneOf(two);
  const missing = db.merge("k", "a");
  await expect(missing).rejects.toMatchObject({
    ...{ kind: "invalid", message: expect.stringContaining("sum, log") },
  });
  await db.merge("k", "a", { operator: "log", durable: false });
  expect(() => db.batch().merge("k", "a")).toThrow(/"operator" is missing/);
  await db.write(db.batch().merge("k", "b", { operator: "log" }), { durable: false });
  await db.write([{ type: "merge", key: "n", operand: encodeUint64(5n), operator: "sum" }]);
  await db.merge("n", encodeUint64(2n), { operator: "sum" });
  expect([text(await db.get("k")), decodeUint64((await db.get("n"))!)]).toEqual(["ab", 7n]);
  const { db: plain } = await sceneOf(quiet);
  await expect(plain.merge("k", "a")).rejects.toThrow(/no merge operators/);
  expect(() => plain.batch().merge("k", "a")).toThrow(/no merge operators/);
  await expect(plain.merge("k", "a", { operator: "log" })).rejects.toThrow(/"log"/);
});

describe("bad arguments of a merge, before anything happens", () => {
  const operand = encodeUint64(1n);
  test.each<[string, unknown[], RegExp]>([
    ["a key that is none", [5, operand, { operator: "sum" }], /key/],
    ["an operand that is none", ["k", 5, { operator: "sum" }], /value/],
    ["no operand", ["k", undefined, { operator: "sum" }], /value/],
    ["an operator that is no string", ["k", operand, { operator: 1 }], /"operator" must be/],
    ["an unknown operator", ["k", operand, { operator: "sun" }], /Did you mean "sum"/],
    ["an operand that its operator refuses", ["k", "short", { operator: "sum" }], /refuses/],
    ["an unknown option", ["k", operand, { operater: "sum" }], /Did you mean "operator"/],
    ["a ttl of zero", ["k", operand, { operator: "sum", ttlMs: 0 }], /ttlMs/],
    ["two lifetimes", ["k", operand, { operator: "sum", ttlMs: 1, expiresAt: 1 }], /not both/],
  ])("%s", async (_, args, message) => {
    const { place, db } = await sceneOf(two);
    const options = (args[2] ?? {}) as object;
    const operation = { type: "merge", key: args[0], operand: args[1], ...options };
    const batch = db.batch();
    for (const attempt of [
      async () => call(db, "merge", ...args),
      async () => call(batch, "merge", ...args),
      async () => call(db, "write", [{ type: "put", key: "a", value: "" }, operation]),
    ]) {
      const error = await attempt().catch((caught: unknown) => caught);
      expect(error).toSatisfy((caught) => isMoraineError(caught, "invalid"));
      expect((error as Error).message).toMatch(message);
    }
    await turns(3);
    expect([db.seq, batch.count, place.counting.total]).toEqual([0, 0, 0]);
  });
});

test("within a batch the last put or delete of a key wins, and merges after it fold into it", async () => {
  const { db } = await sceneOf(log);
  for (const key of ["deleted", "put"]) await db.put(key, "old", { durable: false });
  const batch = db
    .batch()
    .put("put", "a")
    .merge("put", "b")
    .merge("put", "c")
    .delete("deleted")
    .merge("deleted", "x")
    .merge("replaced", "a")
    .put("replaced", "b")
    .merge("gone", "a")
    .delete("gone")
    .merge("merged", "1")
    .merge("merged", "2");
  const { seq } = await db.write(batch);
  const keys = ["put", "deleted", "replaced", "gone", "merged"];
  expect((await db.getMany(keys)).map(text)).toEqual(["abc", "x", "b", undefined, "12"]);
  expect((await db.getEntry("merged"))?.seq).toBe(seq);
  await db.put("merged", "0", { durable: false });
  await db.write(batch, { durable: false });
  expect((await db.getMany(keys)).map(text)).toEqual(["abc", "x", "b", undefined, "012"]);
});

test("an operator may make a key of a batch a delete", async () => {
  const none: MergeOperator = { merge: () => undefined };
  const { db } = await sceneOf({ mergeOperators: { none }, ...quiet });
  await db.put("k", "old", { durable: false });
  await db.write(db.batch().put("k", "a").merge("k", "b", { ttlMs: 5 }));
  expect(await db.has("k")).toBe(false);
});

test("an operator that fails on a batch fails the call, and nothing is written", async () => {
  let fails = true;
  const merge: MergeOperator["merge"] = (_, value) => {
    if (fails) throw new Error("no");
    return value;
  };
  const { place, db } = await sceneOf({ mergeOperators: { mine: { merge } }, ...quiet });
  const batch = db.batch().put("before", "1").put("k", "a").merge("k", "b").put("after", "1");
  const failing = db.write(batch);
  await expect(failing).rejects.toBeInstanceOf(MergeError);
  await expect(failing).rejects.toMatchObject({ operator: "mine", key: encodeUtf8("k") });
  expect([db.seq, place.counting.total]).toEqual([0, 0]);
  expect(await db.keys().nextMany(9)).toEqual([]);
  fails = false;
  await db.write(batch);
  expect(text(await db.get("k"))).toBe("a");
});

test("what an operator does to its arguments is its own affair, and the batch stays as it was", async () => {
  const scribble: MergeOperator = {
    merge: (key, value, operands) => {
      const sum = Uint8Array.from(Buffer.concat([value ?? new Uint8Array(0), ...operands]));
      for (const bytes of [key, value, ...operands]) bytes?.fill(0);
      return sum;
    },
  };
  const { db } = await sceneOf({ mergeOperators: { scribble }, ...quiet });
  const batch = db.batch().put("k", "a").merge("k", "b").put("z", "c");
  for (let i = 0; i < 2; i++) {
    await db.write(batch, { durable: false });
    expect((await db.keys().nextMany(9)).map(text)).toEqual(["k", "z"]);
    expect(text(await db.get("k"))).toBe("ab");
  }
});

test("two operators on a key of a batch need a value to begin with", async () => {
  const { db } = await sceneOf(two);
  const sum = { operator: "sum" };
  const bad = db.batch().merge("k", encodeUint64(1n), sum).merge("k", "x", { operator: "log" });
  await expect(db.write(bad)).rejects.toMatchObject({
    ...{ kind: "invalid", message: expect.stringMatching(/"sum" and "log" into key "k"/) },
  });
  expect(db.seq).toBe(0);
  const good = db
    .batch()
    .put("k", encodeUint64(1n))
    .merge("k", encodeUint64(2n), sum)
    .merge("k", "x", { operator: "log" });
  await db.write(good);
  expect(Buffer.from((await db.get("k"))!).toString("hex")).toBe("030000000000000078");
});

test("a batch with merges is refused by another database", async () => {
  const { db } = await sceneOf(log);
  const { db: other } = await sceneOf(log);
  const batch = db.batch().merge("k", "a");
  await expect(other.write(batch)).rejects.toMatchObject({ kind: "invalid" });
  await other.write(db.batch().put("k", "a"));
  expect(await other.has("k")).toBe(true);
});

test("a merge decides when the value expires, counts from its own creation, and builds on nothing that has expired", async () => {
  const { place, db } = await sceneOf(log);
  const { clock } = place;
  const start = clock.now();
  const write = { durable: false };
  await db.put("k", "a", { ttlMs: 10, ...write });
  await db.merge("k", "b", { ttlMs: 100, ...write });
  await db.merge("plain", "c", write);
  expect((await db.getEntry("k"))?.expiresAt).toBe(start + 100);
  clock.setWall(start + 9);
  expect(text(await db.get("k"))).toBe("ab");
  clock.setWall(start + 10);
  expect(text(await db.get("k"))).toBe("b");
  clock.setWall(start + 100);
  expect(await db.get("k")).toBeUndefined();
  await db.merge("k", "d", write);
  expect(text(await db.get("k"))).toBe("d");
});

test("in a batch too the last operation of a key decides, and what has expired counts as a delete", async () => {
  const { place, db } = await sceneOf({ ...log, defaultTtlMs: 1000 });
  const start = place.clock.now();
  const batch = db
    .batch()
    .put("put", "a", { ttlMs: 10 })
    .merge("put", "b", { ttlMs: 20 })
    .merge("merges", "a", { ttlMs: 10 })
    .merge("merges", "b")
    .put("expired", "a", { expiresAt: start })
    .merge("expired", "b", { ttlMs: 30 })
    .merge("both", "a", { expiresAt: start })
    .merge("both", "b")
    .delete("deleted")
    .merge("deleted", "a", { expiresAt: start })
    .merge("deleted", "b")
    .put("alive", "a", { expiresAt: start + 1 })
    .merge("alive", "b");
  for (const key of ["merges", "both"]) await db.put(key, "old-", { durable: false });
  await db.write(batch, { ttlMs: 500, durable: false });
  const seen: unknown[] = [];
  for await (const { key, value } of db.scan()) {
    seen.push([text(key), text(value), (await db.getEntry(key))!.expiresAt! - start]);
  }
  expect(seen).toEqual([
    ["alive", "ab", 500],
    ["both", "b", 500],
    ["deleted", "b", 500],
    ["expired", "b", 30],
    ["merges", "old-ab", 500],
    ["put", "ab", 20],
  ]);
});

test("a change feed tells of merges with their operands, in the order of the batch", async () => {
  const { place, db } = await sceneOf(two);
  const feed = db.changes()[Symbol.asyncIterator]();
  const next = feed.next();
  const start = place.clock.now();
  const batch = db
    .batch()
    .merge("b", "1", { operator: "log" })
    .merge("a", encodeUint64(1n), { operator: "sum", ttlMs: 10 })
    .put("c", "x")
    .merge("c", "y", { operator: "log" })
    .merge("b", "2", { operator: "log" });
  await db.write(batch);
  const { value: change } = await place.clock.advanceUntil(next);
  const bytes = (string: string) => encodeUtf8(string);
  expect(change?.operations).toEqual([
    {
      ...{ type: "merge", key: bytes("a"), operands: [encodeUint64(1n)] },
      ...{ operator: "sum", expiresAt: start + 10 },
    },
    { type: "put", key: bytes("c"), value: bytes("xy") },
    { type: "merge", key: bytes("b"), operands: [bytes("1"), bytes("2")], operator: "log" },
  ]);
  await feed.return?.();
  await place.clock.advanceUntil(db.close());
});

test("merges that wait for memory keep what they were called with", async () => {
  const small = { memTableBytes: 4096, unflushedBytesMax: 8192, ...two };
  const { place, db } = await sceneOf(small);
  const held = new HeldRequests(place.faulty, ({ operation }) => operation === "put");
  await db.put("full", "", { durable: false });
  const by = { operator: "log" };
  const operand = encodeUtf8("1");
  const batch = db.batch().merge("k", operand, by).merge("k", "2", by);
  const waiting = [
    db.merge("k", operand, { durable: false, ...by }),
    db.write(batch, { durable: false }),
    db.merge("k", "3", { durable: false, ...by }),
  ];
  operand.fill(0);
  batch.merge("k", "later", by);
  await turns();
  expect(db.stats().waitingWrites).toBe(3);
  held.release();
  await place.clock.advanceUntil(Promise.all(waiting));
  expect(text(await db.get("k"))).toBe("1123");
  await place.clock.advanceUntil(db.close());
});

type Step =
  | { type: "put"; key: string; value: string; lifetime: LifetimeOptions }
  | { type: "merge"; key: string; value: string; lifetime: LifetimeOptions }
  | { type: "delete"; key: string };

const lifetimes = fc.constantFrom<LifetimeOptions>({}, {}, {}, { ttlMs: 5 }, { expiresAt: 1 });
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    type: fc.constantFrom("put" as const, "merge" as const, "merge" as const),
    key: fc.constantFrom("a", "b", "", "é"),
    value: fc.string({ maxLength: 3 }),
    lifetime: lifetimes,
  }),
  fc.record({ type: fc.constant("delete" as const), key: fc.constantFrom("a", "b", "", "é") }),
);

/** Values by key; what has expired when it is written is none. */
function applyTo(values: Map<string, string | undefined>, step: Step): void {
  const before = values.get(step.key) ?? "";
  if (step.type === "delete") values.set(step.key, undefined);
  else if (step.lifetime.expiresAt === 1) values.set(step.key, undefined);
  else values.set(step.key, step.type === "put" ? step.value : before + step.value);
}

const toOperation = (step: Step): WriteOperation => {
  if (step.type === "delete") return step;
  const { type, key, value, lifetime } = step;
  return type === "put"
    ? { type, key, value, ...lifetime }
    : { type, key, operand: value, ...lifetime };
};

test("batches, cut as they may be, come to what single writes come to", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(steps, { maxLength: 8 }), { maxLength: 6 }),
      fc.boolean(),
      async (batches, flushes) => {
        const { place, db } = await sceneOf(log);
        const values = new Map<string, string | undefined>();
        for (const batch of batches) {
          await db.write(batch.map(toOperation), { durable: false });
          for (const step of batch) applyTo(values, step);
          if (flushes) await place.clock.advanceUntil(db.flush({ to: "l0" }));
        }
        const expected = [...values]
          .filter(([, value]) => value !== undefined)
          .sort(([a], [b]) => compareBytes(encodeUtf8(a), encodeUtf8(b)));
        for (const reverse of [false, true]) {
          const rows = await db.scan({ reverse }).nextMany(9);
          const seen = rows.map(({ key, value }) => [text(key), text(value)]);
          expect(reverse ? seen.reverse() : seen).toEqual(expected);
        }
        for (const [key, value] of values) expect(text(await db.get(key))).toBe(value);
      },
    ),
    { numRuns: 150 },
  );
});
