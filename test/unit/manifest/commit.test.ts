/** Commits: conflicts, lost replies, what a number proves, and for how long. */
import { expect, test } from "vitest";
import { StoreError } from "../../../src/common/errors.js";
import { seededRandom } from "../../../src/common/random.js";
import type { Manifest } from "../../../src/format/manifest.js";
import { decodeManifest } from "../../../src/format/manifest-codec.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import { StoredManifest } from "../../../src/manifest/stored-manifest.js";
import { claimWriter, type Transition } from "../../../src/manifest/transitions.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import {
  CountingObjectStore,
  FaultyObjectStore,
  ManualClock,
  MemoryObjectStore,
} from "../../../src/testing/index.js";
import { day, hour, putManifest, ulid } from "./manifests.js";

let seeds = 0;

class Role {
  readonly clock: ManualClock;
  readonly faulty: FaultyObjectStore;
  readonly store: CountingObjectStore;
  readonly stored: StoredManifest;

  constructor(inner: MemoryObjectStore, clock: ManualClock, newest: Manifest) {
    this.clock = clock;
    this.faulty = new FaultyObjectStore(inner);
    this.store = new CountingObjectStore(this.faulty);
    const options = { clock, random: seededRandom(++seeds), retentionMs: 30 * day };
    this.stored = new StoredManifest(new ManifestStore(this.store), newest, options);
  }

  commit(transition: Transition, epoch?: number): Promise<Manifest> {
    return this.clock.advanceUntil(this.stored.commit(transition, { epoch }));
  }

  /** The requests since the last call, as operations. */
  taken(): string {
    const text = this.store.requests.map(({ operation }) => operation).join(" ");
    this.store.reset();
    return text;
  }
}

/** Two processes on one database, at the same manifest. */
async function roles(): Promise<[Role, Role, MemoryObjectStore, ManualClock]> {
  const clock = new ManualClock();
  const inner = new MemoryObjectStore();
  const first = await putManifest(inner, 1, { createdAt: clock.now() });
  return [new Role(inner, clock, first), new Role(inner, clock, first), inner, clock];
}

const addFeature =
  (feature: number): Transition =>
  (manifest) =>
    manifest.optionalFeatures.includes(feature)
      ? manifest
      : { ...manifest, optionalFeatures: [...manifest.optionalFeatures, feature] };

test("a commit creates the next number in one request, and one that changes nothing in none", async () => {
  const [role, , inner, clock] = await roles();
  const manifest = await role.commit(addFeature(1));
  expect([manifest.number, manifest.createdAt, role.taken()]).toEqual([2, clock.now(), "create"]);
  const path = ObjectPaths.manifest(2);
  expect(decodeManifest((await inner.get(path))!.bytes, path, 2)).toEqual(manifest);
  expect(await role.commit(addFeature(1))).toBe(manifest);
  expect(role.taken()).toBe("");
});

test("a conflict is answered by applying the transition to the newer manifest, not by joining two", async () => {
  const [role, other] = await roles();
  await other.commit(addFeature(1));
  const manifest = await role.commit(addFeature(2));
  expect([manifest.number, manifest.optionalFeatures]).toEqual([3, [1, 2]]);
  expect(role.taken()).toBe("create get create");
});

test("what the newer manifest lacks does not come back from a stale one", async () => {
  const [role, other] = await roles();
  await role.commit(addFeature(1));
  await other.stored.refresh();
  await other.commit((manifest) => ({ ...manifest, optionalFeatures: [] }));
  expect((await role.commit(addFeature(2))).optionalFeatures).toEqual([2]);
});

test("many processes that commit at once all get through, one after another", async () => {
  const [first, , inner, clock] = await roles();
  const all = Array.from({ length: 8 }, () => new Role(inner, clock, first.stored.current));
  const commits = Promise.all(all.map((role, i) => role.stored.commit(addFeature(i + 1))));
  const manifests = await clock.advanceUntil(commits);
  expect(manifests.map(({ number }) => number).sort((a, b) => a - b)).toEqual([
    2, 3, 4, 5, 6, 7, 8, 9,
  ]);
  const last = manifests.find(({ number }) => number === 9)!;
  expect([...last.optionalFeatures].sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

test("a commit that finds a newer epoch of its role is fenced, and so is every later one", async () => {
  const [role, other] = await roles();
  await other.commit(claimWriter({ putsInFlight: 1 }));
  await expect(role.commit(addFeature(1), 1)).rejects.toMatchObject({
    ...{ kind: "fenced", ownEpoch: 1, seenEpoch: 2 },
  });
  await expect(role.commit(addFeature(1), 1)).rejects.toMatchObject({ kind: "fenced" });
  expect(other.stored.current.optionalFeatures).toEqual([]);
});

test("a lost reply: the same bytes go to the same number, and are recognised there", async () => {
  const [role, , inner] = await roles();
  role.faulty.intercept = () => ({ kind: "after" });
  await expect(role.commit(addFeature(1))).rejects.toMatchObject({ kind: "unknown" });
  const stored = (await inner.get(ObjectPaths.manifest(2)))!.bytes;
  role.faulty.intercept = undefined;
  role.taken();
  expect(await role.commit(addFeature(1))).toMatchObject({ number: 2, optionalFeatures: [1] });
  expect(role.taken()).toBe("create get");
  expect((await inner.get(ObjectPaths.manifest(2)))!.bytes).toEqual(stored);
  expect(await inner.head(ObjectPaths.manifest(3))).toBeUndefined();
});

test("a write that is applied long after its reply was lost takes effect once", async () => {
  const [role, , inner] = await roles();
  role.faulty.intercept = () => ({ kind: "late" });
  await expect(role.commit(addFeature(1))).rejects.toMatchObject({ kind: "unknown" });
  role.faulty.intercept = undefined;
  expect((await role.commit(addFeature(2))).number).toBe(3);
  const before = (await inner.get(ObjectPaths.manifest(2)))!.bytes;
  await role.faulty.releaseLate();
  expect((await inner.get(ObjectPaths.manifest(2)))!.bytes).toEqual(before);
  expect(role.stored.current.optionalFeatures).toEqual([1, 2]);
});

test("an unknown outcome whose number another took is applied again on top", async () => {
  const [role, other] = await roles();
  role.faulty.intercept = () => ({ kind: "before" });
  await expect(role.commit(addFeature(1))).rejects.toMatchObject({ kind: "unavailable" });
  await other.commit(addFeature(2));
  role.faulty.intercept = undefined;
  expect(await role.commit(addFeature(1))).toMatchObject({ number: 3, optionalFeatures: [2, 1] });
});

test("a refusal of the only attempt leaves nothing pending", async () => {
  const [role] = await roles();
  role.faulty.intercept = () => ({ kind: "before", error: new StoreError("denied", "No.") });
  await expect(role.commit(addFeature(1))).rejects.toMatchObject({ kind: "denied" });
  role.faulty.intercept = undefined;
  expect(await role.commit(addFeature(2))).toMatchObject({ number: 2, optionalFeatures: [2] });
});

test("a mistake in a transition fails its caller alone", async () => {
  const [role] = await roles();
  const mistake = new Error("unknown checkpoint");
  const failing = role.stored.commit(() => {
    throw mistake;
  });
  const fine = role.commit(addFeature(1));
  await expect(failing).rejects.toBe(mistake);
  expect((await fine).number).toBe(2);
});

test("a step that breaks an invariant is never sent", async () => {
  const [role] = await roles();
  await expect(role.commit((manifest) => ({ ...manifest, writerEpoch: 0 }))).rejects.toMatchObject({
    kind: "internal",
  });
  expect(role.taken()).toBe("");
});

test("up to an hour after it was known to be the newest, a create proves itself; later a listing confirms", async () => {
  const [role, , , clock] = await roles();
  await clock.advance(hour);
  await role.commit(addFeature(1));
  expect(role.taken()).toBe("create");
  await clock.advance(hour + 1);
  expect((await role.commit(addFeature(2))).number).toBe(3);
  expect(role.taken()).toBe("create list");
  await role.commit(addFeature(3));
  expect(role.taken()).toBe("create");
});

test.each(["wall", "monotonic"])("the %s clock alone is enough to be old", async (which) => {
  const [role, , , clock] = await roles();
  if (which === "wall") clock.setWall(clock.now() + hour + 1);
  else {
    const wall = clock.now();
    clock.freeze(hour + 1);
    clock.setWall(wall);
  }
  await role.commit(addFeature(1));
  expect(role.taken()).toBe("create list");
});

test("a create in a range that was deleted is a stray: the listed manifest is the database", async () => {
  const [role, , inner, clock] = await roles();
  await clock.advance(2 * hour);
  for (const number of [1, 2, 3]) await inner.delete([ObjectPaths.manifest(number)]);
  await putManifest(inner, 9, { optionalFeatures: [7], createdAt: clock.now() });
  const manifest = await role.commit(addFeature(1));
  expect([manifest.number, manifest.optionalFeatures]).toEqual([10, [7, 1]]);
});

test("an old refresh lists, and is fenced by what it finds", async () => {
  const [role, , inner, clock] = await roles();
  await clock.advance(16 * day);
  await putManifest(inner, 50, { writerEpoch: 4, createdAt: clock.now() });
  await expect(role.stored.refresh({ epoch: 1 })).rejects.toMatchObject({
    kind: "fenced",
    seenEpoch: 4,
  });
  expect(role.taken()).toContain("list");
});

test("a manifest of another database is never built on", async () => {
  const [role, , inner] = await roles();
  await putManifest(inner, 2, { databaseId: ulid(7) });
  await expect(role.commit(addFeature(1))).rejects.toMatchObject({ kind: "corruption" });
  expect(await inner.head(ObjectPaths.manifest(3))).toBeUndefined();
});

test("no two commits have equal bytes, though they say the same", async () => {
  const [role, , inner] = await roles();
  await role.commit((manifest) => ({ ...manifest }));
  await role.commit((manifest) => ({ ...manifest }));
  const tokens = [2, 3].map(async (number) => {
    const path = ObjectPaths.manifest(number);
    return Buffer.from(decodeManifest((await inner.get(path))!.bytes, path, number).token).toString(
      "hex",
    );
  });
  const [one, two] = await Promise.all(tokens);
  expect(one).not.toBe(two);
});
