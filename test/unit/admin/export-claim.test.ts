/** Claims on a target: of two exporters one wins, a dead one is taken over, a superseded one stops, and only what is one's own is removed. */
import { beforeAll, expect, test, vi } from "vitest";
import { Admin, type ExportOptions } from "../../../src/admin/index.js";
import { StoreError } from "../../../src/common/errors.js";
import { encodeClaim } from "../../../src/format/claim.js";
import { Db } from "../../../src/index.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { FaultyObjectStore, ManualClock } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { loadEngine } from "../../support/load-engine.js";
import {
  type Content,
  contentOf,
  exportOf,
  keysAt,
  objectsAt,
  openDb,
  readAt,
  writeAll,
  writeAt,
} from "./exports.js";

beforeAll(loadEngine);

const minute = 60_000;

interface World {
  readonly clock: ManualClock;
  readonly store: MemoryObjectStore;
  readonly content: Content;
}

async function newWorld(): Promise<World> {
  const clock = new ManualClock();
  const store = new MemoryObjectStore({ clock });
  const db = await openDb({ store, path: "db" });
  await writeAll(db, "a");
  await db.flush({ to: "l0" });
  await writeAll(db, "b");
  const content = await contentOf(db);
  await db.close({ flush: false });
  return { clock, store, content };
}

/** An exporter in a process of its own, whose way to the store can fail. */
async function exporter({ clock, store }: World, options?: ExportOptions) {
  const faulty = new FaultyObjectStore(store, { clock });
  const admin = await Admin.open({ store: faulty, path: "db" }, { clock });
  const start = (path = "copy"): Promise<unknown> => {
    const result = admin.export(undefined, { store: faulty, path }, options);
    result.catch(() => undefined);
    return result;
  };
  return { faulty, admin, start };
}

const isCopy = (operation: string, key: string): boolean =>
  operation === "copy" || (operation === "put" && /\/(sst|wal|runs)\//.test(key));

/** An export whose first copy is held, and an administrator beside it. */
async function heldExport(world: World, options?: ExportOptions) {
  const { store, clock } = world;
  const { faulty, start } = await exporter(world, { ...options, copiesInFlight: 1 });
  const held = new HeldRequests(faulty, ({ operation, key }) => isCopy(operation, key));
  const exported = start();
  await vi.waitFor(() => expect(held.count).toBe(1), { timeout: 20_000, interval: 1 });
  return { held, exported, other: await Admin.open({ store, path: "db" }, { clock }) };
}

test("two exporters on one target: one wins, the other is told by whom and since when", async () => {
  const world = await newWorld();
  const [one, two] = [await exporter(world), await exporter(world)];
  const results = await world.clock.advanceUntil(Promise.allSettled([one.start(), two.start()]));
  expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  const { reason } = results.find(({ status }) => status === "rejected") as PromiseRejectedResult;
  expect(reason).toMatchObject({ kind: "exists" });
  expect(await readAt({ store: world.store, path: "copy" })).toEqual(world.content);
  expect((await keysAt(world.store, "copy")).filter((key) => key.startsWith("claims/"))).toEqual(
    [],
  );
});

test("a live one is waited for, a dead one is taken over after ten minutes, and what it copied is kept", async () => {
  const world = await newWorld();
  const { clock, store } = world;
  const dying = await exporter(world, { name: "a host" });
  let copies = 0;
  dying.faulty.intercept = ({ operation, key }) =>
    isCopy(operation, key) && ++copies === 4 ? { kind: "crash" } : undefined;
  void dying.start();
  for (let i = 0; i < 20; i++) await clock.advance(1000);
  expect(dying.faulty.crashed).toBe(true);
  // No database, and none that is made by mistake.
  await expect(Db.open({ store, path: "copy" })).rejects.toMatchObject({
    kind: expect.stringMatching(/corruption|invalid/),
  });
  const next = await exporter(world);
  await expect(clock.advanceUntil(next.start())).rejects.toMatchObject({
    kind: "exists",
    message: expect.stringMatching(/is being exported to: by a host, since .* last seen \d+ s ago/),
  });
  await clock.advance(10 * minute);
  const left = await objectsAt(store, "copy");
  expect([...left.keys()].some((key) => key.startsWith("sst/"))).toBe(true);
  const writes: string[] = [];
  next.faulty.intercept = ({ operation, key }) => {
    if (isCopy(operation, key)) writes.push(key.slice("copy/".length));
    return undefined;
  };
  await clock.advanceUntil(next.start());
  expect(writes.filter((key) => left.has(key))).toEqual([]);
  expect(await readAt({ store, path: "copy" })).toEqual(world.content);
  expect((await keysAt(store, "copy")).filter((key) => key.startsWith("claims/"))).toEqual([]);
});

test("heartbeats keep a slow one alive; one that slept is superseded, and touches nothing", async () => {
  const world = await newWorld();
  const { clock, store } = world;
  const slow = await exporter(world);
  let wake = (): void => undefined;
  const asleep = new Promise<void>((resolve) => {
    wake = resolve;
  });
  slow.faulty.intercept = ({ operation, key }) =>
    isCopy(operation, key) ? { kind: "delay", until: asleep } : undefined;
  const slept = slow.start();
  for (let i = 0; i < 30; i++) await clock.advance(minute);
  const other = await exporter(world);
  await expect(clock.advanceUntil(other.start())).rejects.toMatchObject({ kind: "exists" });
  // Now it is cut off: its heartbeats come no more.
  slow.faulty.intercept = ({ operation, key }) => {
    if (isCopy(operation, key)) return { kind: "delay", until: asleep };
    return key.startsWith("copy/claims/") ? { kind: "before" } : undefined;
  };
  for (let i = 0; i < 11; i++) await clock.advance(minute);
  await clock.advanceUntil(other.start());
  const done = await objectsAt(store, "copy");
  slow.faulty.intercept = undefined;
  wake();
  await expect(clock.advanceUntil(slept)).rejects.toMatchObject({
    kind: "exists",
    message: expect.stringMatching(/taken over|has been given manifest 1 by another/),
  });
  // It may have written the same bytes again, and that is all.
  expect(await objectsAt(store, "copy")).toEqual(done);
  expect(await readAt({ store, path: "copy" })).toEqual(world.content);
});

test("a failure leaves nothing behind, is told as it is, and a retry succeeds", async () => {
  const world = await newWorld();
  const { clock, store } = world;
  const denied = new StoreError("denied", "no more");
  const one = await exporter(world, { copyMode: "stream" });
  let puts = 0;
  one.faulty.intercept = ({ operation, key }) =>
    operation === "put" && key.startsWith("copy/sst/") && ++puts === 3
      ? { kind: "before", error: denied }
      : undefined;
  await expect(clock.advanceUntil(one.start())).rejects.toBe(denied);
  expect(await keysAt(store, "copy")).toEqual([]);
  expect((await one.admin.checkpoints({ all: true })).length).toBe(0);
  // Also where nothing can be removed.
  puts = 0;
  one.faulty.intercept = ({ operation, key }) => {
    if (operation === "delete") return { kind: "before", error: new StoreError("denied", "no") };
    return operation === "put" && key.startsWith("copy/sst/") && ++puts === 3
      ? { kind: "before", error: denied }
      : undefined;
  };
  await expect(clock.advanceUntil(one.start())).rejects.toBe(denied);
  one.faulty.intercept = undefined;
  await clock.advance(10 * minute);
  await clock.advanceUntil(one.start());
  expect(await readAt({ store, path: "copy" })).toEqual(world.content);
});

test("an abort removes what was copied and rejects with its reason", async () => {
  const world = await newWorld();
  const { clock, store } = world;
  const controller = new AbortController();
  const one = await exporter(world, {
    signal: controller.signal,
    onProgress: ({ copiedFiles }) => {
      if (copiedFiles === 3) controller.abort(new Error("enough"));
    },
    copiesInFlight: 1,
  });
  await expect(clock.advanceUntil(one.start())).rejects.toThrow("enough");
  expect(await keysAt(store, "copy")).toEqual([]);
  await expect(one.start()).rejects.toThrow("enough");
});

test("something else at the target is refused and untouched; so is what lies in the source or around it", async () => {
  const world = await newWorld();
  const { clock, store } = world;
  await store.put("photos/cat.jpg", new Uint8Array(3));
  await writeAt({ store, path: "other" }, "own");
  const one = await exporter(world);
  for (const path of ["photos", "other"]) {
    const before = await objectsAt(store, path);
    await expect(clock.advanceUntil(one.start(path))).rejects.toMatchObject({ kind: "exists" });
    expect(await objectsAt(store, path)).toEqual(before);
  }
  for (const path of ["db", "db/copy"]) {
    await expect(one.start(path)).rejects.toMatchObject({ kind: "invalid" });
  }
  await expect(one.start("./copy")).rejects.toMatchObject({ kind: "invalid" });
  await expect(one.start("")).rejects.toMatchObject({ kind: "invalid" });
  // Something came between the first look and the claim.
  one.faulty.intercept = ({ operation, key }) => {
    if (operation === "create" && key.startsWith("late/claims/")) {
      void store.put("late/photo.jpg", new Uint8Array(3));
    }
    return undefined;
  };
  await expect(clock.advanceUntil(one.start("late"))).rejects.toMatchObject({ kind: "exists" });
  expect(await keysAt(store, "late")).toEqual(["photo.jpg"]);
});

test("what an unfinished export of another database has left is refused", async () => {
  const world = await newWorld();
  const { clock, store } = world;
  const claim = {
    ...{ number: 1, id: "01ARZ3NDEKTSV4RRFFQ69G5FAV", databaseId: "01BX5ZZKBKACTAV9WEVGEMMVS0" },
    ...{ checkpointId: "", owner: "elsewhere", claimedAt: clock.now(), beat: 0, ended: false },
  };
  await store.put(`copy/${ObjectPaths.claim(1)}`, encodeClaim(claim));
  await clock.advance(11 * minute);
  const one = await exporter(world);
  await expect(clock.advanceUntil(one.start())).rejects.toMatchObject({
    kind: "exists",
    message: expect.stringContaining("another database"),
  });
});

test("damage in the source or on the way is found and named, and nothing is left", async () => {
  const { store } = await newWorld();
  const sst = (await keysAt(store, "db")).find((key) => key.startsWith("sst/"))!;
  const whole = (await store.get(`db/${sst}`))!.bytes;
  for (const copyMode of ["server", "stream"] as const) {
    const offsets =
      copyMode === "server" ? [whole.length - 40] : [3, 100, whole.length - 300, whole.length - 5];
    for (const offset of offsets) {
      const damaged = whole.slice();
      damaged[offset]! ^= 4;
      await store.put(`db/${sst}`, damaged);
      await expect(
        exportOf({ store, path: "db" }, { store, path: "copy" }, undefined, { copyMode }),
      ).rejects.toMatchObject({ kind: "corruption", object: sst });
      expect(await keysAt(store, "copy")).toEqual([]);
    }
    await store.put(`db/${sst}`, whole.slice(0, -1));
    await expect(
      exportOf({ store, path: "db" }, { store, path: "copy" }, undefined, { copyMode }),
    ).rejects.toMatchObject({ kind: "corruption", object: sst });
    await store.delete([`db/${sst}`]);
    await expect(
      exportOf({ store, path: "db" }, { store, path: "copy" }, undefined, { copyMode }),
    ).rejects.toMatchObject({
      kind: expect.stringMatching(/corruption|invalid/),
      message: expect.stringContaining(sst),
    });
    await store.put(`db/${sst}`, whole);
  }
  const wal = (await keysAt(store, "db")).find((key) => key.startsWith("wal/"))!;
  await store.delete([`db/${wal}`]);
  expect(await keysAt(store, "copy")).toEqual([]);
});

test.each([
  ["the database was destroyed", /was destroyed while it was exported/],
  ["its checkpoint was ended", /kept no longer: its checkpoint was ended/],
])("where %s meanwhile, that is told, and nothing is left", async (what, message) => {
  for (const copyMode of ["server", "stream"] as const) {
    const world = await newWorld();
    const { store, clock } = world;
    const { held, exported, other } = await heldExport(world, { copyMode });
    if (what.includes("destroyed")) await other.destroy({ confirm: "db" });
    else {
      const [pin] = await other.checkpoints({ all: true });
      await other.expireCheckpoint(pin!.id, { force: true });
      const ssts = (await keysAt(store, "db")).filter((key) => key.startsWith("sst/"));
      await store.delete(ssts.map((key) => `db/${key}`));
    }
    held.release();
    await expect(clock.advanceUntil(exported)).rejects.toMatchObject({
      kind: "not-found",
      message: expect.stringMatching(message),
    });
    expect(await keysAt(store, "copy")).toEqual([]);
  }
});

test.each([
  ["its checkpoint was ended", /kept no longer: its checkpoint was ended/],
  ["the database was destroyed", /was destroyed while it was exported/],
])("where %s is found out as the pin is refreshed, that is told too", async (what, message) => {
  const world = await newWorld();
  const { store, clock } = world;
  const { held, exported, other } = await heldExport(world);
  if (what.includes("destroyed")) await other.destroy({ confirm: "db" });
  else {
    const [pin] = await other.checkpoints({ all: true });
    await other.createCheckpoint({ name: "before-migration" });
    await other.expireCheckpoint(pin!.id, { force: true });
  }
  // Longer than a third of the pin's 30 minutes.
  for (let i = 0; i < 12; i++) await clock.advance(minute);
  held.release();
  await expect(clock.advanceUntil(exported)).rejects.toMatchObject({
    kind: "not-found",
    message: expect.stringMatching(message),
  });
  expect(await keysAt(store, "copy")).toEqual([]);
});

test("one that slept before its manifest does not create it while its successor is at work", async () => {
  const world = await newWorld();
  const { clock, store } = world;
  const hold = () => {
    let wake = (): void => undefined;
    const until = new Promise<void>((resolve) => {
      wake = resolve;
    });
    return { until, wake: () => wake() };
  };
  const [first, second] = [hold(), hold()];
  const slow = await exporter(world);
  let isAsleep = false;
  slow.faulty.intercept = ({ operation, key }) => {
    isAsleep ||= operation === "list" && key === "copy/manifest/";
    return isAsleep ? { kind: "delay", until: first.until } : undefined;
  };
  const slept = slow.start();
  for (let i = 0; i < 12; i++) await clock.advance(minute);
  expect(isAsleep).toBe(true);
  const next = await exporter(world);
  next.faulty.intercept = ({ operation, key }) =>
    operation === "list" && key === "copy/manifest/"
      ? { kind: "delay", until: second.until }
      : undefined;
  const taken = next.start();
  for (let i = 0; i < 5; i++) await clock.advance(1000);
  first.wake();
  await expect(clock.advanceUntil(slept)).rejects.toMatchObject({
    kind: "exists",
    message: expect.stringContaining("taken over"),
  });
  second.wake();
  await clock.advanceUntil(taken);
  expect(await readAt({ store, path: "copy" })).toEqual(world.content);
});

test("whether the manifest was stored is not known: nothing that it names is removed", async () => {
  const world = await newWorld();
  const { clock, store } = world;
  const one = await exporter(world);
  let creates = 0;
  one.faulty.intercept = ({ operation, key }) => {
    if (operation !== "create" || !key.startsWith("copy/manifest/")) return undefined;
    return creates++ === 0 ? { kind: "late" } : { kind: "before" };
  };
  await expect(clock.advanceUntil(one.start())).rejects.toMatchObject({ kind: "unknown" });
  await one.faulty.releaseLate();
  expect(await readAt({ store, path: "copy" })).toEqual(world.content);
});

test("who has taken over and fails removes its own copies, and leaves those of the dead", async () => {
  const world = await newWorld();
  const { clock, store } = world;
  const dying = await exporter(world, { copiesInFlight: 1 });
  let copies = 0;
  dying.faulty.intercept = ({ operation, key }) =>
    isCopy(operation, key) && ++copies === 3 ? { kind: "crash" } : undefined;
  void dying.start();
  for (let i = 0; i < 20; i++) await clock.advance(1000);
  await clock.advance(10 * minute);
  const left = (await keysAt(store, "copy")).filter((key) => !key.startsWith("claims/"));
  const next = await exporter(world);
  // What it finds damaged it writes again, and does not take away.
  const sst = left.find((key) => key.startsWith("sst/"))!;
  await store.put(`copy/${sst}`, new Uint8Array(9));
  next.faulty.intercept = ({ operation, key }) =>
    operation === "create" && key.startsWith("copy/manifest/")
      ? { kind: "before", error: new StoreError("denied", "no manifest") }
      : undefined;
  await expect(clock.advanceUntil(next.start())).rejects.toThrow("no manifest");
  const after = (await keysAt(store, "copy")).filter((key) => !key.startsWith("claims/"));
  expect(after).toEqual(left);
  // It has said that it is gone: the next one need not wait.
  next.faulty.intercept = undefined;
  await clock.advanceUntil(next.start());
  expect(await readAt({ store, path: "copy" })).toEqual(world.content);
});
