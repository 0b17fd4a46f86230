/** Merge operators of a database: named at the open, remembered, required by writers and missed by readers only where they are needed. */
import { describe, expect, test, vi } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { RowRef } from "../../../src/common/row.js";
import {
  bytesAppend,
  bytesMax,
  Db,
  DbReader,
  type MergeOperator,
  type OpenOptions,
  uint64Add,
} from "../../../src/index.js";
import { MergeOperators } from "../../../src/merge/merge-operators.js";
import { packOperands } from "../../../src/merge/packed-operands.js";
import { MemoryObjectStore } from "../../../src/testing/index.js";
import { newPlace, requestsOf } from "./support.js";

const at = (store: MemoryObjectStore) => ({ store, path: "db" });
const closed = async (store: MemoryObjectStore, mergeOperators: OpenOptions["mergeOperators"]) =>
  (await Db.open(at(store), { mergeOperators })).close();

test("a database remembers names: a writer without one of them changes nothing and is told which", async () => {
  const store = new MemoryObjectStore();
  await closed(store, { log: bytesAppend, count: uint64Add });
  const place = newPlace(store);
  for (const mergeOperators of [undefined, {}, { log: bytesAppend }]) {
    await expect(Db.open(place.at, { mergeOperators })).rejects.toMatchObject({
      ...{ kind: "invalid", message: expect.stringMatching(/merge operator "(log|count)"/) },
    });
  }
  expect(requestsOf(place.counting).filter((request) => !request.startsWith("get"))).toEqual([]);
  // More of them, in any order.
  await closed(store, { best: bytesMax, count: uint64Add, log: bytesAppend });
  await expect(closed(store, { log: bytesAppend, count: uint64Add })).rejects.toMatchObject({
    message: expect.stringContaining('"best"'),
  });
});

test("names are recorded with the claim, at no request of their own, and set the required feature", async () => {
  const store = new MemoryObjectStore();
  await closed(store, undefined);
  const place = newPlace(store);
  const plain = await Db.open(place.at);
  const without = requestsOf(place.counting).length;
  await plain.close();
  place.counting.reset();
  const db = await Db.open(place.at, { mergeOperators: { log: bytesAppend } });
  expect(requestsOf(place.counting)).toHaveLength(without);
  await db.close();
});

test("a name that only a newer manifest has refuses the claim as well", async () => {
  const store = new MemoryObjectStore();
  await closed(store, undefined);
  const place = newPlace(store);
  // Between the search for the newest manifest and the commit, another writer names an operator.
  let claimed: Promise<void> | undefined;
  const create = store.create.bind(store);
  vi.spyOn(store, "create").mockImplementation(async (...args) => {
    if (claimed === undefined && args[0].includes("manifest")) {
      claimed = closed(store, { log: bytesAppend });
      await claimed;
    }
    return create(...args);
  });
  await expect(Db.open(place.at)).rejects.toMatchObject({
    ...{ kind: "invalid", message: expect.stringContaining('"log"') },
  });
});

test("readers open without operators, and with any", async () => {
  const store = new MemoryObjectStore();
  await closed(store, { log: bytesAppend });
  for (const mergeOperators of [undefined, { other: uint64Add }, { log: bytesAppend }]) {
    const reader = await DbReader.open(at(store), { mergeOperators });
    await reader.close();
  }
});

const merge: MergeOperator["merge"] = () => undefined;
const anyName = (name: string) => ({ [name]: { merge } });

test.each<[string, unknown]>([
  ["no object", "append"],
  ["null", null],
  ["an array", [bytesAppend]],
  ["an empty name", anyName("")],
  ["a name that is too long", anyName("x".repeat(257))],
  ["a name that is no text", anyName("\ud800")],
  ["an operator that is null", { a: null }],
  ["an operator that is undefined", { a: undefined }],
  ["a function for an operator", { a: merge }],
  ["an operator without merge", { a: { combine: merge } }],
  ["a merge that is no function", { a: { merge: 1 } }],
  ["a combine that is no function", { a: { merge, combine: 1 } }],
  ["a check that is no function", { a: { merge, check: null } }],
])("%s is refused before anything happens", async (_, option) => {
  const place = newPlace();
  const options = { mergeOperators: option as NonNullable<OpenOptions["mergeOperators"]> };
  await expect(Db.open(place.at, options)).rejects.toMatchObject({ kind: "invalid" });
  await expect(DbReader.open(place.at, options)).rejects.toMatchObject({ kind: "invalid" });
  expect(place.counting.requests).toEqual([]);
});

test("names of 256 characters, and any text, are taken", async () => {
  const store = new MemoryObjectStore();
  const names = { ["x".repeat(256)]: bytesAppend, "\u{1f600}": bytesAppend, "1": bytesAppend };
  await closed(store, names);
  await closed(store, names);
});

describe("what a write may name", () => {
  const one = new MergeOperators(["count"], new Map([["count", uint64Add]]));
  const given = new Map<string, MergeOperator>([
    ["count", uint64Add],
    ["log", bytesAppend],
  ]);
  const two = new MergeOperators(["count", "log"], given);
  const number = new Uint8Array(8);

  test("the only operator need not be named", () => {
    expect([one.idFor(undefined, number), one.idFor("count", number)]).toEqual([1, 1]);
    expect([two.idFor("log", number), two.idFor("count", number)]).toEqual([2, 1]);
  });

  test.each<[MergeOperators, unknown, string]>([
    [two, undefined, "count, log"],
    [two, "lag", 'Did you mean "log"?'],
    [two, "something", '"something"'],
    [two, 1, "number"],
    [two, "toString", '"toString"'],
    [new MergeOperators([], new Map()), undefined, "no merge operators"],
    [new MergeOperators([], new Map()), "count", '"count"'],
  ])("what is no operator is refused", (operators, name, message) => {
    expect(() => operators.idFor(name, number)).toThrow(
      expect.objectContaining({ kind: "invalid", message: expect.stringContaining(message) }),
    );
  });

  test("operands that the operator does not take are refused", () => {
    expect(() => one.idFor("count", encodeUtf8("1"))).toThrow(
      expect.objectContaining({ kind: "invalid", message: expect.stringContaining("8 bytes") }),
    );
  });
});

describe("what an operator does wrong is the failure of its key", () => {
  const failOf = (merging: unknown) => {
    const operators = new MergeOperators(
      ["mine"],
      new Map([["mine", { merge: () => (merging as () => Uint8Array)() }]]),
    );
    return () => operators.apply(1, encodeUtf8("k"), undefined, [encodeUtf8("x")]);
  };

  test.each<[string, () => unknown, string]>([
    ["an error", () => JSON.parse("{"), "it threw"],
    ["a string", () => "text", "not a Uint8Array"],
    ["null", () => null, "not a Uint8Array"],
    ["a promise", () => Promise.resolve(new Uint8Array(1)), "not a Uint8Array"],
    ["a Float64Array", () => new Float64Array(1), "not a Uint8Array"],
    ["a value that is too long", () => new Uint8Array(512 * 1024 * 1024 + 1), "at most"],
  ])("%s", (_, merging, message) => {
    expect(failOf(merging)).toThrow(
      expect.objectContaining({
        ...{ name: "MergeError", kind: "invalid", operator: "mine", key: encodeUtf8("k") },
        message: expect.stringMatching(new RegExp(`"mine" failed on key "k": .*${message}`)),
      }),
    );
  });

  test("what it threw is the cause", () => {
    const thrown = new RangeError("no");
    const fail = failOf(() => {
      throw thrown;
    });
    expect(fail).toThrow(expect.objectContaining({ cause: thrown }));
  });

  test("an id without a name, and a name without code, are unsupported", () => {
    const operators = new MergeOperators(["mine"], new Map());
    const unsupported = (message: string) =>
      expect.objectContaining({ kind: "unsupported", message: expect.stringContaining(message) });
    expect(() => operators.apply(1, Uint8Array.of(0, 1), undefined, [])).toThrow(
      unsupported('Key 0x0001 cannot be read: its merge operator "mine"'),
    );
    for (const id of [0, 2]) {
      expect(() => operators.apply(id, encodeUtf8("k"), undefined, [])).toThrow(
        unsupported(`operator ${id}`),
      );
    }
  });
});

describe("operands of a batch become one when they are flushed, where the operator can combine them", () => {
  const x = encodeUtf8("x");
  const y = encodeUtf8("y");
  const apart = packOperands([x, y]);
  const combined = (combine: MergeOperator["combine"] | undefined, value = apart) => {
    const row = new RowRef();
    row.keyBytes = row.valueBytes = Uint8Array.of(1, ...value);
    row.keyEnd = row.valueStart = 1;
    row.valueEnd = 1 + value.length;
    row.operatorId = 1;
    const mine = { merge, ...(combine && { combine }) };
    new MergeOperators(["mine"], new Map([["mine", mine]])).combine(row);
    return row.value().slice();
  };

  test("and stay as they are where it cannot, throws, or answers what is no operand or longer", () => {
    expect(combined(() => encodeUtf8("xy"))).toEqual(packOperands([encodeUtf8("xy")]));
    for (const answer of [undefined, "xy", null, Promise.resolve(x), new Uint8Array(4)]) {
      expect(combined(() => answer as unknown as Uint8Array)).toEqual(apart);
    }
    expect(combined(undefined)).toEqual(apart);
    const thrown = (): never => {
      throw new Error("no");
    };
    expect(combined(thrown)).toEqual(apart);
    expect(combined(() => x, Uint8Array.of(9, 1))).toEqual(Uint8Array.of(9, 1));
  });

  test("one operand is never combined, and none is changed by an operator", () => {
    expect(combined(() => encodeUtf8("wrong"), packOperands([x]))).toEqual(packOperands([x]));
    const hostile: MergeOperator["combine"] = (key, operands) => {
      for (const array of [key, ...operands]) array.fill(0);
      return undefined;
    };
    expect(combined(hostile)).toEqual(apart);
  });

  test("reads are the same, before, after, and in a transaction", async () => {
    const seen: number[] = [];
    const log: MergeOperator = {
      ...bytesAppend,
      merge(key, value, operands) {
        seen.push(operands.length);
        return bytesAppend.merge(key, value, operands);
      },
    };
    const db = await Db.open(at(new MemoryObjectStore()), { mergeOperators: { log } });
    await db.write(db.batch().merge("k", "a").merge("k", "b").merge("k", "c"));
    expect(await db.get("k")).toEqual(encodeUtf8("abc"));
    await db.flush({ to: "l0" });
    await db.merge("k", "d");
    expect(await db.get("k")).toEqual(encodeUtf8("abcd"));
    expect(seen).toEqual([3, 2]);
    const transaction = db.begin();
    await db.merge("k", "e");
    expect(await transaction.get("k")).toEqual(encodeUtf8("abcd"));
    transaction.put("j", "own");
    const rows = await transaction.scan().nextMany(9);
    expect(rows.map(({ value }) => value)).toEqual([encodeUtf8("own"), encodeUtf8("abcd")]);
    transaction.rollback();
    await db.close();
  });
});
