/** A compaction asks for long lists again and again: they are read once, and decoding one leaves others their turns. */
import { expect, test } from "vitest";
import { type Clock, systemClock } from "../../../src/common/clock.js";
import { KeptRunLists } from "../../../src/compaction/run-list-reads.js";
import { buildSortedRun } from "../../../src/manifest/sorted-run.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { BlockCache } from "../../../src/sst/block-cache.js";
import { TableStore } from "../../../src/sst/table-store.js";
import { CountingObjectStore, MemoryObjectStore } from "../../../src/testing/index.js";
import { databaseId, sstOf, ulid } from "../manifest/manifests.js";

const keyOf = (i: number): Uint8Array<ArrayBuffer> => Uint8Array.of(i >> 16, i >> 8, i);

async function scene(sstCount: number) {
  const inner = new MemoryObjectStore();
  const store = new CountingObjectStore(inner);
  const ssts = Array.from({ length: sstCount }, (_, i) => ({
    ...sstOf(i, 1, 2),
    ...{ id: ulid(10 + i), firstKey: keyOf(i), lastKey: keyOf(i) },
  }));
  const { run, list } = buildSortedRun(databaseId, { id: ulid(5), level: 0 }, ssts);
  await inner.put(ObjectPaths.run(run.id), list!);
  const shared = new TableStore({ store, databaseId, cache: new BlockCache(1 << 24) }).runLists;
  return { store, run, ssts, shared };
}

test("a list of 20,000 SSTs takes one GET for all looks, and a turn for each slice of some ms", async () => {
  const { store, run, ssts, shared } = await scene(20_000);
  let turns = 0;
  // After each part, time is up.
  let time = 0;
  const clock: Clock = {
    ...systemClock,
    monotonic: () => (time += 5),
    endOfTurn(callback) {
      turns++;
      setImmediate(callback);
    },
  };
  expect(shared.isShort(run)).toBe(false);
  const lists = new KeptRunLists(store, databaseId, { clock, shared });
  expect(await lists.all(run)).toEqual(ssts);
  expect(turns).toBeGreaterThan(20);
  lists.keepOnly([run]);
  expect(await lists.all(run)).toBe(await lists.all(run));
  expect(store.requests.map(({ operation }) => operation)).toEqual(["get"]);
  // What no manifest names any more takes no room.
  lists.keepOnly([]);
  await lists.all(run);
  expect(store.requests).toHaveLength(2);
});

test("a short list is shared with whoever reads the run", async () => {
  const { store, run, ssts, shared } = await scene(20);
  const lists = new KeptRunLists(store, databaseId, { shared });
  expect(await lists.all(run)).toEqual(ssts);
  expect(shared.getIfOpen(run)).toBeDefined();
  lists.keepOnly([]);
  await lists.all(run);
  expect(store.requests).toHaveLength(1);
});
