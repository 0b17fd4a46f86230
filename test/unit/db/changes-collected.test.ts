/**
 * Change feeds of a database whose log has gaps: collections take what no pin names, from in front of it and from behind it, and may die halfway.
 * A feed gives every change behind its position, or says where the log goes on; it never passes over one.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { systemClock } from "../../../src/common/clock.js";
import { systemRandom } from "../../../src/common/random.js";
import { collect } from "../../../src/db/collect.js";
import { type Manifest, RetiredKind, type WalRange } from "../../../src/format/manifest.js";
import { decodeWalObject } from "../../../src/format/wal-object.js";
import { Db, DbReader, TruncatedError } from "../../../src/index.js";
import { findNewest } from "../../../src/manifest/find-newest.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import { plainCheckpoint } from "../../../src/manifest/plain-checkpoint.js";
import { instantOf, StoredManifest } from "../../../src/manifest/stored-manifest.js";
import type { Transition } from "../../../src/manifest/transitions.js";
import { parseWalPath } from "../../../src/object-store/paths.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { FaultyObjectStore, MemoryObjectStore } from "../../../src/testing/index.js";
import { expectEqual } from "../../support/expect-equal.js";
import { counted } from "../../support/run-counts.js";
import { ulid } from "../manifest/manifests.js";
import { text } from "./support.js";

type Step =
  | { do: "put"; count: number }
  | { do: "flush" | "crash" | "close" | "leave" | "withoutLog" | "unpin" | "read" }
  | { do: "pin"; from: number; length: number }
  | { do: "collect"; requests: number };

type Row = readonly [seq: number, key: string];

const retentionMs = 30 * 24 * 3_600_000;
const clock = systemClock;
const random = systemRandom;
const fast = {
  background: false,
  ...{ walPutsPerSecond: Number.POSITIVE_INFINITY, flushIntervalMs: 1, compaction: false as const },
};

/** What came about in all lives: there has to be something to find. */
const seen = { truncated: 0, whole: 0, remnants: 0, beyondGap: 0, exact: 0 };

class World {
  readonly #inner = new MemoryObjectStore();
  readonly #at = { store: this.#inner, path: "db" };
  readonly #root = prefixed(this.#inner, "db");
  #store!: FaultyObjectStore;
  #db!: Db;
  #reader!: DbReader;
  #keyCount = 0;
  #pinCount = 0;
  /** Nothing was written that no log has, and no seq was given that was lost. */
  #knowsAll = true;

  async open(wal = true): Promise<void> {
    this.#store = new FaultyObjectStore(this.#inner);
    this.#db = await Db.open({ store: this.#store, path: "db" }, { ...fast, wal });
    this.#reader ??= await DbReader.open(this.#at, { pollIntervalMs: 10 });
  }

  async step(step: Step): Promise<void> {
    const db = this.#db;
    switch (step.do) {
      case "put":
        for (let i = 0; i < step.count; i++) await db.put(this.#key(), "");
        return;
      case "flush":
        await db.flush({ to: "l0" });
        return;
      case "crash":
        this.#store.crash();
        return this.open();
      case "close":
        await db.close();
        return this.open();
      case "leave":
        this.#knowsAll = false;
        await this.open();
        await db.put(this.#key(), "lost").catch(() => undefined);
        return;
      case "withoutLog":
        this.#knowsAll = false;
        await db.close();
        await this.open(false);
        await this.#db.put(this.#key(), "in no log");
        await this.#db.close();
        return this.open();
      case "pin":
        return this.#pin(step.from, step.length);
      case "unpin":
        return this.#commit((manifest) => {
          const checkpoints = manifest.checkpoints.slice(1);
          return manifest.checkpoints.length === 0 ? manifest : { ...manifest, checkpoints };
        });
      case "collect":
        return this.#collect(step.requests);
      case "read":
        // The handles' manifests and spans are of different ages.
        await this.#reader.refresh();
    }
  }

  #key(): string {
    return `k${String(this.#keyCount++).padStart(4, "0")}`;
  }

  async #commit(transition: Transition): Promise<void> {
    const manifests = new ManifestStore(this.#root);
    const searchedAt = instantOf(clock);
    const newest = await findNewest(manifests, { clock, retentionMs });
    const options = { clock, random, retentionMs, searchedAt };
    await new StoredManifest(manifests, newest!, options).commit(transition);
  }

  /** Some of the WAL objects that are stored, in log order. */
  async #pin(from: number, length: number): Promise<void> {
    const stored = (await this.#walObjects()).map(({ epoch, id }) => ({ epoch, id }));
    const first = Math.floor(from * stored.length);
    const wal: WalRange[] = [];
    for (const { epoch, id } of stored.slice(first, first + length)) {
      const last = wal.at(-1);
      if (last?.epoch === epoch && last.toId === id)
        wal[wal.length - 1] = { ...last, toId: id + 1 };
      else wal.push({ epoch, fromId: id, toId: id + 1 });
    }
    const number = 900 + this.#pinCount++;
    await this.#commit((manifest) => {
      const manifestNumber = manifest.number + 1;
      const times = { createdAt: 0, ttlMs: 0, refreshedNumber: manifestNumber };
      const pin = { ...plainCheckpoint, ...times, id: ulid(number), name: "", manifestNumber, wal };
      return { ...manifest, checkpoints: [...manifest.checkpoints, pin] };
    });
  }

  /** One that dies after so many requests, if it sends as many. */
  async #collect(requests: number): Promise<void> {
    const store = new FaultyObjectStore(this.#inner);
    let left = requests;
    store.intercept = () => {
      if (left-- <= 0) store.crash();
      return undefined;
    };
    const collecting = collect({ store, path: "db" }, { graceMs: 0 });
    const crashed = new Promise<void>((resolve) => setTimeout(resolve, 20));
    await Promise.race([collecting.catch(() => undefined), crashed]);
  }

  /** In log order, with their seqs; fences have none. */
  async #walObjects(): Promise<{ epoch: number; id: number; lastSeq: number }[]> {
    const found: { epoch: number; id: number; lastSeq: number }[] = [];
    const { databaseId } = await this.#newest();
    for await (const { key } of this.#root.list({ prefix: "wal/" })) {
      const position = parseWalPath(key)!;
      const object = await this.#root.get(key);
      if (object === undefined) continue;
      const { fence, lastSeq } = decodeWalObject(object.bytes, key, databaseId, position);
      if (!fence) found.push({ ...position, lastSeq });
    }
    return found.sort((a, b) => a.epoch - b.epoch || a.id - b.id);
  }

  async #newest(): Promise<Manifest> {
    return (await findNewest(new ManifestStore(this.#root), { clock, retentionMs }))!;
  }

  /** Every position, on both handles. */
  async check(): Promise<void> {
    const { seq } = await this.#db.put(this.#key(), "last");
    const newest = await this.#newest();
    const remnants = newest.retired.filter(({ kind }) => kind === RetiredKind.walRemnant);
    seen.remnants += remnants.length;
    const truth: Row[] = [];
    for await (const key of this.#db.keys({ gte: "k" })) {
      truth.push([(await this.#db.getEntry(key))!.seq, text(key)!]);
    }
    truth.sort(([a], [b]) => a - b);
    const stored = new Set((await this.#walObjects()).map(({ lastSeq }) => lastSeq));
    await this.#reader.waitForSeq(seq);
    for (const handle of [this.#db, this.#reader]) {
      for (const from of new Set([0, ...truth.map(([seq]) => seq)])) {
        await this.#checkFrom(handle, from, truth, stored);
      }
    }
    await this.#reader.close();
    await this.#db.close();
  }

  async #checkFrom(
    handle: Db | DbReader,
    from: number,
    truth: readonly Row[],
    stored: ReadonlySet<number>,
  ): Promise<void> {
    const wanted = truth.filter(([seq]) => seq > from);
    let position = from;
    for (let cuts = 0; ; cuts++) {
      const behind = wanted.filter(([seq]) => seq > position);
      if (behind.length === 0) return;
      const given: Row[] = [];
      const hasAll = behind.every(([seq]) => stored.has(seq));
      try {
        for await (const { seq, operations } of handle.changes({ from: position })) {
          for (const one of operations) if (one.type === "put") given.push([seq, text(one.key)!]);
          expectEqual(given, behind.slice(0, given.length), `from ${position}`);
          if (given.length >= behind.length) break;
        }
        expectEqual(given, behind, `from ${position}`);
        seen.whole++;
        if (cuts > 0) seen.beyondGap++;
        return;
      } catch (error) {
        if (!(error instanceof TruncatedError)) throw error;
        seen.truncated++;
        expectEqual(given, behind.slice(0, given.length));
        // Where no seq was lost, it is known exactly what is missing.
        if (this.#knowsAll) {
          expect(hasAll, `from ${position}: ${error.message}`).toBe(false);
          seen.exact++;
        }
        expect(error.oldestSeq).toBeGreaterThan(position);
        expect(cuts).toBeLessThan(20);
        position = error.oldestSeq;
      }
    }
  }
}

const put = fc.record({ do: fc.constant("put" as const), count: fc.integer({ min: 1, max: 4 }) });
const plain = fc.record({ do: fc.constantFrom("flush", "crash", "close", "unpin", "read") });
const pin = fc.record({
  do: fc.constant("pin" as const),
  from: fc.double({ min: 0, max: 0.99, noNaN: true }),
  length: fc.integer({ min: 1, max: 5 }),
});
const collected = fc.record({
  do: fc.constant("collect" as const),
  requests: fc.oneof(fc.constant(1_000), fc.integer({ min: 3, max: 14 })),
});
const usual = [
  { weight: 6, arbitrary: put },
  { weight: 6, arbitrary: plain },
  { weight: 3, arbitrary: pin },
  { weight: 2, arbitrary: collected },
];
const rare = { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("leave", "withoutLog") }) };

test.each([
  ["that knows all its seqs", fc.array(fc.oneof(...usual), { minLength: 12, maxLength: 30 })],
  ["that has lost some", fc.array(fc.oneof(...usual, rare), { minLength: 12, maxLength: 30 })],
])(
  "feeds never pass over what was collected from the log of a database %s",
  async (_, lives) => {
    await fc.assert(
      fc.asyncProperty(lives, async (life) => {
        const world = new World();
        await world.open();
        for (const step of life) await world.step(step as Step);
        await world.check();
      }),
      { ...counted(60, 15), timeout: 20_000 },
    );
  },
  120_000,
);

test("and there were gaps, feeds that were cut off, and feeds that went on behind a gap", () => {
  expect(seen.remnants, "remnants").toBeGreaterThan(10);
  expect(seen.truncated, "cut off").toBeGreaterThan(30);
  expect(seen.exact, "cut off where it is known why").toBeGreaterThan(20);
  expect(seen.whole, "whole").toBeGreaterThan(100);
  expect(seen.beyondGap, "behind a gap").toBeGreaterThan(20);
});
