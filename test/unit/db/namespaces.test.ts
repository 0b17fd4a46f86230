/** One database has one path in its namespace, however its location is written: clones find their parents, and these their clones. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { collect } from "../../../src/db/collect.js";
import { type Location, openLocation } from "../../../src/db/location.js";
import { Db } from "../../../src/index.js";
import { FileObjectStore } from "../../../src/object-store/file.js";
import type { ObjectStore } from "../../../src/object-store/object-store.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { S3ObjectStore } from "../../../src/object-store/s3.js";
import {
  CountingObjectStore,
  FaultyObjectStore,
  MemoryObjectStore,
} from "../../../src/testing/index.js";
import { cloneOf, manifestAt, openDb, pinsAt, rowsAt } from "../admin/clones.js";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "moraine-namespaces-")));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const placeOf = async (location: Location): Promise<string> => {
  const { namespace, close } = await openLocation(location);
  close();
  return `${namespace.id} ${namespace.path}`;
};

test("folders: the real absolute path, whatever the store, its wrappers and links", async () => {
  mkdirSync(join(folder, "data/in"), { recursive: true });
  symlinkSync(join(folder, "data"), join(folder, "link"));
  const at = (directory: string): ObjectStore =>
    new FileObjectStore({ directory: join(folder, directory) });
  const wanted = `file ${folder.slice(1)}/data/in/b`;
  const places: Location[] = [
    `file://${folder}/data/in/b`,
    `file://${folder}/link/in/b/`,
    { store: at("data"), path: "in/b" },
    { store: at("data/in"), path: "b" },
    { store: at("link/in"), path: "b" },
    { store: at("."), path: "link/in/b" },
    { store: prefixed(at("data"), "in"), path: "b" },
    {
      store: new FaultyObjectStore(prefixed(new CountingObjectStore(at("data")), "in")),
      path: "b",
    },
  ];
  for (const place of places) expect(await placeOf(place)).toBe(wanted);
});

test("buckets: the path in the bucket, whatever the prefix", async () => {
  const keys = { credentials: { accessKeyId: "a", secretAccessKey: "b" } };
  const endpoint = "http://127.0.0.1:9000";
  const at = (prefix?: string): ObjectStore =>
    new S3ObjectStore({ ...keys, endpoint, bucket: "bucket", prefix });
  const wanted = `s3:${endpoint}/bucket p/q/db`;
  const query = `?endpoint=${encodeURIComponent(endpoint)}`;
  const places: Location[] = [
    `s3://bucket/p/q/db${query}`,
    `s3://bucket/p/q/db${query}/&region=eu-west-1`,
    { store: at(), path: "p/q/db" },
    { store: at("p"), path: "q/db" },
    { store: prefixed(at("p"), "q"), path: "db" },
    { store: new CountingObjectStore(at("p/q")), path: "db" },
  ];
  for (const place of places) expect(await placeOf(place)).toBe(wanted);
  const beside = (await openLocation({ store: at("p"), path: "db" })).namespace.at("other/db");
  expect(beside.id).toBe(`s3:${endpoint}/bucket/other/db`);
});

test("other stores: what a wrapper wraps, and a path in that", async () => {
  const store = new MemoryObjectStore();
  const wanted = `${store.id} p/db`;
  expect(await placeOf({ store, path: "p/db" })).toBe(wanted);
  expect(await placeOf({ store: prefixed(store, "p"), path: "db" })).toBe(wanted);
  const { namespace } = await openLocation({ store: prefixed(store, "p"), path: "db" });
  await store.put("other/x", new Uint8Array(1));
  await store.put("p/two/x", new Uint8Array(2));
  expect((await namespace.at("other").head("x"))?.size).toBe(1);
  expect((await namespace.at("p/two").head("x"))?.size).toBe(2);
});

test("a wrapper sees the requests to databases beside its own", async () => {
  const counting = new CountingObjectStore(
    new FileObjectStore({ directory: join(folder, "counted") }),
  );
  const { namespace } = await openLocation({ store: counting, path: "a" });
  await namespace.at(`${folder.slice(1)}/counted/b`).head("x");
  expect(counting.counts.head).toBe(1);
});

test("a clone made through a store is read, collected and held by file: URLs, and the other way round", async () => {
  const directory = join(folder, "clones");
  const store = new FileObjectStore({ directory });
  const db = await openDb(store, "a");
  await db.put("k", "1");
  await db.flush({ to: "l0" });
  await cloneOf(store, "a", "b");
  const admin = await Admin.open(`file://${directory}/a`);
  await admin.clone(`file://${directory}/c`);
  await db.deleteRange({ gte: "a", lt: "z" });
  await db.flush({ to: "l0" });
  await db.compact();
  await db.close();
  for (const place of [`file://${directory}/a`, { store, path: "a" }]) {
    await collect(place, { graceMs: 0, sweep: true });
  }
  for (const path of ["b", "c"]) {
    expect(await rowsAt(store, path)).toBe("k=1");
    expect(await rowsAt(new FileObjectStore({ directory: folder }), `clones/${path}`)).toBe("k=1");
    const reader = await Db.open(`file://${directory}/${path}`, { background: false });
    expect(await reader.get("k")).toBeDefined();
    await reader.close();
  }
  expect(await pinsAt(store, "a")).toHaveLength(2);
  await expect(admin.destroy({ confirm: `${directory}/a` })).rejects.toThrow(/Clones share/);
  await admin.close();
  // Each lets go of its parent by the other name.
  const one = await Admin.open(`file://${directory}/b`);
  await one.detach();
  await one.close();
  const two = await Admin.open({ store, path: "c" });
  await two.detach();
  expect(await pinsAt(store, "a")).toEqual([]);
  expect((await manifestAt(store, "c")).externals.map(({ path }) => path)).toEqual([""]);
  await two.close();
  const last = await Admin.open({ store, path: "a" });
  await last.destroy({ confirm: "a" });
  await last.close();
});
