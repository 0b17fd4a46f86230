import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Bytes } from "../../../src/common/bytes.js";
import { seededRandom } from "../../../src/common/random.js";
import { DiskCache, type DiskCacheOptions } from "../../../src/object-store/disk-cache.js";
import {
  type CacheFile,
  type CacheFileSystem,
  chooseEviction,
} from "../../../src/object-store/disk-cache-files.js";
import { ManualClock } from "../../../src/testing/index.js";

const databaseId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const objectId = "01BX5ZZKBKACTAV9WEVGEMMVRZ";
const partBytes = 1024;
const object = { size: 1_000_000, lastModified: 5 };
/** What a part of 1,024 bytes occupies as a file. */
const fileBytes = 1024 + 34 + 53 + 4;

let base: string;
let dir: string;
beforeEach(async () => {
  dir = base = await fs.mkdtemp(join(tmpdir(), "moraine-cache-"));
});
afterEach(() => fs.rm(base, { recursive: true, force: true, maxRetries: 5 }));

let seed = 0;
const clock = new ManualClock({ now: Date.now() });
const openCache = (options: Partial<DiskCacheOptions> = {}): DiskCache =>
  new DiskCache({
    ...{ dir, bytes: 1_000_000, partBytes, clock, random: seededRandom(++seed) },
    ...options,
  });

/** The content of a part, the same in every process. */
const contentOf = (part: number, length: number = partBytes): Bytes =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + part * 7) & 255);

const write = (cache: DiskCache, part: number, length?: number): void =>
  cache.write(databaseId, objectId, part, object, contentOf(part, length));

/** Whether the part is there; if it is, it is right. */
async function has(cache: DiskCache, part: number, length?: number): Promise<boolean> {
  const found = await cache.read(databaseId, objectId, part);
  if (found === undefined) return false;
  expect(found.object).toEqual(object);
  expect(Buffer.compare(found.bytes, contentOf(part, length))).toBe(0);
  return true;
}

async function filled(count: number, options: Partial<DiskCacheOptions> = {}): Promise<DiskCache> {
  const cache = openCache(options);
  for (let part = 0; part < count; part++) {
    write(cache, part);
    await cache.idle();
  }
  return cache;
}

/** What vanishes meanwhile is left out. */
async function filesOnDisk(): Promise<{ path: string; bytes: number }[]> {
  const found = await fs.readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = await Promise.all(
    found
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const path = join(entry.parentPath, entry.name);
        return fs.stat(path).then(
          ({ size }) => ({ path, bytes: size }),
          () => undefined,
        );
      }),
  );
  return files.filter((file) => file !== undefined);
}

const partPath = (part: number): string => join(dir, databaseId, objectId, `${part}.part`);
const failing = (code: string) => (): Promise<never> =>
  Promise.reject(Object.assign(new Error(`${code}: planned`), { code }));

test("what one process has written another finds, short parts too", async () => {
  const cache = await filled(2);
  write(cache, 2, 100);
  await cache.close();
  await cache.close();
  const later = openCache();
  expect([await has(later, 0), await has(later, 1), await has(later, 2, 100)]).toEqual([
    true,
    true,
    true,
  ]);
  expect(await has(later, 3)).toBe(false);
  expect(await later.read(objectId, databaseId, 0)).toBeUndefined();
  expect(cache.stats()).toMatchObject({ writes: 3, skipped: 0, bytes: fileBytes * 3 - 924 });
  expect(await filesOnDisk()).toHaveLength(3);
});

test("of an entry that is damaged in any byte, cut anywhere or followed by anything, nothing is ever read", async () => {
  const cache = openCache({ partBytes: 64 });
  write(cache, 0, 64);
  await cache.idle();
  const whole = await fs.readFile(partPath(0));
  const damaged: Buffer[] = [];
  for (let at = 0; at < whole.length; at++) {
    const flipped = Buffer.from(whole);
    flipped[at]! ^= 1 << (at % 8);
    damaged.push(flipped, whole.subarray(0, at));
  }
  damaged.push(Buffer.concat([whole, Buffer.of(0)]), Buffer.alloc(0), Buffer.alloc(100_000, 1));
  for (const bytes of damaged) {
    await fs.writeFile(partPath(0), bytes);
    expect(await cache.read(databaseId, objectId, 0)).toBeUndefined();
  }
  expect(cache.stats()).toMatchObject({ damaged: damaged.length, pauses: 0 });
  await fs.writeFile(partPath(0), whole);
  expect(await has(cache, 0, 64)).toBe(true);
});

test("an entry of another place is not read: another part, object or database", async () => {
  const cache = await filled(1);
  await fs.copyFile(partPath(0), partPath(1));
  expect(await has(cache, 1)).toBe(false);
  await fs.cp(join(dir, databaseId), join(dir, objectId), { recursive: true });
  expect(await cache.read(objectId, objectId, 0)).toBeUndefined();
  expect(cache.stats().damaged).toBe(2);
  expect(await has(cache, 0)).toBe(true);
});

test("a folder, a broken link or a socket in the place of an entry is no entry, and no error", async () => {
  const cache = await filled(1);
  await fs.mkdir(partPath(1));
  await fs.symlink("/nowhere/at/all", partPath(2));
  expect([await has(cache, 1), await has(cache, 2), await has(cache, 0)]).toEqual([
    false,
    false,
    true,
  ]);
  expect(cache.stats().pauses).toBe(0);
});

/** Files that a process which was killed had open. */
const orphans: fs.FileHandle[] = [];
afterEach(async () => {
  for (const file of orphans.splice(0)) await file.close().catch(() => undefined);
});

/** A file system of which nothing is left after so many calls that change something, as when the process is killed. */
class DyingFileSystem {
  #left: number;
  #active = 0;

  constructor(calls: number) {
    this.#left = calls;
  }

  readonly fileSystem: CacheFileSystem = {
    ...fs,
    open: (async (path: string, flags: string | number) => {
      if (typeof flags === "number") return this.#lives(() => fs.open(path, flags));
      const file = await this.#changes(() => fs.open(path, flags));
      orphans.push(file);
      return {
        writeFile: (bytes: Uint8Array) => this.#changes(() => file.writeFile(bytes)),
        close: () => this.#lives(() => file.close()),
      };
    }) as unknown as CacheFileSystem["open"],
    rename: (...args) => this.#changes(() => fs.rename(...args)),
    unlink: (...args) => this.#changes(() => fs.unlink(...args)),
    mkdir: ((path: string) => this.#changes(() => fs.mkdir(path))) as CacheFileSystem["mkdir"],
    rmdir: (...args) => this.#changes(() => fs.rmdir(...args)),
    readdir: ((path: string) => this.#lives(() => fs.readdir(path))) as CacheFileSystem["readdir"],
    stat: ((path: string) => this.#lives(() => fs.stat(path))) as CacheFileSystem["stat"],
  };

  /** Resolves when nothing happens any more. */
  async whenDead(): Promise<void> {
    for (let quiet = 0; quiet < 5; quiet++) {
      if (this.#left >= 0 || this.#active > 0) quiet = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #changes<R>(call: () => Promise<R>): Promise<R> {
    return this.#left-- > 0 ? this.#lives(call) : new Promise(() => undefined);
  }

  async #lives<R>(call: () => Promise<R>): Promise<R> {
    this.#active++;
    try {
      return await call();
    } finally {
      this.#active--;
    }
  }
}

test("a process that ends at any step leaves what is right or nothing, and its leftovers are cleared away", async () => {
  let isComplete = false;
  for (let calls = 0; !isComplete; calls += 1 + (calls >> 4)) {
    dir = join(base, String(calls));
    const dyingFiles = new DyingFileSystem(calls);
    const dying = openCache({ fileSystem: dyingFiles.fileSystem, bytes: fileBytes * 8 });
    for (let part = 0; part < 12; part++) write(dying, part);
    await Promise.race([dying.idle(), dyingFiles.whenDead()]);
    isComplete = dying.stats().writes + dying.stats().skipped === 12;
    const later = openCache({ bytes: fileBytes * 8 });
    for (let part = 0; part < 12; part++) await has(later, part);
    for (const { path } of await filesOnDisk()) {
      if (path.endsWith(".tmp")) await fs.utimes(path, 1, 1);
    }
    for (let part = 20; part < 30; part++) {
      write(later, part);
      await later.idle();
    }
    expect(await has(later, 29)).toBe(true);
    const files = await filesOnDisk();
    expect(files.filter(({ path }) => path.endsWith(".tmp"))).toEqual([]);
    expect(files.reduce((sum, file) => sum + file.bytes, 0)).toBeLessThanOrEqual(fileBytes * 8);
    expect(later.stats()).toMatchObject({ pauses: 0, damaged: 0 });
    expect(calls).toBeLessThan(200);
  }
});

test("the files never hold more than the bound, and what is read is not what is given up", async () => {
  const cache = openCache({ bytes: fileBytes * 20 });
  for (let part = 0; part < 300; part++) {
    write(cache, part);
    if (part % 3 === 0) await cache.idle();
    if (part > 0) await has(cache, 0);
    const total = (await filesOnDisk()).reduce((sum, file) => sum + file.bytes, 0);
    expect(total).toBeLessThanOrEqual(fileBytes * 20);
  }
  await cache.idle();
  expect(await has(cache, 0)).toBe(true);
  expect(await has(cache, 299)).toBe(true);
  expect(await has(cache, 100)).toBe(false);
  const { evictions, writes, bytes } = cache.stats();
  expect(evictions).toBeGreaterThan(200);
  expect(writes - evictions).toBeLessThanOrEqual(20);
  expect(bytes).toBeGreaterThan(fileBytes * 10);
});

test("what others have put into the folder is counted, and files of strangers are left alone", async () => {
  const mine = await filled(10, { bytes: fileBytes * 40 });
  await mine.close();
  const strange = [
    join(dir, "notes.txt"),
    join(dir, databaseId, "x"),
    join(dir, databaseId, objectId, "a.part"),
  ];
  for (const path of strange) await fs.writeFile(path, "mine");
  const other = openCache({ bytes: fileBytes * 12 });
  for (let part = 100; part < 120; part++) {
    write(other, part);
    await other.idle();
  }
  for (const path of strange) expect(await fs.readFile(path, "utf8")).toBe("mine");
  const entries = (await filesOnDisk()).filter(({ path }) => !strange.includes(path));
  expect(entries.length).toBeLessThanOrEqual(12);
  expect(await has(other, 119)).toBe(true);
});

test("two at once in one folder disturb each other in nothing, and hardly exceed the bound", async () => {
  const caches = [1, 2].map(() => openCache({ bytes: fileBytes * 40 }));
  let wrong = 0;
  for (let round = 0; round < 400; round++) {
    for (const [i, cache] of caches.entries()) {
      write(cache, (round * 7 + i * 3) % 97);
      await Promise.all([(round * 5) % 97, (round * 7) % 97].map((part) => has(cache, part)));
    }
    if (round % 20 !== 0) continue;
    const total = (await filesOnDisk()).reduce((sum, file) => sum + file.bytes, 0);
    if (total > fileBytes * 40 * 1.25) wrong++;
  }
  await Promise.all(caches.map((cache) => cache.close()));
  expect(wrong).toBe(0);
  for (const cache of caches) expect(cache.stats()).toMatchObject({ damaged: 0, pauses: 0 });
  expect((await filesOnDisk()).filter(({ path }) => path.endsWith(".tmp"))).toEqual([]);
});

describe("a disk that fails", () => {
  test.each(["open", "write", "rename"])(
    "full at %s: writing is off for half a minute, and the cache gives way; reading goes on",
    async (at) => {
      let isFull = false;
      const fail = failing("ENOSPC");
      const fileSystem: CacheFileSystem = {
        ...fs,
        open: (async (path: string, flags: string | number) => {
          if (flags === "wx" && isFull && at === "open") return fail();
          const file = await fs.open(path, flags);
          if (flags !== "wx" || !isFull || at !== "write") return file;
          return { writeFile: fail, close: () => file.close() };
        }) as unknown as CacheFileSystem["open"],
        rename: (...args) => (isFull && at === "rename" ? fail() : fs.rename(...args)),
      };
      const cache = await filled(40, { fileSystem, bytes: fileBytes * 60 });
      isFull = true;
      write(cache, 50);
      await cache.idle();
      write(cache, 51);
      await cache.idle();
      expect(cache.stats()).toMatchObject({ pauses: 1, writes: 40 });
      expect(cache.stats().skipped).toBeGreaterThanOrEqual(1);
      expect(await has(cache, 39)).toBe(true);
      isFull = false;
      await clock.advance(29_000);
      write(cache, 52);
      await cache.idle();
      expect(await has(cache, 52)).toBe(false);
      await clock.advance(1_000);
      write(cache, 52);
      await cache.idle();
      expect(await has(cache, 52)).toBe(true);
      const files = await filesOnDisk();
      expect(files.filter(({ path }) => path.endsWith(".tmp"))).toEqual([]);
      expect(files.length).toBeLessThan(35);
      // With space again, the bound comes back.
      for (let part = 100; part < 400; part++) {
        write(cache, part);
        await cache.idle();
      }
      expect((await filesOnDisk()).length).toBeGreaterThan(40);
      expect(cache.stats().pauses).toBe(1);
    },
  );

  test("that may only be read is read, and not written to", async () => {
    await filled(3);
    const fail = failing("EROFS");
    const fileSystem: CacheFileSystem = {
      ...fs,
      open: ((path: string, flags: string | number) =>
        flags === "wx" ? fail() : fs.open(path, flags)) as unknown as CacheFileSystem["open"],
      unlink: fail,
      mkdir: fail,
      rmdir: fail,
      rename: fail,
    };
    const cache = openCache({ fileSystem });
    write(cache, 5);
    await cache.idle();
    expect(cache.stats()).toMatchObject({ pauses: 1, writes: 0 });
    expect(await has(cache, 1)).toBe(true);
    await fs.writeFile(partPath(2), "damaged");
    expect(await has(cache, 2)).toBe(false);
    expect(await has(cache, 2)).toBe(false);
  });

  test("that cannot be read is left alone for half a minute", async () => {
    await filled(1);
    let opens = 0;
    const fileSystem: CacheFileSystem = {
      ...fs,
      open: (() => {
        opens++;
        return failing("EIO")();
      }) as unknown as CacheFileSystem["open"],
    };
    const cache = openCache({ fileSystem });
    for (let i = 0; i < 5; i++) expect(await has(cache, 0)).toBe(false);
    expect([opens, cache.stats().pauses]).toEqual([1, 1]);
    await clock.advance(30_000);
    expect(await has(cache, 0)).toBe(false);
    expect(opens).toBe(2);
  });

  test("a folder that is a file, or lies below one, makes a cache of nothing", async () => {
    await fs.writeFile(join(dir, "file"), "");
    for (const place of [join(dir, "file"), join(dir, "file", "below")]) {
      const cache = openCache({ dir: place });
      write(cache, 0);
      await cache.idle();
      expect(await has(cache, 0)).toBe(false);
      expect(cache.stats()).toMatchObject({ pauses: 1, writes: 0 });
    }
  });

  test("that hangs holds nobody up: the queue is bounded, and close ends", async () => {
    const fileSystem: CacheFileSystem = {
      ...fs,
      readdir: (() => new Promise(() => undefined)) as never,
    };
    const cache = openCache({ fileSystem, queueBytesMax: fileBytes * 3 });
    for (let part = 0; part < 10; part++) write(cache, part);
    expect(cache.stats().skipped).toBe(7);
    const closing = cache.close();
    await clock.advance(250);
    await closing;
    write(cache, 11);
    expect(cache.stats().skipped).toBe(11);
  });
});

test("an object that is in doubt is forgotten, and others stay", async () => {
  const cache = await filled(5);
  cache.write(databaseId, databaseId, 0, object, contentOf(0));
  await cache.idle();
  write(cache, 7);
  const dropping = cache.drop(databaseId, objectId);
  expect(await has(cache, 1)).toBe(false);
  write(cache, 8);
  await dropping;
  for (const part of [0, 1, 4, 7, 8]) expect(await has(cache, part)).toBe(false);
  write(cache, 0);
  await cache.idle();
  expect(await has(cache, 0)).toBe(true);
  expect(await cache.read(databaseId, databaseId, 0)).toBeDefined();
  expect(cache.stats()).toMatchObject({ bytes: fileBytes * 2, damaged: 1 });
});

test("the oldest are given up first, those in use last, and the leftovers of the dead always", () => {
  const file = (name: string, mtimeMs: number, isTemporary = false): CacheFile => ({
    ...{ path: name, bytes: 10, mtimeMs, isTemporary },
  });
  const nowMs = 10_000_000;
  const files = [
    ...[file("new", nowMs), file("old", 1), file("used", 0), file("middle", 5)],
    ...[file("dead", 2, true), file("alive", nowMs - 5, true)],
  ];
  const choose = (bytesMax: number) => {
    const chosen = chooseEviction(files, { bytesMax, nowMs, isUsed: (path) => path === "used" });
    const names = (some: readonly CacheFile[]): string => some.map(({ path }) => path).join();
    return [names(chosen.remove), names(chosen.spare), chosen.bytes];
  };
  expect(choose(50)).toEqual(["dead", "", 50]);
  expect(choose(40)).toEqual(["dead,old", "used", 40]);
  expect(choose(20)).toEqual(["dead,old,middle,new", "used", 20]);
  expect(choose(15)).toEqual(["dead,old,middle,new,used", "", 10]);
});
