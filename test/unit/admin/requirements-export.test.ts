/** What docs/points-in-time.md says of exports and no other test asserts: what happens beside them, in which order, how many copies at once, who copies. */
import { expect, test } from "vitest";
import { Admin, type ExportOptions } from "../../../src/admin/index.js";
import { StoreError } from "../../../src/common/errors.js";
import { collect } from "../../../src/db/collect.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { FaultyObjectStore } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import {
  contentOf,
  exportOf,
  keysAt,
  newestAt,
  objectsAt,
  openDb,
  readAt,
  writeAll,
} from "./exports.js";

const path = "db";
const turns = async (count = 30): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setTimeout(resolve, 1));
};

/** Several entries of L0, with rows of every kind. */
async function newSource(store: MemoryObjectStore) {
  const db = await openDb({ store, path }, { l0SoftMax: 100, l0HardMax: 100 });
  for (let round = 0; round < 5; round++) {
    await writeAll(db, `${round}`);
    await db.flush({ to: "l0" });
  }
  return { db, content: await contentOf(db) };
}

test("under two exports the source writes, compacts and collects; what they copy goes when both are done", async () => {
  const store = new MemoryObjectStore();
  const { db, content } = await newSource(store);
  const before = (await keysAt(store, path)).filter((key) => key.startsWith("sst/"));
  const stores = [new FaultyObjectStore(store), new FaultyObjectStore(store)];
  const held = stores.map((one) => new HeldRequests(one, ({ operation }) => operation === "copy"));
  const exports = stores.map((one, i) =>
    exportOf({ store: one, path }, { store: one, path: `copy ${i}` }),
  );
  while (held.some(({ count }) => count === 0)) await turns(1);
  const work = async (): Promise<void> => {
    await writeAll(db, "later");
    await db.flush({ to: "l0" });
    await db.compact();
    await collect({ store, path }, { graceMs: 0, sweep: true });
  };
  await work();
  expect(await keysAt(store, path)).toEqual(expect.arrayContaining(before));
  held[0]!.release();
  await exports[0];
  await work();
  expect(await keysAt(store, path)).toEqual(expect.arrayContaining(before));
  held[1]!.release();
  await exports[1];
  await work();
  const left = await keysAt(store, path);
  expect(before.filter((key) => left.includes(key))).toEqual([]);
  for (const i of [0, 1]) expect(await readAt({ store, path: `copy ${i}` })).toEqual(content);
  await db.close();
});

test("first the claim, then the pin, then the objects under the source's names, and the manifest after all of them", async () => {
  const store = new MemoryObjectStore();
  const { db } = await newSource(store);
  await writeAll(db, "in the log");
  for (const copyMode of ["server", "stream"] as const) {
    const target = `copied by ${copyMode}`;
    const faulty = new FaultyObjectStore(store);
    const order: string[] = [];
    faulty.intercept = ({ operation, key }) => {
      if (!["create", "put", "copy"].includes(operation) || key.includes("/probe/")) return;
      if (key.endsWith(".heartbeat") || key.endsWith("/latest")) return undefined;
      order.push(key.startsWith(`${target}/`) ? key.split("/")[1]! : "source");
      return undefined;
    };
    await exportOf({ store: faulty, path }, { store: faulty, path: target }, undefined, {
      copyMode,
    });
    expect(order.slice(0, 2)).toEqual(["claims", "source"]);
    const last = order.indexOf("manifest");
    expect(order.lastIndexOf("manifest")).toBe(last);
    for (const kind of ["sst", "wal"]) {
      expect(order.indexOf(kind)).toBeGreaterThan(1);
      expect(order.lastIndexOf(kind)).toBeLessThan(last);
    }
    // The bytes, too.
    const own = await objectsAt(store, path);
    for (const [key, bytes] of await objectsAt(store, target)) {
      if (/^(sst|wal)\//.test(key)) expect(own.get(key) === bytes).toBe(true);
    }
  }
  await db.close();
});

test("so many are copied at once; after a failure those under way end before anything is removed", async () => {
  const store = new MemoryObjectStore();
  const { db } = await newSource(store);
  const faulty = new FaultyObjectStore(store);
  const held = new HeldRequests(faulty, ({ operation }) => operation === "copy");
  const running = exportOf({ store: faulty, path }, { store: faulty, path: "copy" }, undefined, {
    copiesInFlight: 3,
  });
  running.catch(() => undefined);
  while (held.count < 3) await turns(1);
  await turns();
  expect(held.count).toBe(3);
  const [failing, landing] = [held.keys[0]!, held.keys[1]!];
  // What is there when the first of it is to be removed.
  let found: string[] | undefined;
  faulty.intercept = ({ operation, key }) => {
    if (operation !== "delete" || !key.includes("/sst/")) return undefined;
    const until = keysAt(store, "copy").then((keys) => {
      found ??= keys;
    });
    return { kind: "delay", until };
  };
  await store.delete([failing.replace("copy/", `${path}/`)]);
  held.releaseOnly(failing);
  await turns();
  expect(found).toBeUndefined();
  held.releaseOnly("");
  await expect(running).rejects.toMatchObject({ kind: "corruption" });
  expect(found).toContain(landing.slice("copy/".length));
  expect(await keysAt(store, "copy")).toEqual([]);
  await db.close({ flush: false });
});

test.each(["unsupported", "denied"] as const)(
  "what the server will not copy (%s) comes through this process, unless it is to be the server",
  async (reason) => {
    const store = new MemoryObjectStore();
    const { db, content } = await newSource(store);
    const faulty = new FaultyObjectStore(store);
    faulty.intercept = ({ operation }) =>
      operation === "copy" ? { kind: "before", error: new StoreError(reason, "no") } : undefined;
    const from = { store: faulty, path };
    await exportOf(from, { store: faulty, path: "copy" });
    expect(await readAt({ store, path: "copy" })).toEqual(content);
    await expect(
      exportOf(from, { store: faulty, path: "other" }, undefined, { copyMode: "server" }),
    ).rejects.toMatchObject({ reason });
    expect(await keysAt(store, "other")).toEqual([]);
    await db.close();
  },
);

test("what the caller changes after the call changes nothing", async () => {
  const store = new MemoryObjectStore();
  const { db, content } = await newSource(store);
  const admin = await Admin.open({ store, path });
  const target = { store, path: "copy" };
  const options: ExportOptions = { copyMode: "stream" };
  const running = admin.export(undefined, target, options);
  Object.assign(options, { copyMode: "none", copiesInFlight: -1, incremental: true });
  target.path = "elsewhere";
  await running;
  expect(await readAt({ store, path: "copy" })).toEqual(content);
  expect(await keysAt(store, "elsewhere")).toEqual([]);
  expect((await newestAt(store, "copy")).number).toBe(1);
  await admin.close();
  await db.close();
});
