/**
 * An export and its source, both opened and written to, are two histories of one database id, whose logs have different objects under one
 * key: neither is ever taken for a part of the other.
 */
import { beforeAll, expect, test } from "vitest";
import { Admin, type ExportInfo } from "../../../src/admin/index.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { FaultyObjectStore, ManualClock } from "../../../src/testing/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { exportOf, keysAt, objectsAt, openDb, readAt } from "./exports.js";

beforeAll(loadEngine);

const minute = 60_000;
const incremental = true;
const isLog = (key: string): boolean => key.startsWith("wal/");

class World {
  readonly clock = new ManualClock();
  readonly store = new MemoryObjectStore({ clock: this.clock });

  at(path: string) {
    return { store: this.store, path };
  }

  /** A writer of its own, so that the epoch is the next one; its rows are in the log unless they are flushed. */
  async write(path: string, rows: Record<string, string>, flush = false): Promise<void> {
    const db = await openDb(this.at(path), { clock: this.clock });
    for (const [key, value] of Object.entries(rows)) await db.put(key, value);
    if (flush) await db.flush({ to: "l0" });
    await db.close({ flush: false });
  }

  /** Dies as it is about to create its manifest: all is copied by then. Ten minutes later nobody waits for it. */
  async die(from: string, to: string, options = {}): Promise<void> {
    const faulty = new FaultyObjectStore(this.store, { clock: this.clock });
    faulty.intercept = ({ operation, key }) =>
      operation === "create" && key.startsWith(`${to}/manifest/`) ? { kind: "crash" } : undefined;
    const admin = await Admin.open({ store: faulty, path: from }, { clock: this.clock });
    admin.export(undefined, { store: faulty, path: to }, options).catch(() => undefined);
    for (let i = 0; i < 200 && !faulty.crashed; i++) {
      await this.clock.advance(100);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(faulty.crashed).toBe(true);
    await this.clock.advance(11 * minute);
  }

  /** What was copied, and the keys that were written for it. */
  async export(from: string, to: string, options = {}): Promise<[ExportInfo, string[]]> {
    const faulty = new FaultyObjectStore(this.store, { clock: this.clock });
    const written: string[] = [];
    faulty.intercept = ({ operation, key }) => {
      const isCopy = operation === "copy" || operation === "put";
      const [, name] = /^[^/]+\/((?:sst|wal|runs)\/.*)$/.exec(key) ?? [];
      if (isCopy && name !== undefined) written.push(name);
      return undefined;
    };
    const admin = await Admin.open({ store: faulty, path: from }, { clock: this.clock });
    const exported = admin.export(undefined, { store: faulty, path: to }, options);
    return [await this.clock.advanceUntil(exported), written.sort()];
  }
}

test.each([
  ["added to an export", true],
  ["made the first one", false],
])(
  "what a dead exporter of another history left is written again, where it %s",
  async (_, isSecond) => {
    const world = new World();
    await world.write("a", { base: "1" });
    if (isSecond) await world.export("a", "t");
    else await world.export("a", "n");
    await world.write("a", { k: "a" });
    await world.die("a", "t", { incremental: isSecond });
    if (isSecond) await world.export("t", "n");
    await world.write("n", { k: "n", k2: "n" });
    const before = await objectsAt(world.store, "t");
    const [info, written] = await world.export("n", "t", { incremental: isSecond });
    expect(await readAt(world.at("t"))).toEqual({ base: "1", k: "n", k2: "n" });
    // What is equal is kept, and not counted.
    const after = await objectsAt(world.store, "t");
    const changed = [...after].filter(([key, bytes]) => isLog(key) && before.get(key) !== bytes);
    expect(written).toEqual(changed.map(([key]) => key).sort());
    expect(written.some((key) => before.has(key))).toBe(true);
    expect(written.length).toBeLessThan([...after.keys()].filter(isLog).length);
    expect(info).toMatchObject({ copiedFiles: written.length });
    const bytes = changed.reduce((sum, [, text]) => sum + Buffer.from(text, "base64").length, 0);
    expect(info.copiedBytes).toBe(bytes);
  },
);

test("what a dead exporter of the same history left is kept, logs too", async () => {
  const world = new World();
  await world.write("a", { base: "1" }, true);
  await world.write("a", { k: "a" });
  await world.die("a", "t");
  const [info, written] = await world.export("a", "t");
  expect(written).toEqual([]);
  expect(info).toMatchObject({ copiedFiles: 0, copiedBytes: 0 });
  expect((await keysAt(world.store, "t")).some(isLog)).toBe(true);
  expect(await readAt(world.at("t"))).toEqual({ base: "1", k: "a" });
});

test("a WAL object of a dead exporter that was damaged is written again", async () => {
  const world = new World();
  await world.write("a", { base: "1", k: "a" });
  await world.die("a", "t");
  const key = (await keysAt(world.store, "t")).find(isLog)!;
  const whole = (await world.store.get(`t/${key}`))!.bytes;
  const damaged = whole.slice();
  damaged[whole.length - 9]! ^= 4;
  await world.store.put(`t/${key}`, damaged);
  const [info, written] = await world.export("a", "t");
  expect(written).toEqual([key]);
  expect(info).toMatchObject({ copiedFiles: 1, copiedBytes: whole.length });
  expect(await readAt(world.at("t"))).toEqual({ base: "1", k: "a" });
});

test("an export of another history is refused, and the target stays as it was", async () => {
  for (const flush of [false, true]) {
    const world = new World();
    await world.write("a", { base: "1" });
    await world.export("a", "n");
    await world.write("n", { k: "n" }, flush);
    await world.export("n", "t");
    await world.write("a", { k: "a", k2: "a" }, flush);
    const before = await objectsAt(world.store, "t");
    await expect(world.export("a", "t", { incremental })).rejects.toMatchObject({
      kind: "exists",
      message: expect.stringContaining("holds another history of this database"),
    });
    expect(await objectsAt(world.store, "t")).toEqual(before);
    expect(await readAt(world.at("t"))).toEqual({ base: "1", k: "n" });
    // Its own goes on.
    await world.write("n", { k3: "n" }, flush);
    await world.export("n", "t", { incremental });
    expect(await readAt(world.at("t"))).toEqual({ base: "1", k: "n", k3: "n" });
    await exportOf(world.at("a"), world.at("empty"));
    expect(await readAt(world.at("empty"))).toEqual({ base: "1", k: "a", k2: "a" });
  }
});
