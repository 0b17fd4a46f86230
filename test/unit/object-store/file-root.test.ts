/** The folder of a `FileObjectStore` itself: its name is durable before an object in it is, whoever made it and however often. */
import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { FileObjectStore } from "../../../src/object-store/file.js";

let base: string;
beforeEach(async () => {
  base = await fs.mkdtemp(join(tmpdir(), "moraine-test-"));
});
afterEach(() => fs.rm(base, { recursive: true }));

const bytes = encodeUtf8("content");

/** A disk whose syncs of folders are written down, and that fails where a test says so. */
class Disk {
  /** Folders whose sync has succeeded, below "base". */
  readonly synced: string[] = [];
  /** The code with which a request for a folder fails. */
  failure: (operation: "mkdir" | "open" | "sync", folder: string) => string | undefined = () =>
    undefined;

  storeAt(folder: string): FileObjectStore {
    const mkdir = async (path: string): Promise<undefined> => {
      this.#check("mkdir", path);
      await fs.mkdir(path);
    };
    const open = async (path: string, flags: string): Promise<fs.FileHandle> => {
      if (flags !== "r") return fs.open(path, flags);
      this.#check("open", path);
      const file = await fs.open(path, flags);
      const sync = file.sync.bind(file);
      file.sync = async () => {
        this.#check("sync", path);
        await sync();
        this.synced.push(short(path));
      };
      return file;
    };
    const fileSystem = { ...fs, mkdir: mkdir as typeof fs.mkdir, open: open as typeof fs.open };
    return new FileObjectStore({ directory: join(base, folder), fileSystem });
  }

  #check(operation: "mkdir" | "open" | "sync", path: string): void {
    const code = this.failure(operation, short(path));
    if (code !== undefined) throw Object.assign(new Error(`${code}: planned`), { code });
  }
}

const short = (path: string): string => (path === base ? "base" : path.slice(base.length + 1));

test.each([
  ["open", "base"],
  ["open", "a"],
  ["open", "a/b"],
  ["sync", "base"],
  ["sync", "a"],
] as const)(
  "a first try that failed in the %s of %s does not count: the next syncs every folder on the way",
  async (failing, bad) => {
    const disk = new Disk();
    const store = disk.storeAt("a/b/c");
    disk.failure = (operation, folder) =>
      operation === failing && folder === bad ? "EMFILE" : undefined;
    await expect(store.create("1", bytes)).rejects.toMatchObject({ cause: { code: "EMFILE" } });
    disk.failure = () => undefined;
    disk.synced.length = 0;
    expect(await store.create("1", bytes)).toBe("created");
    expect(disk.synced).toEqual(["a/b", "a", "base", "a/b/c"]);
  },
);

test("a first try that failed between two folders does not count: the next syncs the first of them too", async () => {
  const disk = new Disk();
  const store = disk.storeAt("a/b");
  // Its parent is there by the second time that it is asked for.
  let asked = 0;
  disk.failure = (operation, folder) =>
    operation === "mkdir" && folder === "a/b" && ++asked === 2 ? "ENOSPC" : undefined;
  await expect(store.create("1", bytes)).rejects.toMatchObject({ cause: { code: "ENOSPC" } });
  expect(await fs.readdir(base)).toEqual(["a"]);
  disk.failure = () => undefined;
  expect(await store.create("1", bytes)).toBe("created");
  expect(disk.synced).toEqual(["a", "base", "a/b"]);
});

test("a folder that is there already is synced into its parent: whoever made it may not have got that far", async () => {
  await fs.mkdir(join(base, "a"));
  const disk = new Disk();
  const store = disk.storeAt("a");
  await store.create("1", bytes);
  expect(disk.synced).toEqual(["base", "a"]);
  await store.create("2", bytes);
  expect(disk.synced).toEqual(["base", "a", "a"]);
});

test("a folder that is there already is not used before its parent has been synced", async () => {
  await fs.mkdir(join(base, "a"));
  const disk = new Disk();
  const store = disk.storeAt("a");
  disk.failure = (operation, folder) =>
    operation === "sync" && folder === "base" ? "EIO" : undefined;
  for (let i = 0; i < 2; i++) {
    await expect(store.create("1", bytes)).rejects.toMatchObject({ cause: { code: "EIO" } });
    expect(await store.head("1")).toBeUndefined();
  }
  disk.failure = () => undefined;
  expect(await store.create("1", bytes)).toBe("created");
  expect(disk.synced).toEqual(["base", "a"]);
});

test.each(["EACCES", "EPERM"])(
  "a parent that may not be read (%s) is no obstacle to a folder that is there already",
  async (code) => {
    await fs.mkdir(join(base, "a"));
    const disk = new Disk();
    disk.failure = (operation, folder) =>
      operation === "open" && folder === "base" ? code : undefined;
    expect(await disk.storeAt("a").create("1", bytes)).toBe("created");
    expect(disk.synced).toEqual(["a"]);
  },
);

test("a parent that may not be read is one to a folder that was made in it", async () => {
  const disk = new Disk();
  disk.failure = (operation, folder) =>
    operation === "open" && folder === "base" ? "EACCES" : undefined;
  const store = disk.storeAt("a");
  for (let i = 0; i < 2; i++) {
    await expect(store.create("1", bytes)).rejects.toMatchObject({ reason: "denied" });
  }
});
