/** A disk that is full, and then has space again. */
import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Db, FileObjectStore, type OpenOptions } from "../../../src/index.js";
import type { FileSystem } from "../../../src/object-store/file-system.js";
import { ManualClock } from "../../../src/testing/index.js";
import { text } from "../db/support.js";
import {
  expectCommandsEndWith,
  expectNoUnhandledRejections,
  hour,
  quiet,
  Watched,
} from "./support.js";

expectNoUnhandledRejections();
let directory: string;
beforeEach(async () => {
  directory = await fs.mkdtemp(join(tmpdir(), "moraine-test-"));
});
afterEach(async () => {
  await fs.rm(directory, { recursive: true });
});

function noSpace(): Promise<never> {
  return Promise.reject(Object.assign(new Error("ENOSPC: planned"), { code: "ENOSPC" }));
}

type FullAt = "nowhere" | "open" | "write" | "sync" | "link" | "rename";

/** A disk that is full from the moment at which a test says so, in one of the calls in which that shows. */
class Disk {
  fullAt: FullAt = "nowhere";
  readonly fileSystem: FileSystem = {
    ...fs,
    open: (async (path: string, flags: string) => {
      const writes = flags !== "r";
      if (writes && this.fullAt === "open") return noSpace();
      const file = await fs.open(path, flags);
      if (!writes || (this.fullAt !== "write" && this.fullAt !== "sync")) return file;
      const failing = this.fullAt === "sync" ? ["sync"] : ["write", "writev", "writeFile"];
      return new Proxy(file, {
        get: (target, name) => {
          if (failing.includes(String(name))) return noSpace;
          const member: unknown = Reflect.get(target, name, target);
          return typeof member === "function" ? member.bind(target) : member;
        },
      });
    }) as unknown as FileSystem["open"],
    link: (...args) => (this.fullAt === "link" ? noSpace() : fs.link(...args)),
    rename: (...args) => (this.fullAt === "rename" ? noSpace() : fs.rename(...args)),
  };
  readonly clock = new ManualClock();

  open(options: OpenOptions = {}): Promise<Db> {
    const store = new FileObjectStore({ directory, fileSystem: this.fileSystem });
    return this.clock.advanceUntil(
      Db.open({ store, path: "db" }, { ...quiet, clock: this.clock, ...options }),
    );
  }
}

async function keysOnDisk(): Promise<string[]> {
  const disk = new Disk();
  const db = await disk.open();
  const keys = await disk.clock.advanceUntil(db.keys().nextMany(1000));
  await disk.clock.advanceUntil(db.close());
  return keys.map((key) => text(key)!);
}

/** A hint that nobody waited for may still be on its way; it cleans up after itself. */
async function expectNoTemporaryFiles(): Promise<void> {
  const left = (): Promise<string[]> => fs.readdir(join(directory, ".moraine-tmp"));
  // Those of writes that succeeded are removed after the answer, as fast as the disk is.
  for (let i = 0; i < 1000; i++) {
    if ((await left()).length === 0) return;
    await sleep(5);
  }
  expect(await left()).toEqual([]);
}

/** Real files need real turns; the time only moves where a test says so. */
async function passes(clock: ManualClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 500) {
    await clock.advance(Math.min(left, 500));
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  }
}

test.each<FullAt>(["open", "write", "sync", "link"])(
  "a write waits while the disk is full (at %s), and is durable once there is space",
  async (fullAt) => {
    const disk = new Disk();
    const db = await disk.open({ storeDeadlineMs: Number.POSITIVE_INFINITY });
    await disk.clock.advanceUntil(db.put("before", "value"));
    disk.fullAt = fullAt;
    const waiting = new Watched("put", db.put("key", "value"));
    await passes(disk.clock, 70_000);
    expect([waiting.outcome, db.stats().durableSeq]).toEqual(["pending", 1]);
    disk.fullAt = "nowhere";
    await disk.clock.advanceUntil(db.flush());
    await disk.clock.advanceUntil(db.close());
    expect(waiting.outcome).toBe("fulfilled");
    expect(await keysOnDisk()).toEqual(["before", "key"]);
    await expectNoTemporaryFiles();
  },
);

test("a disk that stays full for the deadline ends the handle, and nothing acknowledged is lost", async () => {
  const disk = new Disk();
  const db = await disk.open();
  await disk.clock.advanceUntil(db.put("before", "value"));
  disk.fullAt = "write";
  await expect(disk.clock.advanceUntil(db.put("key", "value"))).rejects.toMatchObject({
    kind: "unknown",
  });
  await expectCommandsEndWith(db, "closed");
  expect(await db.closed).toMatchObject({ kind: "unknown" });
  expect(disk.clock.pendingTimers).toBe(0);
  // Opening writes too: it says what is the matter, with a remedy.
  await expect(disk.open()).rejects.toThrow(/disk is full/);
  await expectNoTemporaryFiles();
  expect(await keysOnDisk()).toEqual(["before"]);
});

test("a disk that is too full for tables tells those who flush, and goes on when there is space", async () => {
  const disk = new Disk();
  const db = await disk.open({ memTableBytes: 4096 });
  disk.fullAt = "rename";
  for (let i = 0; i < 3; i++) await disk.clock.advanceUntil(db.put(`key ${i}`, "value"));
  await expect(disk.clock.advanceUntil(db.flush({ to: "l0" }))).rejects.toMatchObject({
    kind: "unavailable",
    message: expect.stringContaining("disk is full"),
  });
  await expect(disk.clock.advanceUntil(db.checkpoint())).rejects.toMatchObject({
    kind: "unavailable",
  });
  expect(db.stats().l0Count).toBe(0);
  disk.fullAt = "nowhere";
  // What has just failed for a whole deadline is tried again after a pause.
  await passes(disk.clock, 20_000);
  await disk.clock.advanceUntil(db.flush({ to: "l0" }), 2 * hour);
  expect(db.stats()).toMatchObject({ l0Count: 3, durableSeq: 3 });
  await disk.clock.advanceUntil(db.close());
  expect(await keysOnDisk()).toEqual(["key 0", "key 1", "key 2"]);
});

test("without a WAL, a disk that stays full leaves what was acknowledged, and nothing else", async () => {
  const disk = new Disk();
  const db = await disk.open({ wal: false });
  await disk.clock.advanceUntil(db.put("before", "value"));
  disk.fullAt = "link";
  await expect(disk.clock.advanceUntil(db.put("key", "value"))).rejects.toMatchObject({
    kind: "unknown",
  });
  expect(await keysOnDisk()).toEqual(["before"]);
});
