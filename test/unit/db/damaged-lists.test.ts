/** A run whose list of SSTs is missing or damaged is left as it is, and told of with the name of the object; everything else is compacted. */
import { afterEach, beforeAll, expect, test } from "vitest";
import { Compactor } from "../../../src/db/compactor.js";
import { Db, MemoryObjectStore, type OpenOptions } from "../../../src/index.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { loadEngine } from "../../support/load-engine.js";
import { commit, compactByHand, newest } from "./compact-by-hand.js";
import { text } from "./support.js";

beforeAll(loadEngine);

let opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.reverse()) await one.close();
  opened = [];
});

const idle: OpenOptions = { compaction: false, flushIntervalMs: 3_600_000 };

interface Scene {
  readonly at: { store: MemoryObjectStore; path: string };
  readonly root: ReturnType<typeof prefixed>;
  /** Name and bytes of the list. */
  readonly path: string;
  readonly whole: Uint8Array;
}

/** One run of 40 SSTs with keys `a…`, whose list is damaged or gone, and four L0 entries with keys `z…`. */
async function scene(kind: "damaged" | "missing", keyBytes = 4): Promise<Scene> {
  const store = new MemoryObjectStore();
  const at = { store, path: "db" };
  const root = prefixed(store, "db");
  const db = await Db.open(at, idle);
  for (let i = 0; i < 40; i++) await db.put(`a${String(i).padStart(keyBytes - 1, "0")}`, `${i}`);
  await db.flush({ to: "l0" });
  const manifest = await compactByHand({ store: root, keysPerSst: 1 });
  const runs = manifest.runs.map((run) => ({ ...run, level: 1 }));
  await commit(root, manifest, { runs });
  await db.close();
  const again = await Db.open(at, idle);
  for (let i = 0; i < 4; i++) {
    await again.put("z", `${i}`);
    await again.put(`z${i}`, `${i}`);
    await again.flush({ to: "l0" });
  }
  await again.close();
  const path = `runs/${runs[0]!.id}.run`;
  const whole = (await root.get(path))!.bytes;
  const bytes = whole.slice();
  bytes[60]! ^= 1;
  if (kind === "missing") await root.delete([path]);
  else await root.put(path, bytes);
  return { at, root, path, whole };
}

async function openCompactor({ at }: Scene, options = {}): Promise<Compactor> {
  const compactor = await Compactor.open(at, { compactionThreads: 0, ...options });
  opened.push(compactor);
  return compactor;
}

test.each([
  ["damaged", 4, "size-tiered"],
  ["missing", 4, "size-tiered"],
  ["damaged", 5000, "size-tiered"],
  ["damaged", 4, "leveled"],
] as const)(
  "of a run whose list is %s, with keys of %i bytes, and %s, a compactor says so once, and compacts the rest",
  async (kind, keyBytes, strategy) => {
    const one = await scene(kind, keyBytes);
    const { at, root, path, whole } = one;
    const [run] = (await newest(root)).runs;
    const compactor = await openCompactor(one, { strategy });
    expect(await compactor.runOnce()).toBe(1);
    expect(await compactor.runOnce()).toBe(0);
    expect(compactor.stats()).toMatchObject({
      ...{ l0Count: 0, runCount: 2, jobsDone: 1, jobsFailed: 0 },
      failures: [{ object: path }],
    });
    const after = await newest(root);
    expect(after.runs[1]).toEqual(run);
    expect(after.runs[0]).toMatchObject({ rowCount: 5 });
    // What was asked for says what is wrong, where it would need the list, and is done where it would not.
    await expect(compactor.compact()).rejects.toMatchObject({ kind: "corruption", object: path });
    await compactor.compact({ gte: "z" });
    await expect(compactor.compact({ gte: "a", lt: "b" })).rejects.toMatchObject({ object: path });
    const db = await Db.open(at, idle);
    opened.push(db);
    expect(text(await db.get("z"))).toBe("3");
    expect(text(await db.get("z1"))).toBe("1");
    await expect(db.get(`a${"0".padStart(keyBytes - 1, "0")}`)).rejects.toMatchObject({
      object: path,
    });
    // Once it is whole again, it is compacted as any other.
    await root.put(path, whole);
    await compactor.compact();
    expect(await newest(root)).toMatchObject({ l0: [], runs: [{ rowCount: 45 }] });
    expect(compactor.stats().failures).toHaveLength(1);
  },
  30_000,
);

test("a writer's own compaction goes on beside it, and says what is wrong", async () => {
  const one = await scene("missing");
  const db = await Db.open(one.at, { compactionThreads: 0 });
  opened.push(db);
  await db.put("y", "1");
  await db.flush({ to: "l0" });
  for (let i = 0; i < 500 && db.stats().runCount < 2; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(db.stats()).toMatchObject({
    ...{ l0Count: 0, runCount: 2 },
    compaction: { lastError: undefined, failures: [{ object: one.path }] },
  });
});
