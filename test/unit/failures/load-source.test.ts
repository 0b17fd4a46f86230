/** Loads whose entries, or whose caller, go wrong: they reject with that very error, and leave nothing behind. */
import { beforeEach, describe, expect, test } from "vitest";
import type { LoadEntry } from "../../../src/index.js";
import { turns } from "../db/support.js";
import {
  expectNoTrace,
  keyOf,
  type LoadScene,
  listed,
  openSmall,
  rows,
  Source,
  watchLoad,
} from "./load-support.js";
import { expectNoUnhandledRejections } from "./support.js";

expectNoUnhandledRejections();
let scene: LoadScene;
beforeEach(async () => {
  scene = await openSmall();
});

const broke = new Error("the source broke");

describe("a source that breaks", () => {
  test.each([0, 1, 59, 200, 1000])("after %i rows, by throwing", async (count) => {
    function* source(): Generator<LoadEntry> {
      yield* rows(count);
      throw broke;
    }
    await expect(scene.db.load(source())).rejects.toBe(broke);
    await expectNoTrace(scene);
  });

  test.each([0, 1, 200, 1000])("after %i rows, by rejecting", async (count) => {
    async function* source(): AsyncGenerator<LoadEntry> {
      for (const row of rows(count)) {
        if (count > 500) await turns(1);
        yield row;
      }
      throw broke;
    }
    await expect(scene.db.load(source())).rejects.toBe(broke);
    await expectNoTrace(scene);
  });

  test("before it begins", async () => {
    const never = {
      [Symbol.iterator](): Iterator<LoadEntry> {
        throw broke;
      },
    };
    await expect(scene.db.load(never)).rejects.toBe(broke);
    expect(scene.place.counting.total).toBe(0);
    await expectNoTrace(scene);
  });
});

test.each<[string, unknown]>([
  ["a number", 5],
  ["null", null],
  ["a function", () => ["a", "b"]],
  ["a key alone", ["a"]],
  ["three things", ["a", "b", "c"]],
  ["a value that is a number", { key: "a", value: 5 }],
  ["a key that is too long", ["k".repeat(65_536), ""]],
  ["what expires at no time", { key: "a", value: "v", expiresAt: 0 }],
  ["a negative ttl", { key: "a", value: "v", ttlMs: -60_000 }],
  ["what expires in two ways", { key: "a", value: "v", ttlMs: 1, expiresAt: 1 }],
  ["a delete", { type: "delete", key: "a", value: "v" }],
])("%s among the entries is refused, and the source is told to stop", async (_, bad) => {
  let returned = 0;
  function* source(): Generator<LoadEntry> {
    try {
      yield* rows(300);
      yield bad as LoadEntry;
      yield* rows(300);
    } finally {
      returned++;
    }
  }
  async function* slowly(): AsyncGenerator<LoadEntry> {
    yield* source();
  }
  for (const entries of [source(), slowly()]) {
    const error = scene.db.load(entries);
    await expect(error).rejects.toMatchObject({ kind: "invalid" });
  }
  expect(returned).toBe(2);
  await expectNoTrace(scene);
});

test("what an entry leaves undefined, and whatever else it has, is its own affair", async () => {
  const { db, place } = scene;
  const entry = { key: "a", value: "v", expiresAt: undefined, ttlMs: undefined, seq: 7, note: "x" };
  expect(await place.clock.advanceUntil(db.load([entry]))).toMatchObject({ rows: 1, seq: 2 });
  await place.clock.advanceUntil(db.close());
});

test("what onProgress throws ends the load, even while the source waits", async () => {
  // One SST is on its way and the next not full when the source stops giving.
  const source = new Source(130, rows(10));
  const load = scene.db.load(source, {
    onProgress: () => {
      throw broke;
    },
  });
  await expect(load).rejects.toBe(broke);
  source.gate.resolve("end");
  await turns();
  expect(source.returned).toBe(1);
  await expectNoTrace(scene);
});

test("onProgress is told of all rows, more each time, and of none twice", async () => {
  const seen: number[] = [];
  const { db, place } = scene;
  const result = await place.clock.advanceUntil(
    db.load(rows(1000), { onProgress: ({ rows: stored }) => void seen.push(stored) }),
  );
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  expect([new Set(seen).size, seen.at(-1)]).toEqual([seen.length, 1000]);
  expect(result).toMatchObject({ rows: 1000, bytes: 1000 * (keyOf(0).length + 60), seq: 2 });
  await place.clock.advanceUntil(db.close());
});

test("an abort while the source waits ends the load with its reason; what the source gives later is not read", async () => {
  const controller = new AbortController();
  const source = new Source(500, rows(1_000_000));
  const load = watchLoad(scene, source, { signal: controller.signal });
  await turns();
  expect((await listed(scene.place)).length).toBeGreaterThan(2);
  expect(load.outcome).toBe("pending");
  controller.abort(broke);
  await turns();
  expect(load.error).toBe(broke);
  source.gate.resolve("end");
  await turns();
  expect(source.returned).toBe(1);
  await expectNoTrace(scene);
});

test("a source that aborts its own load, and then goes on for ever, is stopped", async () => {
  const controller = new AbortController();
  let given = 0;
  function* source(): Generator<LoadEntry> {
    for (;;) {
      yield { key: keyOf(given), value: "" };
      if (given++ === 1000) controller.abort(broke);
    }
  }
  await expect(scene.db.load(source(), { signal: controller.signal })).rejects.toBe(broke);
  expect(given).toBeLessThan(3000);
  await expectNoTrace(scene);
});

test("a load of no rows makes no request, and takes no seq", async () => {
  async function* none(): AsyncGenerator<LoadEntry> {}
  for (const entries of [[], new Map<string, string>(), none()]) {
    expect(await scene.db.load(entries)).toEqual({ rows: 0, bytes: 0, seq: 1 });
  }
  expect(scene.place.counting.total).toBe(0);
  await expectNoTrace(scene);
});
