/** Closing a dead writer's log, replaying it, and following it: the first fence in id order ends it, for everybody. */
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../src/common/random.js";
import { RowKind } from "../../../src/common/row.js";
import type { Manifest } from "../../../src/format/manifest.js";
import { encodeWalFence, encodeWalGroup } from "../../../src/format/wal-object.js";
import { MemTable } from "../../../src/memtable/mem-table.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import {
  CountingObjectStore,
  FaultyObjectStore,
  MemoryObjectStore,
} from "../../../src/testing/index.js";
import { closeLog } from "../../../src/wal/close-log.js";
import { replayLog } from "../../../src/wal/replay.js";
import { WalFollower } from "../../../src/wal/wal-follower.js";

const databaseId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const epoch = 3;

/** "g" a group, "f" a fence, "." nothing: what is at ids 1, 2, 3 and so on. */
async function logOf(shape: string): Promise<MemoryObjectStore> {
  const store = new MemoryObjectStore();
  for (const [i, what] of [...shape].entries()) {
    if (what === "g") await putGroup(store, i + 1);
    if (what === "f") await putFence(store, epoch, i + 1);
  }
  return store;
}

async function putGroup(
  store: MemoryObjectStore,
  id: number,
  logEpoch = epoch,
  acknowledgedId = 0,
): Promise<void> {
  const record = new MemTable().applyOne(
    id,
    0,
    RowKind.put,
    Uint8Array.of(id),
    Uint8Array.of(id),
    0,
  );
  const group = {
    epoch: logEpoch,
    id,
    token: new Uint8Array(16),
    firstSeq: id,
    lastSeq: id,
    recordCount: 1,
    acknowledgedId,
  };
  const records = [record.chunk.subarray(record.start, record.end)];
  await store.put(ObjectPaths.wal(logEpoch, id), encodeWalGroup(databaseId, { ...group, records }));
}

async function putFence(store: MemoryObjectStore, logEpoch: number, id: number): Promise<void> {
  const fence = { epoch: logEpoch, id, token: new Uint8Array(16), closerEpoch: 9 };
  await store.put(ObjectPaths.wal(logEpoch, id), encodeWalFence(databaseId, fence));
}

interface Outcome {
  /** Ids that were replayed, in order. */
  readonly replayed: number[];
  readonly end: number | undefined;
}

async function recover(
  store: MemoryObjectStore | FaultyObjectStore | CountingObjectStore,
  over: { fromId?: number; putsInFlight?: number } = {},
): Promise<Outcome> {
  const replayed: number[] = [];
  const { fromId = 1, putsInFlight = 3 } = over;
  const log = await closeLog({
    ...{ store, databaseId, random: seededRandom(1), epoch, fromId, putsInFlight, closerEpoch: 4 },
  });
  if (log === undefined) return { replayed, end: undefined };
  const end = await replayLog({
    store,
    databaseId,
    log,
    apply: ({ id }) => void replayed.push(id),
  });
  return { replayed, end };
}

const range = (from: number, below: number): number[] =>
  Array.from({ length: below - from }, (_, i) => from + i);

describe.each<[shape: string, end: number]>([
  ["", 1],
  ["g", 2],
  ["ggg", 4],
  ["f", 1],
  ["ggf", 3],
  // Fences of several closers: the first ends it.
  ["gffff", 2],
  ["ggf.f", 3],
  // In flight when the writer died: void above the first fence, wherever it was placed.
  ["g.g", 2],
  ["gfgg", 2],
  ["gfg", 2],
  ["g.fg", 2],
  ["gg.g", 3],
])("a log that holds %j", (shape, end) => {
  test("ends at its first fence, and replay gives what is below", async () => {
    const store = await logOf(shape);
    expect(await recover(store)).toEqual({ replayed: range(1, end), end });
  });

  test("ends at the same place for whoever closes it again, with other numbers in flight", async () => {
    const store = await logOf(shape);
    await recover(store);
    for (const putsInFlight of [1, 2, 5]) {
      expect(await recover(store, { putsInFlight })).toEqual({ replayed: range(1, end), end });
    }
  });

  test("ends there for two who close it at once", async () => {
    const store = await logOf(shape);
    const outcomes = await Promise.all([recover(store), recover(store, { putsInFlight: 4 })]);
    expect(outcomes.map((outcome) => outcome.end)).toEqual([end, end]);
  });

  test("leaves its writer no id that would count", async () => {
    const store = await logOf(shape);
    await recover(store);
    // Up to three were in flight: wherever the writer goes on, there is a fence at or before it.
    for (let id = 1; id < 12; id++) {
      const path = ObjectPaths.wal(epoch, id);
      if ((await store.head(path)) === undefined) await putGroup(store, id);
    }
    expect(await recover(store)).toEqual({ replayed: range(1, end), end });
  });

  test("is followed to the same end", async () => {
    const store = await logOf(shape);
    await recover(store);
    const manifest = {
      databaseId,
      walStart: { epoch, id: 1 },
      walChain: [{ epoch, putsInFlight: 2 }],
    };
    const follower = new WalFollower(store, manifest as unknown as Manifest);
    const seen: number[] = [];
    for (;;) {
      const object = await follower.next();
      if (object === undefined) break;
      seen.push(object.id);
    }
    expect(seen).toEqual(range(1, end));
  });
});

test("replay starts where the manifest says, and nothing before it is looked at", async () => {
  const store = new CountingObjectStore(await logOf("...gg"));
  const counted = await recover(store, { fromId: 4 });
  expect(counted).toEqual({ replayed: [4, 5], end: 6 });
  expect(store.counts).toMatchObject({ list: 1, create: 4, get: 2 });
});

test("a log that ends with a fence costs no other: 1 LIST and a GET for each object", async () => {
  const store = new CountingObjectStore(await logOf("ggf"));
  await recover(store);
  expect(store.counts).toMatchObject({ list: 1, create: 0, get: 3 });
});

test("an object that is missing below the fence is never the end of a log", async () => {
  for (const missing of [1, 2, 3]) {
    const store = await logOf("gggf");
    const random = seededRandom(1);
    const options = {
      store,
      databaseId,
      random,
      epoch,
      fromId: 1,
      putsInFlight: 1,
      closerEpoch: 4,
    };
    const log = (await closeLog(options))!;
    await store.delete([ObjectPaths.wal(epoch, missing)]);
    expect(await replayLog({ store, databaseId, log, apply: () => undefined })).toBeUndefined();
  }
});

test("a record too far above a gap says that the gap was filled: no fence hides what was acknowledged", async () => {
  for (const [shape, putsInFlight, missing] of [
    ["g.g", 1, true],
    ["g.gg", 2, true],
    ["g.gg", 3, false],
    [".ggg", 2, true],
    ["g.ff", 1, false],
    ["g.gf", 1, true],
  ] as const) {
    const store = await logOf(shape);
    const before = await keysOf(store);
    const { end } = await recover(store, { putsInFlight });
    expect({ shape, putsInFlight, end: end === undefined }).toEqual({
      shape,
      putsInFlight,
      end: missing,
    });
    if (missing) expect(await keysOf(store)).toEqual(before);
  }
});

test("an object that is missing at or below what a later one says was acknowledged is never the end", async () => {
  for (const [acknowledgedId, missing] of [
    [0, false],
    [1, false],
    [2, true],
    [4, true],
  ] as const) {
    const store = await logOf("g.gg");
    await putGroup(store, 5, epoch, acknowledgedId);
    const before = await keysOf(store);
    const { end } = await recover(store, { putsInFlight: 4 });
    expect([acknowledgedId, end === undefined]).toEqual([acknowledgedId, missing]);
    if (missing) expect(await keysOf(store)).toEqual(before);
  }
});

async function keysOf(store: MemoryObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list({ prefix: "" })) keys.push(key);
  return keys;
}

test("an object that stood in the way and is gone again tells of a newer writer", async () => {
  const store = await logOf("g");
  const faulty = new FaultyObjectStore(store, {
    intercept: ({ operation, key }) => {
      // Between the create that finds it and the GET that reads it.
      if (operation === "get" && key === ObjectPaths.wal(epoch, 1)) void store.delete([key]);
      return undefined;
    },
  });
  // The listing does not show it, so a fence is tried there.
  faulty.list = async function* () {};
  expect((await recover(faulty)).end).toBeUndefined();
});

test("a listing that shows too little or too much changes nothing", async () => {
  for (const shape of ["ggg", "ggf", "g.g", ""]) {
    const expected = await recover(await logOf(shape));
    const store = new FaultyObjectStore(await logOf(shape));
    store.list = async function* () {
      yield { key: "wal/nonsense", size: 1, lastModified: 0 };
    };
    expect(await recover(store)).toEqual(expected);
  }
});

test("a damaged object is corruption with its name", async () => {
  for (const shape of ["ggg", "ggf"]) {
    const store = await logOf(shape);
    const path = ObjectPaths.wal(epoch, 2);
    const { bytes } = (await store.get(path))!;
    bytes[40]! ^= 1;
    await store.put(path, bytes);
    await expect(recover(store)).rejects.toMatchObject({ kind: "corruption", object: path });
  }
});

test("a follower waits at the end of a log that is open, and goes on in the next epoch of the chain", async () => {
  const store = await logOf("gg");
  const manifest = {
    ...{ databaseId, walStart: { epoch, id: 1 } },
    walChain: [{ epoch, putsInFlight: 2 }],
  } as unknown as Manifest;
  const follower = new WalFollower(store, manifest);
  const next = async (): Promise<string | undefined> => {
    const object = await follower.next();
    return object && `${object.epoch}/${object.id}`;
  };
  expect([await next(), await next(), await next()]).toEqual(["3/1", "3/2", undefined]);
  await putGroup(store, 3);
  expect(await next()).toBe("3/3");
  await putFence(store, epoch, 4);
  await putGroup(store, 5);
  await putGroup(store, 1, 7);
  expect([await next(), await next()]).toEqual([undefined, undefined]);
  follower.adopt({
    ...manifest,
    walChain: [
      { epoch, putsInFlight: 2 },
      { epoch: 7, putsInFlight: 2 },
    ],
  });
  expect([await next(), await next()]).toEqual(["7/1", undefined]);
  // Everything up to here is in L0 now, and the log was closed cleanly.
  follower.adopt({ ...manifest, walStart: { epoch: 7, id: 5 }, walChain: [] });
  expect(follower.position).toEqual({ epoch: 7, id: 5 });
});
