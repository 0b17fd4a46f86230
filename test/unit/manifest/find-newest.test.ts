/** How the newest manifest is found: by hint and probes while the hint is young, by listing otherwise. */
import { expect, test } from "vitest";
import { findNewest } from "../../../src/manifest/find-newest.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { CountingObjectStore, ManualClock, MemoryObjectStore } from "../../../src/testing/index.js";
import { day, hour, putHint, putManifest, ulid } from "./manifests.js";

const retentionMs = 30 * day;

class Fixture {
  readonly clock = new ManualClock();
  readonly inner = new MemoryObjectStore();
  readonly store = new CountingObjectStore(this.inner);

  find() {
    const { clock } = this;
    return findNewest(new ManifestStore(this.store), { clock, retentionMs });
  }
}

test("it finds the newest however far the hint is behind, in few GETs", async () => {
  const place = new Fixture();
  await putHint(place.inner, await putManifest(place.inner, 1));
  for (let newest = 1; newest <= 300; newest++) {
    if (newest > 1) await putManifest(place.inner, newest);
    place.store.reset();
    expect((await place.find())!.number).toBe(newest);
    const { get, list } = place.store.counts;
    expect(list).toBe(0);
    // The hint and what is absent; four in a row; and twice the binary digits of what is left.
    const bound = newest < 5 ? newest + 1 : 6 + 2 * Math.ceil(Math.log2(newest)) + 1;
    expect(get, `newest ${newest}`).toBeLessThanOrEqual(bound);
  }
});

test("the hint is where to start, and never the truth", async () => {
  const place = new Fixture();
  await putManifest(place.inner, 1);
  await putHint(place.inner, await putManifest(place.inner, 2));
  await putManifest(place.inner, 3);
  expect((await place.find())!.number).toBe(3);
});

test.each<[string, (place: Fixture) => Promise<void>]>([
  ["missing", async (place) => place.inner.delete([ObjectPaths.manifestHint])],
  ["damaged", async (place) => place.inner.put(ObjectPaths.manifestHint, new Uint8Array(100))],
  ["empty", async (place) => place.inner.put(ObjectPaths.manifestHint, new Uint8Array(0))],
  ["older than half of the retention", async (place) => place.clock.advance(15 * day + 1)],
])("without a usable hint (%s) a listing decides", async (_, spoil) => {
  const place = new Fixture();
  for (const number of [1, 2, 9, 10]) await putManifest(place.inner, number);
  await putHint(place.inner, await putManifest(place.inner, 2));
  await spoil(place);
  // What is no manifest is no number.
  await place.inner.put("manifest/00000000000000000099.tmp", new Uint8Array(1));
  await place.inner.put("manifest/99.manifest", new Uint8Array(1));
  expect((await place.find())!.number).toBe(10);
  expect(place.store.counts.list).toBeGreaterThan(0);
});

test("a stray in a deleted range is not found from a hint that is old", async () => {
  const place = new Fixture();
  await putHint(place.inner, await putManifest(place.inner, 5));
  await place.inner.delete([ObjectPaths.manifest(5)]);
  await putManifest(place.inner, 6, { writerEpoch: 77 });
  await place.clock.advance(20 * day);
  await putManifest(place.inner, 40, { createdAt: place.clock.now() - hour });
  expect(await place.find()).toMatchObject({ number: 40 });
});

test("a manifest of another database is refused, whichever way it was come to", async () => {
  const place = new Fixture();
  await putHint(place.inner, await putManifest(place.inner, 1));
  await putManifest(place.inner, 2, { databaseId: ulid(5) });
  await expect(place.find()).rejects.toMatchObject({
    kind: "corruption",
    object: ObjectPaths.manifest(2),
  });
});

test("a damaged manifest is corruption with its name, not an earlier one", async () => {
  const place = new Fixture();
  await putHint(place.inner, await putManifest(place.inner, 1));
  await place.inner.put(ObjectPaths.manifest(2), new Uint8Array(50));
  await expect(place.find()).rejects.toMatchObject({
    kind: "corruption",
    object: ObjectPaths.manifest(2),
  });
});

test("nothing is no database, and what a probe left behind is nothing", async () => {
  const place = new Fixture();
  expect(await place.find()).toBeUndefined();
  await place.inner.put(ObjectPaths.probe("x"), new Uint8Array(1));
  expect(await place.find()).toBeUndefined();
});
