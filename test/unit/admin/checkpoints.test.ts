/** Checkpoints through `moraine/admin`: with no writer, beside one, and against others who change the manifest. */
import { expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { systemClock } from "../../../src/common/clock.js";
import { systemRandom } from "../../../src/common/random.js";
import { collect } from "../../../src/db/collect.js";
import type { OpenOptions } from "../../../src/db/open-options.js";
import { type Checkpoint, CheckpointPurpose } from "../../../src/format/manifest.js";
import { Db, DbReader, MemoryObjectStore } from "../../../src/index.js";
import { addCheckpoint } from "../../../src/manifest/checkpoint-transitions.js";
import { findNewest } from "../../../src/manifest/find-newest.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import { plainCheckpoint } from "../../../src/manifest/plain-checkpoint.js";
import { StoredManifest } from "../../../src/manifest/stored-manifest.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { CountingObjectStore, FaultyObjectStore } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { ulid } from "../manifest/manifests.js";

const path = "db";
const quiet: OpenOptions = {
  ...{ flushIntervalMs: 3_600_000, background: false },
  walPutsPerSecond: Number.POSITIVE_INFINITY,
};
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

async function rowsAt(store: MemoryObjectStore, checkpoint: string): Promise<string[]> {
  const reader = await DbReader.open({ store, path }, { checkpoint });
  const entries = await reader.scan().nextMany(100_000);
  await reader.close();
  return entries.map(({ key, value }) => `${text(key)}=${text(value)}`);
}

async function storedAt(store: MemoryObjectStore): Promise<StoredManifest> {
  const manifests = new ManifestStore(prefixed(store, path));
  const retentionMs = 86_400_000;
  const newest = await findNewest(manifests, { clock: systemClock, retentionMs });
  return new StoredManifest(manifests, newest!, {
    ...{ clock: systemClock, random: systemRandom, retentionMs },
  });
}

test("without a writer, what a writer left in its logs is in it, loads among it, and no data is written", async () => {
  const memory = new MemoryObjectStore();
  const faulty = new FaultyObjectStore(memory);
  const db = await Db.open({ store: faulty, path }, quiet);
  await db.put("a", "1");
  await db.flush({ to: "l0" });
  await db.put("b", "2");
  await db.load([{ key: "c", value: "3" }]);
  await db.put("d", "4");
  faulty.crash();
  const store = new CountingObjectStore(memory);
  const admin = await Admin.open({ store, path });
  store.reset();
  const info = await admin.createCheckpoint({ name: "left" });
  expect(info).toMatchObject({ name: "left", seq: 4, purpose: "user", retained: false });
  const written = store.requests.filter(
    ({ operation }) => !["get", "head", "list"].includes(operation),
  );
  expect(written.map(({ key }) => key)).toEqual([expect.stringMatching(/\.manifest$/)]);
  const l0 = await admin.createCheckpoint({ scope: "l0" });
  const expected = ["a=1", "b=2", "c=3", "d=4"];
  expect(await rowsAt(memory, "left")).toEqual(expected);
  expect(await rowsAt(memory, l0.id)).not.toContain("d=4");
  // The next writer compacts and collects: all that it names stays.
  const next = await Db.open({ store: memory, path }, { ...quiet, gcGraceMs: 0 });
  for (const key of ["a", "b", "c", "d"]) await next.put(key, "later");
  await next.compact();
  await next.close();
  await collect({ store: memory, path }, { graceMs: 0, sweep: true });
  expect(await rowsAt(memory, "left")).toEqual(expected);
  await admin.close();
});

test("a log that was claimed and not yet fenced hides nothing that was durable", async () => {
  const memory = new MemoryObjectStore();
  const first = new FaultyObjectStore(memory);
  const db = await Db.open({ store: first, path }, quiet);
  for (let i = 0; i < 40; i++) await db.put(`key ${i}`, "value");
  first.crash();
  const second = new FaultyObjectStore(memory);
  second.intercept = ({ operation, key }) =>
    operation === "create" && key.includes("/wal/") ? { kind: "crash" } : undefined;
  void Db.open({ store: second, path }, quiet).catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const admin = await Admin.open({ store: memory, path });
  const { id, seq } = await admin.createCheckpoint();
  expect(seq).toBe(40);
  const next = await Db.open({ store: memory, path }, quiet);
  await next.put("later", "value");
  await next.close();
  expect(await rowsAt(memory, id)).toHaveLength(40);
  await admin.close();
});

test("beside a writer that writes, flushes and collects, each has all that was durable before the call", async () => {
  const memory = new MemoryObjectStore();
  const db = await Db.open(
    { store: memory, path },
    { ...quiet, flushIntervalMs: 5, memTableBytes: 64 * 1024 },
  );
  let durable = 0;
  let isOver = false;
  const writing = (async () => {
    for (let i = 1; !isOver; i++) {
      await db.put(`key ${String(i).padStart(6, "0")}`, "x".repeat(500));
      durable = i;
    }
  })();
  const collecting = (async () => {
    while (!isOver) await collect({ store: memory, path }, { graceMs: 0 });
  })();
  const admin = await Admin.open({ store: memory, path });
  const made: { id: string; seq: number }[] = [];
  for (let i = 0; i < 15; i++) {
    const atLeast = durable;
    const { id, seq } = await admin.createCheckpoint();
    expect(seq).toBeGreaterThanOrEqual(atLeast);
    made.push({ id, seq });
  }
  isOver = true;
  await Promise.all([writing, collecting]);
  await db.flush({ to: "l0" });
  for (const { id, seq } of made) expect(await rowsAt(memory, id)).toHaveLength(seq);
  await admin.close();
  await db.close();
});

test("many administrators beside a writer: each change is made once, on top of the others'", async () => {
  const memory = new MemoryObjectStore();
  const db = await Db.open({ store: memory, path }, quiet);
  const admins = await Promise.all([1, 2, 3, 4].map(() => Admin.open({ store: memory, path })));
  await Promise.all([
    ...admins.map(async (admin, i) => {
      for (let j = 0; j < 5; j++) await admin.createCheckpoint({ name: `${i} ${j}` });
      expect(await admin.expireCheckpoint(`${i} 0`)).toBe(true);
      expect(await admin.expireCheckpoint(`${i} 0`)).toBe(false);
      expect(await admin.retainCheckpoint(`${i} 1`)).toBe(true);
      await admin.refreshCheckpoint(`${i} 2`, { ttlMs: 50_000 });
    }),
    (async () => {
      for (let i = 0; i < 10; i++) {
        await db.put(`key ${i}`, "value");
        await db.checkpoint({ name: `writer ${i}` });
      }
    })(),
  ]);
  const all = await admins[0]!.checkpoints();
  expect(new Set(all.map(({ name }) => name)).size).toBe(4 * 4 + 10);
  expect(all.filter(({ retained }) => retained)).toHaveLength(4);
  expect(all.filter(({ ttlMs }) => ttlMs === 50_000)).toHaveLength(4);
  for (const admin of admins) await admin.close();
  await db.close();
});

test("a base lingers unlisted, and goes with its last child; what is retained can be ended by hand", async () => {
  const memory = new MemoryObjectStore();
  const db = await Db.open({ store: memory, path }, quiet);
  const admin = await Admin.open({ store: memory, path });
  const { id } = await admin.createCheckpoint({ name: "base", retained: true });
  await admin.createCheckpoint({ name: "one", base: "base" });
  await db.checkpoint({ name: "two", base: id });
  expect(await admin.expireCheckpoint("base")).toBe(true);
  expect(await admin.expireCheckpoint("base")).toBe(false);
  expect(await admin.expireCheckpoint(id)).toBe(false);
  expect(await admin.retainCheckpoint(id)).toBe(false);
  const listed = async (all: boolean): Promise<string> =>
    (await admin.checkpoints({ all })).map(({ name }) => name).join(" ");
  expect([await listed(false), await listed(true)]).toEqual(["one two", "base one two"]);
  await expect(admin.refreshCheckpoint("base")).rejects.toMatchObject({ kind: "not-found" });
  await expect(admin.createCheckpoint({ base: "base" })).rejects.toMatchObject({
    kind: "not-found",
  });
  await expect(
    DbReader.open({ store: memory, path }, { checkpoint: "base" }),
  ).rejects.toMatchObject({
    kind: "not-found",
  });
  await admin.expireCheckpoint("one");
  expect(await listed(true)).toBe("base two");
  await admin.expireCheckpoint("two");
  expect(await listed(true)).toBe("");
  await admin.close();
  await db.close();
});

test.each([
  ["clone", "the clone at"],
  ["reader", "the reader"],
  ["exporter", "the export to"],
] as const)(
  "what a %s holds is ended by force alone, has no other ttl, and is listed with its holder",
  async (purpose, said) => {
    const memory = new MemoryObjectStore();
    await (await Db.open({ store: memory, path }, quiet)).close();
    const stored = await storedAt(memory);
    const held: Omit<Checkpoint, "manifestNumber" | "refreshedNumber"> = {
      ...{ ...plainCheckpoint, id: ulid(1), name: "", createdAt: 0, ttlMs: 0 },
      ...{ purpose: CheckpointPurpose[purpose], holder: "elsewhere", holderId: ulid(2) },
    };
    await stored.commit((manifest) => {
      const number = manifest.number + 1;
      return addCheckpoint({ ...held, manifestNumber: number, refreshedNumber: number })(manifest);
    });
    const admin = await Admin.open({ store: memory, path });
    expect(await admin.checkpoints()).toEqual([]);
    expect(await admin.checkpoints({ all: true })).toMatchObject([
      { purpose, holder: "elsewhere" },
    ]);
    const refused = { kind: "invalid", message: expect.stringContaining(`${said} "elsewhere"`) };
    await expect(admin.expireCheckpoint(ulid(1))).rejects.toMatchObject(refused);
    for (const options of [undefined, { ttlMs: 1 }, { ttlMs: Number.POSITIVE_INFINITY }]) {
      await expect(admin.refreshCheckpoint(ulid(1), options)).rejects.toMatchObject(refused);
    }
    await admin.retainCheckpoint(ulid(1));
    await admin.releaseCheckpoint(ulid(1));
    expect(stored.current.checkpoints).toEqual((await stored.refresh()).checkpoints);
    expect(await admin.expireCheckpoint(ulid(1), { force: true })).toBe(true);
    expect(await admin.checkpoints({ all: true })).toEqual([]);
    await admin.close();
  },
);

test("sizes: everything is in the total; only what nothing else names is exclusive, and added what the base has not", async () => {
  const memory = new MemoryObjectStore();
  const db = await Db.open({ store: memory, path }, quiet);
  const sizeOf = async (folder: string): Promise<number> => {
    let bytes = 0;
    for await (const { size } of memory.list({ prefix: `${path}/${folder}/` })) bytes += size;
    return bytes;
  };
  await db.put("a", "x".repeat(10_000));
  const first = await db.checkpoint({ name: "first" });
  const firstBytes = await sizeOf("sst");
  await db.put("b", "y".repeat(3000));
  const walBytes = await sizeOf("wal");
  await db.checkpoint({ name: "second", scope: "durable", base: first.id });
  const admin = await Admin.open({ store: memory, path });
  const [one, two] = await admin.checkpointSizes();
  expect(one).toMatchObject({ name: "first", objectCount: 1, totalBytes: firstBytes });
  expect(one).toMatchObject({ exclusiveBytes: 0, addedBytes: undefined });
  expect(two).toMatchObject({ objectCount: 2, exclusiveBytes: 0, base: first.id });
  expect(two!.addedBytes).toBe(two!.totalBytes - firstBytes);
  expect(two!.addedBytes).toBeGreaterThan(3000);
  expect(two!.addedBytes).toBeLessThan(walBytes);
  await db.compact();
  const [, later] = await admin.checkpointSizes();
  expect(later).toMatchObject({ totalBytes: two!.totalBytes, exclusiveBytes: two!.addedBytes });
  await admin.expireCheckpoint("first");
  const [lingering, alone] = await admin.checkpointSizes();
  expect(lingering).toMatchObject({ name: "first", isExpired: true, exclusiveBytes: 0 });
  expect(alone!.exclusiveBytes).toBe(two!.addedBytes);
  await admin.close();
  await db.close();
});

test("bad options are refused before anything is sent, and a closed handle refuses everything", async () => {
  const store = new CountingObjectStore(new MemoryObjectStore());
  await (await Db.open({ store, path }, quiet)).close();
  const admin = await Admin.open({ store, path });
  store.reset();
  const calls: (() => Promise<unknown>)[] = [
    () => admin.createCheckpoint({ scope: "all" as "l0" }),
    () => admin.createCheckpoint({ ttlMs: 0 }),
    () => admin.createCheckpoint({ source: "a", scope: "l0" }),
    () => admin.createCheckpoint({ nam: "a" } as never),
    () => admin.refreshCheckpoint(""),
    () => admin.refreshCheckpoint("a", { ttlMs: -1 }),
    () => admin.expireCheckpoint(7 as never),
    () => admin.retainCheckpoint("x".repeat(257)),
    () => admin.checkpoints({ all: 1 as never }),
    () => admin.checkpointSizes({ all: true } as never),
  ];
  for (const call of calls) await expect(call()).rejects.toMatchObject({ kind: "invalid" });
  expect(store.total).toBe(0);
  await admin.close();
  await expect(admin.checkpoints()).rejects.toMatchObject({ kind: "closed" });
});

test("what is collected while the logs are read is looked for again, so that nothing durable is left out", async () => {
  const memory = new MemoryObjectStore();
  const writerStore = new FaultyObjectStore(memory);
  const db = await Db.open({ store: writerStore, path }, quiet);
  await db.put("a", "1");
  const tables = new HeldRequests(writerStore, ({ key }) => key.includes("/sst/"));
  const flushed = db.flush({ to: "l0" });
  while (tables.count === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  await db.put("b", "2");
  const adminStore = new FaultyObjectStore(memory);
  const admin = await Admin.open({ store: adminStore, path });
  const reads = new HeldRequests(adminStore, ({ key }) => key.includes("/wal/"));
  const making = admin.createCheckpoint();
  while (reads.count === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  tables.release();
  await flushed;
  await collect({ store: memory, path }, { graceMs: 0 });
  reads.release();
  const { id, seq } = await making;
  expect(seq).toBe(2);
  expect(await rowsAt(memory, id)).toEqual(["a=1", "b=2"]);
  await admin.close();
  await db.close();
});
