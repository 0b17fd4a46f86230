/** Clones give up what they hold of other databases: once nothing names it, at every point where a process may have died, whatever is left there. */
import { beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../src/common/clock.js";
import { seededRandom } from "../../../src/common/random.js";
import {
  type Checkpoint,
  CheckpointPurpose,
  type ExternalDatabase,
  Feature,
  type Manifest,
  RetiredKind,
} from "../../../src/format/manifest.js";
import { encodeRunList } from "../../../src/format/run-list.js";
import { Collector } from "../../../src/gc/collector.js";
import { releaseExternals } from "../../../src/gc/release-externals.js";
import { findNewest } from "../../../src/manifest/find-newest.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import { plainCheckpoint } from "../../../src/manifest/plain-checkpoint.js";
import { instantOf, StoredManifest } from "../../../src/manifest/stored-manifest.js";
import type { ObjectStore } from "../../../src/object-store/object-store.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { FaultyObjectStore, MemoryObjectStore } from "../../../src/testing/index.js";
import { databaseId, day, hour, putManifest, sstOf, ulid } from "../manifest/manifests.js";
import { StepClock } from "./step-clock.js";

const parentId = "01ARZ3NDEKTSV4RRFFQ69G5FAW";
const clock = systemClock;
const random = seededRandom(5);
const retentionMs = 30 * day;
const pin = ulid(700);
const held: ExternalDatabase = {
  ...{ databaseId: parentId, path: "parent", checkpointId: pin, isLeaving: false },
};

let inner = new MemoryObjectStore();
beforeEach(() => {
  inner = new MemoryObjectStore();
});

const checkpointOf = (over: Partial<Checkpoint>): Checkpoint => ({
  ...{ ...plainCheckpoint, id: ulid(800), name: "", manifestNumber: 1 },
  ...{ createdAt: 0, ttlMs: 0, refreshedNumber: 1 },
  ...over,
});
const owned = (number: number) => ({
  ...{ ssts: [{ ...sstOf(number, 1, 1), owner: parentId }], seq: 0 },
});
const features = { requiredFeatures: [Feature.externals], lastL0Seq: 9, lastSeq: 9 };

/** Manifests of the clone, from 1 on. The last is the hint, as fresh as can be. */
async function putClone(...manifests: Partial<Manifest>[]): Promise<void> {
  const store = prefixed(inner, "clone");
  for (const [i, over] of manifests.entries()) {
    await putManifest(store, i + 1, { ...features, externals: [held], ...over });
  }
}

async function putParent(over: Partial<Manifest> = {}, path = "parent"): Promise<void> {
  const store = prefixed(inner, path);
  const purpose = CheckpointPurpose.clone;
  const checkpoints = [checkpointOf({ id: pin, purpose, holder: "clone" }), checkpointOf({})];
  await putManifest(store, 1, { databaseId: parentId, checkpoints, ...over });
}

async function newestAt(path: string, store: ObjectStore = inner): Promise<Manifest> {
  const manifests = new ManifestStore(prefixed(store, path));
  return (await findNewest(manifests, { clock, retentionMs }))!;
}

async function release(store: ObjectStore = inner, graceMs = 0): Promise<number> {
  const manifests = new ManifestStore(prefixed(store, "clone"));
  const searchedAt = instantOf(clock);
  const newest = await findNewest(manifests, { clock, retentionMs });
  const options = { clock, random, retentionMs };
  const stored = new StoredManifest(manifests, newest!, { ...options, searchedAt });
  return releaseExternals(stored, { ...options, graceMs, at: (path) => prefixed(store, path) });
}

const pinsOfParent = async (): Promise<string[]> =>
  (await newestAt("parent")).checkpoints.map(({ id }) => id);

/** A run whose list is an object, with an SST of the parent in it. */
async function longRun(ownList: boolean): Promise<Manifest["runs"][number]> {
  const ssts = Array.from({ length: 13 }, (_, i) => {
    const key = Uint8Array.of(i);
    const owner = ownList && i !== 5 ? "" : parentId;
    return { ...sstOf(100 + i, 1, 1), firstKey: key, lastKey: key, owner };
  });
  const id = ulid(200);
  const { bytes, indexOffset } = encodeRunList(databaseId, id, ssts);
  await inner.put(`clone/${ObjectPaths.run(id)}`, bytes);
  return {
    ...{ id, ssts: [], listBytes: bytes.length, indexOffset, firstKey: Uint8Array.of(0) },
    ...{ lastKey: Uint8Array.of(12), sstCount: 13, rowCount: 13, size: 1, level: 0 },
    ...{ rangeDeletes: [], owner: "" },
  };
}

test.each<[string, () => Promise<Partial<Manifest>[]>]>([
  ["an entry of L0", async () => [{ l0: [owned(1)] }]],
  [
    "an SST of a run in the manifest",
    async () => [
      {
        runs: [{ ...(await longRun(true)), listBytes: 0, ssts: owned(1).ssts, sstCount: 1 }],
      },
    ],
  ],
  ["an SST in a run's own list", async () => [{ runs: [await longRun(true)] }]],
  [
    "a checkpoint's manifest",
    async () => [{ l0: [owned(1)] }, { checkpoints: [checkpointOf({ manifestNumber: 1 })] }],
  ],
  [
    "a lingering checkpoint's manifest",
    async () => [
      { l0: [owned(1)] },
      { checkpoints: [checkpointOf({ manifestNumber: 1, isExpired: true })] },
    ],
  ],
])("nothing is given up while %s names it", async (_, manifests) => {
  await putClone(...(await manifests()));
  await putParent();
  expect(await release()).toBe(0);
  expect((await newestAt("clone")).externals).toEqual([held]);
  expect(await pinsOfParent()).toContain(pin);
});

test("what nothing names is given up: marked, dropped there, removed; other entries stay", async () => {
  const copied = { ...held, databaseId: ulid(5), path: "", checkpointId: "" };
  const named = { ...held, databaseId: ulid(6), checkpointId: ulid(701) };
  const l0 = [{ ssts: [{ ...sstOf(3, 1, 1), owner: named.databaseId }], seq: 0 }];
  await putClone({ l0: [owned(1)] }, { externals: [copied, held, named], l0 });
  await putParent();
  expect(await release()).toBe(1);
  expect((await newestAt("clone")).externals).toEqual([copied, named]);
  expect(await pinsOfParent()).toEqual([ulid(800)]);
  expect(await release()).toBe(0);
});

test("of several entries of one owner each checkpoint is dropped", async () => {
  const two = { ...held, checkpointId: ulid(701) };
  const purpose = CheckpointPurpose.clone;
  await putClone({ externals: [held, two] });
  await putParent({
    checkpoints: [checkpointOf({ id: pin, purpose }), checkpointOf({ id: ulid(701), purpose })],
  });
  expect(await release()).toBe(2);
  expect(await pinsOfParent()).toEqual([]);
});

test("entries that are leaving from the first manifest on are given up though the owner is named", async () => {
  const leaving = { ...held, checkpointId: ulid(701), isLeaving: true };
  const purpose = CheckpointPurpose.clone;
  await putClone({ externals: [held, leaving], l0: [owned(1)] });
  await putParent({
    checkpoints: [checkpointOf({ id: pin, purpose }), checkpointOf({ id: ulid(701), purpose })],
  });
  expect(await release()).toBe(1);
  expect((await newestAt("clone")).externals).toEqual([held]);
  expect(await pinsOfParent()).toEqual([pin]);
});

test("a checkpoint that is there for something else is left", async () => {
  await putClone({});
  await putParent({ checkpoints: [checkpointOf({ id: pin })] });
  expect(await release()).toBe(1);
  expect(await pinsOfParent()).toEqual([pin]);
});

test.each<[string, () => Promise<void>]>([
  ["has dropped it already", () => putParent({ checkpoints: [] })],
  ["was destroyed", () => putParent({ destroyed: true, checkpoints: [] })],
  [
    "has its objects of another one",
    () =>
      putParent({
        ...{ databaseId: ulid(9), checkpoints: [] },
        externals: [{ ...held, path: "", checkpointId: "" }],
      }),
  ],
])("a parent that %s is no obstacle", async (_, put) => {
  await putClone({});
  await put();
  expect(await release()).toBe(1);
  expect((await newestAt("clone")).externals).toEqual([]);
});

test.each<[string, () => Promise<void>]>([
  ["nothing", async () => undefined],
  ["another database", () => putParent({ databaseId: ulid(9), checkpoints: [] })],
])("where %s is at the path of the parent, the entry stays, until it is forced", async (_, put) => {
  await putClone({});
  await put();
  const manifests = new ManifestStore(prefixed(inner, "clone"));
  const searchedAt = instantOf(clock);
  const newest = await findNewest(manifests, { clock, retentionMs });
  const stored = new StoredManifest(manifests, newest!, {
    ...{ clock, random, retentionMs, searchedAt },
  });
  const paths: string[] = [];
  const options = { at: (path: string) => prefixed(inner, path), clock, random, retentionMs };
  const onNotFound = (path: string): number => paths.push(path);
  for (let call = 0; call < 2; call++) {
    expect(await releaseExternals(stored, { ...options, onNotFound })).toBe(0);
  }
  expect(paths).toEqual(["parent", "parent"]);
  expect((await newestAt("clone")).externals).toEqual([{ ...held, isLeaving: true }]);
  expect(await releaseExternals(stored, { ...options, onNotFound, force: true })).toBe(1);
  expect(paths).toHaveLength(2);
  expect((await newestAt("clone")).externals).toEqual([]);
});

test("cut at every request, whatever became of it, the next one ends it", async () => {
  for (const fate of ["crash-before", "crash-after"] as const) {
    for (let at = 0; ; at++) {
      inner = new MemoryObjectStore();
      await putClone({ l0: [owned(1)] }, {});
      await putParent();
      const store = new FaultyObjectStore(inner);
      let left = at;
      store.intercept = () => {
        if (left-- !== 0) return undefined;
        if (fate === "crash-before") store.crash();
        else queueMicrotask(() => store.crash());
        return undefined;
      };
      const isOver = await Promise.race([
        release(store).then(
          () => true,
          () => false,
        ),
        new Promise<boolean>((resolve) => setTimeout(resolve, 30, false)),
      ]);
      // The parent's checkpoint is there for as long as the entry does not say that it is leaving.
      const { externals } = await newestAt("clone");
      if (externals.some(({ isLeaving }) => !isLeaving))
        expect(await pinsOfParent()).toContain(pin);
      if (externals.length === 0) expect(await pinsOfParent()).not.toContain(pin);
      await release();
      expect((await newestAt("clone")).externals).toEqual([]);
      expect(await pinsOfParent()).toEqual([ulid(800)]);
      if (isOver) {
        expect(at).toBeGreaterThan(5);
        break;
      }
    }
  }
});

test("objects stay held for the grace after the last manifest that named them", async () => {
  const steps = new StepClock();
  inner = new MemoryObjectStore({ clock: steps });
  await putParent();
  const store = prefixed(inner, "clone");
  await putManifest(store, 1, { ...features, externals: [held], l0: [owned(1)] });
  steps.ms += hour / 2;
  await putManifest(store, 2, { ...features, externals: [held] });
  expect(await release(inner, hour)).toBe(0);
  // Now the first is old, which named them.
  steps.ms += hour / 2;
  expect(await release(inner, hour)).toBe(0);
  steps.ms += hour / 2;
  expect(await release(inner, hour)).toBe(1);
});

test("a collection gives it up where it may reach other databases, and not without", async () => {
  const retired = [
    {
      ...{ kind: RetiredKind.sst, manifestNumber: 2, ids: [ulid(1)] },
      ...{ epoch: 0, fromId: 0, toId: 0 },
    },
  ];
  await putClone({ l0: [owned(1)] }, { retired });
  await putParent();
  await inner.put(`parent/${ObjectPaths.sst(ulid(1))}`, new Uint8Array(1));
  const options = { store: prefixed(inner, "clone"), clock, random, retentionMs };
  const without = await new Collector(options).runOnce({ graceMs: 0 });
  expect([without.deleted.ssts, without.databasesReleased]).toEqual([1, 0]);
  // It deletes at its own path, where there is nothing.
  expect(await inner.head(`parent/${ObjectPaths.sst(ulid(1))}`)).toBeDefined();
  const at = (path: string): ObjectStore => prefixed(inner, path);
  const dry = await new Collector({ ...options, at }).runOnce({ graceMs: 0, dryRun: true });
  expect(dry.databasesReleased).toBe(0);
  const collector = new Collector({ ...options, at });
  expect((await collector.runOnce({ graceMs: 0 })).databasesReleased).toBe(1);
  expect(await pinsOfParent()).toEqual([ulid(800)]);
  expect((await collector.runOnce({ graceMs: 0 })).databasesReleased).toBe(0);
});
