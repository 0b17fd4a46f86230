/** Objects of other databases: where their keys lead, whom a manifest may send where, and that nothing but reads gets there. */
import { expect, test } from "vitest";
import { InternalError } from "../../../src/common/errors.js";
import { ExternalRoutes, routed, routesOf } from "../../../src/object-store/external-routes.js";
import { FileObjectStore } from "../../../src/object-store/file.js";
import { limited } from "../../../src/object-store/limited.js";
import type { ListedObject, ObjectStore } from "../../../src/object-store/object-store.js";
import { ObjectPaths, parseOwnedSstPath, parseSstPath } from "../../../src/object-store/paths.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { canCopyBetween, innermost } from "../../../src/object-store/wrappers.js";
import { CountingObjectStore, MemoryObjectStore } from "../../../src/testing/index.js";
import { ulid } from "../manifest/manifests.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const [owner, stranger, sst] = [ulid(1), ulid(2), ulid(3)];
const key = ObjectPaths.sst(sst, owner);
const at = (path: string, databaseId = owner, isLeaving = false) => [
  { databaseId, path, isLeaving },
];

async function all(listing: AsyncIterable<ListedObject>): Promise<ListedObject[]> {
  const objects: ListedObject[] = [];
  for await (const object of listing) objects.push(object);
  return objects;
}

function world() {
  const inner = new MemoryObjectStore();
  const counting = new CountingObjectStore(inner);
  const opened: string[] = [];
  const routes = new ExternalRoutes((path) => {
    opened.push(path);
    return prefixed(counting, path);
  });
  const whole = routed(counting, "own", routes);
  const store = prefixed(limited(whole, { requestsInFlight: 4 }), "own");
  const read = async (of = key): Promise<string | undefined> => {
    const found = await store.get(of);
    return found && new TextDecoder().decode(found.bytes);
  };
  return { inner, counting, routes, store, read, opened };
}

test("an object of a database that is not known is missing; a known one's is read where it lies, whole, in part and by head", async () => {
  const { inner, routes, store, read } = world();
  await inner.put(`parent/sst/${sst}.sst`, bytes("hello"));
  expect(await read()).toBeUndefined();
  expect(await store.head(key)).toBeUndefined();
  routes.adopt(1, at("parent"));
  expect(await read()).toBe("hello");
  expect(await read(ObjectPaths.sst(sst, stranger))).toBeUndefined();
  expect((await store.head(key))?.size).toBe(5);
  const part = await store.get(key, { range: { offset: 1, length: 2 } });
  expect([new TextDecoder().decode(part!.bytes), part!.size]).toEqual(["el", 5]);
  expect(await read(ObjectPaths.sst(sst))).toBeUndefined();
});

test("an own object takes one request with or without routes, and an external one takes one", async () => {
  const { inner, routes, counting, read } = world();
  await inner.put(`own/sst/${sst}.sst`, bytes("own"));
  await inner.put(`parent/sst/${sst}.sst`, bytes("parent's"));
  routes.adopt(1, at("parent"));
  expect([await read(ObjectPaths.sst(sst)), await read()]).toEqual(["own", "parent's"]);
  expect(counting.requests.map((request) => request.key)).toEqual([
    `own/sst/${sst}.sst`,
    `parent/sst/${sst}.sst`,
  ]);
});

test("the newest manifest that names a database decides, whatever is read later; one that is named no more keeps its route", async () => {
  const { inner, routes, read, opened } = world();
  await inner.put(`old/sst/${sst}.sst`, bytes("old"));
  await inner.put(`new/sst/${sst}.sst`, bytes("new"));
  routes.adopt(5, at("old"));
  routes.adopt(7, at("new"));
  routes.adopt(6, at("old"));
  routes.adopt(8, []);
  expect(await read()).toBe("new");
  // A state of the past may name one that is gone since: as long as its objects are there, they are read.
  routes.adopt(2, at("old", stranger));
  expect(await read(ObjectPaths.sst(sst, stranger))).toBe("old");
  routes.adopt(9, at("new"));
  expect(opened).toEqual(["old", "new", "old"]);
});

test("after a detach the own path has it; before that, what has gone from the other path is looked for there", async () => {
  const { inner, routes, counting, read, opened } = world();
  routes.adopt(3, at("parent"));
  await inner.put(`own/sst/${sst}.sst`, bytes("copy"));
  expect(await read()).toBe("copy");
  expect(counting.requests.map((request) => request.key)).toEqual([
    `parent/sst/${sst}.sst`,
    `own/sst/${sst}.sst`,
  ]);
  counting.reset();
  routes.adopt(4, at(""));
  expect(await read()).toBe("copy");
  await inner.delete([`own/sst/${sst}.sst`]);
  expect(await read()).toBeUndefined();
  expect(counting.requests.map((request) => request.key)).toEqual([
    `own/sst/${sst}.sst`,
    `own/sst/${sst}.sst`,
  ]);
  expect(opened).toEqual(["parent"]);
});

test.each([
  ["first", 0],
  ["last", 1],
])(
  "of several entries of one database those that stay decide, whether they stand %s or not",
  async (_, place) => {
    const { inner, routes, read } = world();
    const either = (leaving: string, stays: string) => {
      const both = [...at(leaving, owner, true), ...at(stays)];
      return place === 0 ? both.reverse() : both;
    };
    await inner.put(`own/sst/${sst}.sst`, bytes("copy"));
    await inner.put(`parent/sst/${sst}.sst`, bytes("parent's"));
    // A detach copies, and then commits.
    routes.adopt(1, either("", "parent"));
    expect(await read()).toBe("parent's");
    routes.adopt(2, either("parent", ""));
    expect(await read()).toBe("copy");
    routes.adopt(3, at("parent", owner, true));
    expect(await read()).toBe("copy");
    // Where nothing else is known, as in a database that was destroyed, it is better than none.
    routes.adopt(3, at("parent", stranger, true));
    expect(await read(ObjectPaths.sst(sst, stranger))).toBe("parent's");
  },
);

test("nothing is written, listed or deleted under the name of another database", async () => {
  const { inner, routes, store } = world();
  routes.adopt(1, at("parent"));
  await inner.put(`parent/sst/${sst}.sst`, bytes("hello"));
  const attempts: (() => unknown)[] = [
    () => store.put(key, bytes("x")),
    () => store.create(key, bytes("x")),
    () => store.delete(["sst/own.sst", key]),
    () => all(store.list({ prefix: `databases/${owner}/` })),
    () => store.copy!(ObjectPaths.sst(sst), key),
  ];
  for (const attempt of attempts) {
    await expect((async () => attempt())()).rejects.toBeInstanceOf(InternalError);
  }
  expect((await all(inner.list({ prefix: "" }))).map((object) => object.key)).toEqual([
    `parent/sst/${sst}.sst`,
  ]);
});

test.each(["memory", "files"])(
  "external objects are copied by their names, in %s",
  async (kind) => {
    const { mkdtempSync, rmSync } = await import("node:fs");
    const { tmpdir } = await import("node:os");
    const directory = mkdtempSync(`${tmpdir()}/moraine-routes-`);
    try {
      const files = (path: string): ObjectStore =>
        new FileObjectStore({ directory: `${directory}/${path}` });
      const memory = new MemoryObjectStore();
      const open = (path: string): ObjectStore =>
        kind === "memory" ? prefixed(memory, path) : files(path);
      const routes = new ExternalRoutes(open);
      const own =
        kind === "memory"
          ? prefixed(limited(routed(memory, "own", routes), { requestsInFlight: 2 }), "own")
          : limited(routed(files("own"), "", routes), { requestsInFlight: 2 });
      await open("parent").put(`sst/${sst}.sst`, bytes("hello"));
      routes.adopt(1, at("parent"));
      await own.copy!(key, ObjectPaths.sst(sst));
      expect(new TextDecoder().decode((await own.get(ObjectPaths.sst(sst)))!.bytes)).toBe("hello");
      // By another handle, which has this one as the source.
      const other = open("other");
      expect(canCopyBetween(own, other)).toBe(true);
      expect(canCopyBetween(own, new MemoryObjectStore())).toBe(false);
      await other.copy!(key, "sst/copied.sst", { source: own });
      await other.copy!(ObjectPaths.sst(sst), "sst/again.sst", { source: own });
      for (const name of ["sst/copied.sst", "sst/again.sst"]) {
        expect(new TextDecoder().decode((await other.get(name))!.bytes)).toBe("hello");
      }
      // Its own objects keep being copied within it.
      await own.copy!(ObjectPaths.sst(sst), "sst/within.sst", { source: own });
      expect((await own.head("sst/within.sst"))?.size).toBe(5);
      expect(innermost(own, key).key).toBe(
        kind === "memory" ? `parent/sst/${sst}.sst` : `sst/${sst}.sst`,
      );
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
);

test("the routes of a store are found through what wraps it; other stores have none", () => {
  const { store, routes, inner } = world();
  expect(routesOf(store)).toBe(routes);
  expect(routesOf(limited(store, { requestsInFlight: 1 }))).toBe(routes);
  expect(routesOf(prefixed(inner, "own"))).toBeUndefined();
});

test("names of SSTs say whose they are", () => {
  expect(parseOwnedSstPath(key)).toEqual({ id: sst, owner });
  expect(parseOwnedSstPath(ObjectPaths.sst(sst))).toEqual({ id: sst, owner: "" });
  expect(parseOwnedSstPath(ObjectPaths.run(sst, owner))).toBeUndefined();
  expect(parseOwnedSstPath(`databases/${owner}/x/sst/${sst}.sst`)).toBeUndefined();
  expect(parseSstPath(key)).toBeUndefined();
});
