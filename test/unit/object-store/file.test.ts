/** `FileObjectStore`: what it leaves on the disk, and what the disk's failures become. */
import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { StoreError, UnsupportedStoreError } from "../../../src/common/errors.js";
import { FileObjectStore } from "../../../src/object-store/file.js";
import type { FileSystem } from "../../../src/object-store/file-system.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { prefixed } from "../../../src/object-store/prefixed.js";

let directory: string;
beforeEach(async () => {
  directory = await fs.mkdtemp(join(tmpdir(), "moraine-test-"));
});
afterEach(() => fs.rm(directory, { recursive: true }));

const bytes = encodeUtf8("content");

function failWith(code: string): () => Promise<never> {
  return () => Promise.reject(Object.assign(new Error(`${code}: planned`), { code }));
}

function withFailing(failing: Partial<FileSystem>): FileObjectStore {
  return new FileObjectStore({ directory, fileSystem: { ...fs, ...failing } });
}

async function keysOf(store: FileObjectStore, prefix = "", after?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list({ prefix, after })) keys.push(key);
  return keys;
}

/** The names in the folder of temporary files; those of writes that have succeeded are on their way out. */
async function leftovers(expected = 0): Promise<string[]> {
  const names = (): Promise<string[]> => fs.readdir(join(directory, ".moraine-tmp"));
  for (let i = 0; i < 200 && (await names()).length > expected; i++) await setTimeout(5);
  return names();
}

test("an object is a file at the path of its key, and writes leave nothing else", async () => {
  const store = new FileObjectStore({ directory });
  await store.create("a/b/1", bytes);
  await store.create("a/b/1", bytes);
  await store.put("a/2", bytes);
  await store.copy("a/2", "a/3");
  expect(await fs.readFile(join(directory, "a/b/1"), "utf8")).toBe("content");
  expect(await leftovers()).toEqual([]);
  expect(await keysOf(store)).toEqual(["a/2", "a/3", "a/b/1"]);
});

test("what a crash left is invisible, and swept by the first write when it is an hour old", async () => {
  await new FileObjectStore({ directory }).put("a", bytes);
  for (const name of ["old.tmp", "young.tmp"]) {
    await fs.writeFile(join(directory, ".moraine-tmp", name), "half");
  }
  for (const [name, ageSeconds] of [
    ["old.tmp", 3_700],
    ["young.tmp", 3_500],
  ] as const) {
    const time = Date.now() / 1_000 - ageSeconds;
    await fs.utimes(join(directory, ".moraine-tmp", name), time, time);
  }
  const store = new FileObjectStore({ directory });
  expect(await keysOf(store)).toEqual(["a"]);
  expect(await leftovers(2)).toEqual(["old.tmp", "young.tmp"]);
  await store.put("b", bytes);
  expect(await leftovers(1)).toEqual(["young.tmp"]);
});

test("the store's own folder takes no keys", async () => {
  const store = new FileObjectStore({ directory });
  for (const key of [".moraine-tmp", ".moraine-tmp/x"]) {
    await expect(store.put(key, bytes)).rejects.toMatchObject({ reason: "invalid" });
  }
  await store.put("a/.moraine-tmp/x", bytes);
  expect(await keysOf(store)).toEqual(["a/.moraine-tmp/x"]);
});

test("keys that are not canonical are refused by every operation", async () => {
  const store = new FileObjectStore({ directory: join(directory, "inner") });
  for (const key of [
    "",
    "/a",
    "a/",
    "a//b",
    "..",
    "../x",
    "a/../b",
    "a/.",
    "a\\b",
    "a\0b",
    "\ud800",
  ]) {
    const calls = [
      () => store.get(key),
      () => store.head(key),
      () => store.put(key, bytes),
      () => store.create(key, bytes),
      () => store.delete([key]),
      () => store.copy(key, "b"),
      () => store.copy("b", key),
    ];
    for (const call of calls) await expect(call()).rejects.toMatchObject({ reason: "invalid" });
  }
  await expect(keysOf(store, "../")).rejects.toMatchObject({ reason: "invalid" });
});

test("reading makes nothing, in a folder that does not exist", async () => {
  const store = new FileObjectStore({ directory: join(directory, "missing") });
  expect(await store.get("a")).toBeUndefined();
  expect(await store.head("a")).toBeUndefined();
  expect(await keysOf(store)).toEqual([]);
  await store.delete(["a"]);
  expect(await fs.readdir(directory)).toEqual([]);
});

test("a missing folder is made by the first write, unless that was ruled out", async () => {
  const deep = join(directory, "some/where");
  const strict = new FileObjectStore({ directory: deep, createDirectory: false });
  await expect(strict.create("a", bytes)).rejects.toMatchObject({ reason: "invalid" });
  await expect(strict.create("a", bytes)).rejects.toThrow("does not exist");
  expect(await fs.readdir(directory)).toEqual([]);
  await new FileObjectStore({ directory: deep }).create("a", bytes);
  expect(await strict.create("a", bytes)).toBe("exists");
});

test("the id is the real path, before and after the folder is made", async () => {
  await fs.mkdir(join(directory, "real"));
  await fs.symlink(join(directory, "real"), join(directory, "link"));
  const before = new FileObjectStore({ directory: join(directory, "link/x/y") });
  await before.put("a", bytes);
  const after = new FileObjectStore({ directory: join(directory, "real/x/y") });
  expect(before.id).toBe(after.id);
  expect(after.id).toBe(`file:${await fs.realpath(join(directory, "real/x/y"))}`);
});

test("a folder is no object", async () => {
  const store = new FileObjectStore({ directory });
  await store.put("a/1", bytes);
  expect(await store.get("a")).toBeUndefined();
  expect(await store.head("a")).toBeUndefined();
  await store.delete(["a"]);
  await expect(store.create("a", bytes)).rejects.toMatchObject({ reason: "invalid" });
  await expect(store.put("a", bytes)).rejects.toMatchObject({ reason: "invalid" });
  expect(await keysOf(store)).toEqual(["a/1"]);
  expect(await leftovers()).toEqual([]);
});

test("below an object there can be none", async () => {
  const store = new FileObjectStore({ directory });
  await store.put("a", bytes);
  expect(await store.get("a/1")).toBeUndefined();
  await store.delete(["a/1"]);
  await expect(store.create("a/1", bytes)).rejects.toMatchObject({ reason: "invalid" });
  await expect(store.put("a/1", bytes)).rejects.toMatchObject({ reason: "invalid" });
});

test("a store below a file reads nothing, and its writes name the folder", async () => {
  await fs.writeFile(join(directory, "file"), "x");
  const store = new FileObjectStore({ directory: join(directory, "file/inside") });
  expect(await store.get("a")).toBeUndefined();
  expect(await keysOf(store)).toEqual([]);
  const error = await store.create("a", bytes).catch((error) => error);
  expect(error).toMatchObject({ reason: "invalid", object: "a" });
  expect(error.message).toContain(join(directory, "file/inside"));
});

test("a listing enters only folders that can hold what is asked for", async () => {
  const store = new FileObjectStore({ directory });
  for (const key of ["a/1/x", "a/2/x", "a/20/x", "a/3/x", "b/1"]) await store.put(key, bytes);
  const entered: string[] = [];
  const spying = withFailing({
    readdir: ((path: string, options: object) => {
      entered.push(path.slice(directory.length + 1));
      return fs.readdir(path, options);
    }) as typeof fs.readdir,
  });
  expect(await keysOf(spying, "a/2")).toEqual(["a/2/x", "a/20/x"]);
  expect(entered).toEqual(["a/", "a/2/", "a/20/"]);
  entered.length = 0;
  expect(await keysOf(spying, "a/", "a/2/x")).toEqual(["a/20/x", "a/3/x"]);
  expect(entered).toEqual(["a/", "a/2/", "a/20/", "a/3/"]);
});

test("a file that vanishes during a listing is left out", async () => {
  const store = withFailing({ stat: failWith("ENOENT") });
  await store.put("a", bytes);
  expect(await keysOf(store)).toEqual([]);
});

for (const [code, reason] of [
  ["ENOSPC", "unavailable"],
  ["EDQUOT", "unavailable"],
  ["EIO", "unavailable"],
  ["EACCES", "denied"],
  ["EPERM", "denied"],
  ["EROFS", "denied"],
  ["ENAMETOOLONG", "invalid"],
] as const) {
  test(`${code} on a write is "${reason}", names the folder, and leaves nothing`, async () => {
    const failing = async (path: string, flags: string): Promise<fs.FileHandle> => {
      const file = await fs.open(path, flags);
      if (flags !== "r") file.writeFile = failWith(code);
      return file;
    };
    const store = withFailing({ open: failing as typeof fs.open });
    for (const write of [() => store.create("a", bytes), () => store.put("a", bytes)]) {
      const error = await write().catch((error) => error);
      expect(error).toBeInstanceOf(StoreError);
      expect(error).toMatchObject({ reason, object: "a", cause: { code } });
      expect(error.message).toContain(directory);
    }
    expect(await keysOf(store)).toEqual([]);
    expect(await leftovers()).toEqual([]);
  });
}

for (const code of ["EPERM", "ENOTSUP", "EXDEV"]) {
  test(`a file system that refuses hard links with ${code} is no store`, async () => {
    const store = withFailing({ link: failWith(code) });
    const error = await store.create("a", bytes).catch((error) => error);
    expect(error).toBeInstanceOf(UnsupportedStoreError);
    expect(error.message).toContain("hard link");
    expect(await keysOf(store)).toEqual([]);
    expect(await leftovers()).toEqual([]);
  });
}

test("a folder that cannot be synced after the name was given is an unknown outcome", async () => {
  let broken = false;
  const failing = async (path: string, flags: string): Promise<fs.FileHandle> => {
    const file = await fs.open(path, flags);
    const sync = file.sync.bind(file);
    if (flags === "r") file.sync = () => (broken ? failWith("EIO")() : sync());
    return file;
  };
  const store = withFailing({ open: failing as typeof fs.open });
  await store.put("folder/first", bytes);
  broken = true;
  await expect(store.create("folder/a", bytes)).rejects.toMatchObject({
    reason: "unknown-outcome",
  });
  // The name alone is no proof of durability, for whoever finds it.
  await expect(store.create("folder/a", bytes)).rejects.toMatchObject({
    reason: "unknown-outcome",
  });
  broken = false;
  expect(await store.create("folder/a", bytes)).toBe("exists");
});

test("bytes and folders are synced before and after the name is given", async () => {
  const steps: string[] = [];
  const short = (path: string): string => {
    if (path === dirname(directory)) return "..";
    return path.endsWith(".tmp") ? "file" : path.slice(directory.length) || "/";
  };
  const open = async (path: string, flags: string): Promise<fs.FileHandle> => {
    const file = await fs.open(path, flags);
    const sync = file.sync.bind(file);
    file.sync = () => {
      steps.push(`sync ${short(path)}`);
      return sync();
    };
    return file;
  };
  const link = async (from: string, to: string): Promise<void> => {
    steps.push(`link ${short(to)}`);
    await fs.link(from, to);
  };
  const store = withFailing({ open: open as typeof fs.open, link: link as typeof fs.link });
  await store.create("a/b/1", bytes);
  // The store's own folder too: whoever made it may not have got that far.
  expect(steps).toEqual(["sync ..", "sync file", "sync /a", "sync /", "link /a/b/1", "sync /a/b"]);
  steps.length = 0;
  await store.create("a/b/2", bytes);
  expect(steps).toEqual(["sync file", "link /a/b/2", "sync /a/b"]);
});

test("folders that someone removed are made again", async () => {
  const store = new FileObjectStore({ directory });
  await store.create("a/b/1", bytes);
  await fs.rm(join(directory, "a"), { recursive: true });
  expect(await store.create("a/b/1", bytes)).toBe("created");
});

test("a folder that was removed and made again behind the store's back is synced as it is now", async () => {
  const synced: string[] = [];
  const open = async (path: string, flags: string): Promise<fs.FileHandle> => {
    const file = await fs.open(path, flags);
    const { ino } = await file.stat();
    const sync = file.sync.bind(file);
    file.sync = () => {
      synced.push(`${path.slice(directory.length)} ${ino}`);
      return sync();
    };
    return file;
  };
  const store = withFailing({ open: open as typeof fs.open });
  await store.create("a/1", bytes);
  // So that the new one gets another inode.
  await fs.rename(join(directory, "a"), join(directory, "old"));
  await fs.mkdir(join(directory, "a"));
  synced.length = 0;
  await store.create("a/2", bytes);
  const { ino } = await fs.stat(join(directory, "a"));
  expect(synced.at(-1)).toBe(`/a ${ino}`);
});

test("writes at once share the syncs of their folder, each with one that began after its name was given", async () => {
  const linked: string[] = [];
  /** Of each sync that has ended, how many names there were when it began. */
  const covered: number[] = [];
  const open = async (path: string, flags: string): Promise<fs.FileHandle> => {
    const file = await fs.open(path, flags);
    if (flags !== "r") return file;
    const sync = file.sync.bind(file);
    file.sync = async () => {
      const before = linked.length;
      await setTimeout(5);
      await sync();
      covered.push(before);
    };
    return file;
  };
  const link = async (from: string, to: string): Promise<void> => {
    await fs.link(from, to);
    linked.push(to.slice(directory.length));
  };
  const store = withFailing({ open: open as typeof fs.open, link: link as typeof fs.link });
  await store.create("a/0", bytes);
  covered.length = 0;
  await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      await store.create(`a/${i + 1}`, bytes);
      expect(Math.max(...covered)).toBeGreaterThan(linked.indexOf(`/a/${i + 1}`));
    }),
  );
  expect(Math.max(...covered)).toBe(41);
  expect(covered.length).toBeLessThan(40);
});

test("writes that waited for a sync that failed fail with it", async () => {
  let broken = false;
  const open = async (path: string, flags: string): Promise<fs.FileHandle> => {
    const file = await fs.open(path, flags);
    const sync = file.sync.bind(file);
    file.sync = async () => {
      if (!broken || flags !== "r") return sync();
      await setTimeout(20);
      // Only once: the next sync would succeed, and know nothing of what was lost.
      if (broken) {
        broken = false;
        return failWith("EIO")();
      }
      return sync();
    };
    return file;
  };
  const store = withFailing({ open: open as typeof fs.open });
  await store.create("a/0", bytes);
  broken = true;
  const outcomes = await Promise.allSettled([
    store.create("a/1", bytes),
    store.create("a/2", bytes),
  ]);
  for (const outcome of outcomes) {
    expect(outcome).toMatchObject({ status: "rejected", reason: { reason: "unknown-outcome" } });
  }
  expect(await store.create("a/1", bytes)).toBe("exists");
});

test("an abort while a source is read stores nothing", async () => {
  const store = new FileObjectStore({ directory });
  const controller = new AbortController();
  const reason = new Error("enough");
  let ended = false;
  const put = store.put(
    "a",
    async function* () {
      try {
        yield bytes;
        controller.abort(reason);
        yield bytes;
      } finally {
        ended = true;
      }
    },
    { signal: controller.signal },
  );
  await expect(put).rejects.toBe(reason);
  expect(ended).toBe(true);
  expect(await store.head("a")).toBeUndefined();
  expect(await leftovers()).toEqual([]);
});

test("a source's own error is passed on, even when it looks like the disk's", async () => {
  const store = new FileObjectStore({ directory });
  const failure = Object.assign(new Error("not this disk"), { code: "ENOSPC" });
  const put = store.put("a", async function* () {
    yield bytes;
    throw failure;
  });
  await expect(put).rejects.toBe(failure);
});

test("a copy has a time of its own, and comes from another prefix of the same folder or from another folder", async () => {
  const store = new FileObjectStore({ directory });
  await store.put("one/a", bytes);
  await fs.utimes(join(directory, "one/a"), 1, 1);
  await store.copy("a", "two/a", { source: prefixed(store, "one") });
  expect((await store.get("two/a"))?.bytes).toEqual(bytes);
  expect((await store.head("two/a"))!.lastModified).toBeGreaterThan(1_000_000);
  const other = new FileObjectStore({ directory: join(directory, "one") });
  await store.copy("a", "b", { source: other });
  expect((await store.get("b"))?.bytes).toEqual(bytes);
  await expect(store.copy("a", "c", { source: new MemoryObjectStore() })).rejects.toMatchObject({
    reason: "invalid",
  });
  await expect(store.copy("absent", "b")).rejects.toMatchObject({ reason: "invalid" });
});

test("delete tries all keys, and then throws for the first that failed", async () => {
  const refused: FileSystem["unlink"] = async (path) => {
    if (String(path).endsWith("2")) return failWith("EACCES")();
    return fs.unlink(path);
  };
  const store = withFailing({ unlink: refused });
  for (const key of ["a/1", "a/2", "a/3"]) await store.put(key, bytes);
  await expect(store.delete(["a/1", "a/2", "a/3"])).rejects.toMatchObject({
    reason: "denied",
    object: "a/2",
  });
  expect(await keysOf(store)).toEqual(["a/2"]);
});

test("a place where no folder can be made is refused, and nothing hangs", async () => {
  const store = new FileObjectStore({ directory: "/proc/moraine-no-such-folder/db" });
  await expect(store.create("a", new Uint8Array(1))).rejects.toBeInstanceOf(StoreError);
  await expect(store.put("a", new Uint8Array(1))).rejects.toBeInstanceOf(StoreError);
});
