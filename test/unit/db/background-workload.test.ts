/**
 * A workload of every kind of write beside background compaction and a collection without grace, against a map: snapshots and scans that are held open
 * read the same bytes for the whole run, a reader of another process reads only what was written, and so does whoever opens the database next.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import {
  Db,
  DbReader,
  decodeUint64,
  encodeUint64,
  FileObjectStore,
  isMoraineError,
  MemoryObjectStore,
  type ObjectStore,
  type OpenOptions,
  type Scan,
  type Snapshot,
  uint64Add,
} from "../../../src/index.js";
import { seededRandom } from "../../../src/testing/index.js";
import { text } from "./support.js";

const KiB = 1024;
const mergeOperators = { count: uint64Add };
const base: OpenOptions = {
  ...{ memTableBytes: 96 * KiB, walPutsPerSecond: Number.POSITIVE_INFINITY, sstBytesMax: 64 * KiB },
  ...{ gcGraceMs: 0, loadBufferBytes: 16 * KiB, mergeOperators },
};
const keyCount = 400;
const keyOf = (i: number): string => `key ${String(i).padStart(4, "0")}`;

let folder: string | undefined;
afterEach(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  folder = undefined;
});

/** Values of merged keys are numbers; those of others are text. */
type Model = Map<string, string | bigint>;

const modelText = (model: Model): string =>
  [...model]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join("\n");

const shown = (key: string, value: Uint8Array): string =>
  key.startsWith("count") ? `${key}=${decodeUint64(value)}` : `${key}=${text(value)}`;

async function allOf(from: Pick<Db, "scan">): Promise<string> {
  const lines: string[] = [];
  for await (const { key, value } of from.scan()) lines.push(shown(text(key)!, value));
  return lines.join("\n");
}

interface Held {
  readonly snapshot: Snapshot;
  readonly expected: string;
  /** Has read a part of it already. */
  readonly scan: Scan<{ key: Uint8Array; value: Uint8Array }>;
  readonly begun: string[];
}

async function hold(db: Db, model: Model): Promise<Held> {
  const snapshot = db.snapshot();
  const scan = db.scan();
  const expected = modelText(model);
  const begun: string[] = [];
  for (const { key, value } of await scan.nextMany(30)) begun.push(shown(text(key)!, value));
  return { snapshot, expected, scan, begun };
}

async function checkHeld({ snapshot, expected, scan, begun }: Held): Promise<void> {
  expect(await allOf(snapshot)).toBe(expected);
  for await (const { key, value } of scan) begun.push(shown(text(key)!, value));
  expect(begun.join("\n")).toBe(expected);
  snapshot.close();
}

async function step(db: Db, model: Model, next: () => number, round: number): Promise<void> {
  const pick = (count: number): number => Math.floor(next() * count);
  const kind = pick(20);
  const key = keyOf(pick(keyCount));
  if (kind < 10) {
    const batch = db.batch();
    for (let i = 0; i < 40; i++) {
      const one = keyOf(pick(keyCount));
      const value = `${one} ${round} ${"x".repeat(pick(80))}`;
      batch.put(one, value);
      model.set(one, value);
    }
    await db.write(batch, { durable: false });
  } else if (kind < 12) {
    model.delete(key);
    await db.delete(key, { durable: false });
  } else if (kind < 16) {
    const count = `count ${pick(8)}`;
    model.set(count, ((model.get(count) as bigint | undefined) ?? 0n) + 1n);
    await db.merge(count, encodeUint64(1n), { durable: false });
  } else if (kind < 18) {
    const from = pick(keyCount);
    const to = Math.min(keyCount, from + 1 + pick(30));
    for (let i = from; i < to; i++) model.delete(keyOf(i));
    await db.deleteRange({ gte: keyOf(from), lt: keyOf(to) }, { durable: false });
  } else if (kind < 19) {
    model.set(key, `lives ${round}`);
    await db.put(key, `lives ${round}`, { durable: false, ttlMs: 3_600_000 });
  } else {
    const rows = Array.from({ length: 30 }, (_, i): [string, string] => [
      keyOf(pick(keyCount)),
      `loaded ${round} ${i}`,
    ]);
    for (const [one, value] of rows) model.set(one, value);
    await db.load(rows);
  }
}

/** What another process sees of a key is something that was written to it. */
async function readBeside(store: ObjectStore, signal: AbortSignal): Promise<number> {
  const reader = await DbReader.open({ store, path: "db" }, { pollIntervalMs: 10, mergeOperators });
  let reads = 0;
  try {
    for (let i = 0; !signal.aborted; i++) {
      const key = keyOf((i * 37) % keyCount);
      const value = text(await reader.get(key));
      if (value !== undefined)
        expect(value).toMatch(new RegExp(`^(${key} \\d+ x*|lives \\d+|loaded )`));
      reads++;
      try {
        let last = "";
        for await (const found of reader.scan({ prefix: "key", limit: 50 })) {
          expect(text(found.key)! > last).toBe(true);
          last = text(found.key)!;
        }
      } catch (error) {
        if (!isMoraineError(error, "gone")) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  } finally {
    await reader.close();
  }
  return reads;
}

async function live(store: ObjectStore, options: OpenOptions, seed: number): Promise<void> {
  const at = { store, path: "db" };
  const random = seededRandom(seed);
  const next = (): number => random.next();
  const model: Model = new Map();
  const stop = new AbortController();
  let db = await Db.open(at, { ...base, ...options });
  const beside = readBeside(store, stop.signal);
  beside.catch(() => undefined);
  const held: Held[] = [];
  let jobs = 0;
  let deleted = 0;
  const account = (): void => {
    const { compaction, gc } = db.stats();
    expect([compaction.failures, compaction.lastError]).toEqual([[], undefined]);
    jobs += compaction.jobsDone;
    deleted += gc.ssts;
  };
  for (let round = 0; round < 260; round++) {
    await step(db, model, next, round);
    if (round % 5 === 0) await db.flush({ to: "l0" });
    if (round % 50 === 20) held.push(await hold(db, model));
    const oldest = round % 50 === 40 ? held.shift() : undefined;
    if (oldest !== undefined) await checkHeld(oldest);
    if (round % 50 === 49) expect(await allOf(db)).toBe(modelText(model));
    if (round === 150) {
      // Snapshots end with their handle.
      for (const one of held.splice(0)) await checkHeld(one);
      account();
      await db.close();
      db = await Db.open(at, { ...base, ...options });
    }
  }
  for (const one of held) await checkHeld(one);
  stop.abort();
  expect(await beside).toBeGreaterThan(10);
  await db.compact();
  expect(await allOf(db)).toBe(modelText(model));
  expect(db.stats()).toMatchObject({ l0Count: 0, runCount: 1 });
  account();
  await db.close();
  const reopened = await Db.open(at, { ...base, ...options });
  expect(await allOf(reopened)).toBe(modelText(model));
  await reopened.close();
  expect(jobs).toBeGreaterThan(10);
  expect(deleted).toBeGreaterThan(50);
}

test("size-tiered, in memory", () => live(new MemoryObjectStore(), {}, 1), 120_000);

test("leveled, in memory, slices", async () => {
  const compaction = { strategy: "leveled", level1Bytes: 64 * KiB } as const;
  await live(new MemoryObjectStore(), { compaction, compactionThreads: 0 }, 2);
}, 120_000);

test("size-tiered, in a folder", async () => {
  folder = mkdtempSync(join(tmpdir(), "moraine-background-"));
  await live(new FileObjectStore({ directory: folder }), {}, 3);
}, 120_000);
