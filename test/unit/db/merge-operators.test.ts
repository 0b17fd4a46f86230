/** Merge operators of a database: named at the open, remembered, required by writers and missed by readers only where they are needed. */
import { describe, expect, test, vi } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
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
