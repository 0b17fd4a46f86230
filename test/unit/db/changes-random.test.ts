/**
 * Random lives of a database, and feeds from every position of it: each gives exactly what the database holds, or says that it cannot. And
 * whoever does to a map what a feed says, change by change, has what the database held at each of them.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { RetiredKind } from "../../../src/format/manifest.js";
import { decodeManifest } from "../../../src/format/manifest-codec.js";
import {
  bytesAppend,
  type Change,
  type ChangeFeed,
  type ChangeOperation,
  Db,
  DbReader,
  TruncatedError,
  UnsupportedError,
  type WriteOperation,
} from "../../../src/index.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { FaultyObjectStore, MemoryObjectStore } from "../../../src/testing/index.js";
import { expectEqual } from "../../support/expect-equal.js";
import { counted } from "../../support/run-counts.js";
import { text } from "./support.js";

type Step =
  | { do: "write"; operations: number; durable: boolean }
  | { do: "load"; rows: number; alsoKeys: readonly string[] }
  | { do: "rewrite"; operations: readonly WriteOperation[] }
  | { do: "flush" | "flushLater" | "crash" | "close" | "leave" | "turn" }
  | { do: "collect"; mask: number }
  | { do: "withoutLog"; writes: number }
  | { do: "follow"; handle: "db" | "reader"; back: number };

/** A key and the seq that it was written at. */
type Written = readonly [seq: number, key: string];

interface Followed {
  readonly handle: Db | DbReader;
  readonly from: number;
  readonly feed: ChangeFeed;
  readonly seen: Written[];
  /** Behind the last change that was read whole. */
  seq: number;
  ended?: Promise<void>;
  error?: unknown;
}

/** States of any seq are read, also of those that no snapshot keeps: so nothing compacts. */
const fast = {
  background: false,
  ...{ walPutsPerSecond: Number.POSITIVE_INFINITY, flushIntervalMs: 1 },
  mergeOperators: { log: bytesAppend },
};

/** Keys of these are written again and again. */
const again = "again ";

/** No other key is written twice, so that of those the database holds at last all that was ever durable. */
class World {
  readonly #inner = new MemoryObjectStore();
  readonly #followed: Followed[] = [];
  readonly #crashed = new Set<Db>();
  #mayTruncate = false;
  #keyCount = 0;
  #store!: FaultyObjectStore;
  #db!: Db;
  #reader!: DbReader;

  async open(options: { wal?: boolean } = {}): Promise<void> {
    this.#store = new FaultyObjectStore(this.#inner);
    this.#db = await Db.open({ store: this.#store, path: "db" }, { ...fast, ...options });
    const at = { store: this.#inner, path: "db" };
    const { mergeOperators } = fast;
    this.#reader ??= await DbReader.open(at, { pollIntervalMs: 10, mergeOperators });
  }

  async step(step: Step): Promise<void> {
    const db = this.#db;
    switch (step.do) {
      case "write": {
        const batch = db.batch();
        for (let i = 0; i < step.operations; i++) batch.put(this.#key(), "x".repeat(i));
        const written = db.write(batch, { durable: step.durable });
        written.catch(() => undefined);
        if (step.durable) await written;
        return;
      }
      case "load":
        await db.load([
          ...Array.from({ length: step.rows }, () => [this.#key(), "loaded"] as const),
          ...step.alsoKeys.map((key) => [key, "loaded"] as const),
        ]);
        return;
      case "rewrite":
        db.write(step.operations).catch(() => undefined);
        return;
      case "flush":
        await db.flush({ to: "l0" });
        return;
      case "flushLater":
        db.flush({ to: "l0" }).catch(() => undefined);
        return;
      case "turn":
        return new Promise((resolve) => setImmediate(resolve));
      case "crash":
        this.#store.crash();
        this.#crashed.add(db);
        return this.open();
      case "leave":
        // Alive while the next one opens; then it learns that it was fenced.
        await this.open();
        await db.put(this.#key(), "lost").catch(() => undefined);
        return;
      case "close":
        await db.close();
        return this.open();
      case "withoutLog":
        this.#mayTruncate = true;
        await db.close();
        await this.open({ wal: false });
        for (let i = 0; i < step.writes; i++) await this.#db.put(this.#key(), "in no log");
        await this.#db.close();
        return this.open({ wal: true });
      case "collect":
        return this.#collect(step.mask);
      case "follow":
        if (step.handle === "reader") await this.#reader.refresh();
        return this.#follow(step.handle === "db" ? db : this.#reader, step.back);
    }
  }

  /** Every position of both handles, and those that have followed for some time. */
  async check(): Promise<void> {
    const { seq } = await this.#db.put(this.#key(), "last");
    await this.#reader.waitForSeq(seq);
    for (const handle of [this.#db, this.#reader]) await this.#checkStates(handle, seq);
    await this.#db.flush();
    const truth = await this.#truth();
    const lastSeq = truth.at(-1)?.[0] ?? 0;
    await this.#reader.waitForSeq(lastSeq);
    for (const handle of [this.#db, this.#reader]) {
      for (const from of new Set([0, ...truth.map(([seq]) => seq)])) {
        await this.#checkFrom(handle, from, truth);
      }
    }
    for (const followed of this.#followed) await this.#checkFollowed(followed, truth, lastSeq);
    await this.#reader.close();
    await this.#db.close();
  }

  #key(): string {
    return `k${String(this.#keyCount++).padStart(4, "0")}`;
  }

  /** Deletes some of what the newest manifest has retired, in any order, as a collector may. */
  async #collect(mask: number): Promise<void> {
    this.#mayTruncate = true;
    const path = ObjectPaths.manifest(this.#db.stats().manifestNumber);
    const found = await this.#inner.get(`db/${path}`);
    for (const { kind, epoch, fromId, toId } of decodeManifest(found!.bytes, path).retired) {
      if (kind !== RetiredKind.wal) continue;
      for (let id = fromId; id < toId; id++) {
        if (mask & (1 << (id % 5))) await this.#inner.delete([`db/${ObjectPaths.wal(epoch, id)}`]);
      }
    }
  }

  #follow(handle: Db | DbReader, back: number): void {
    const from = Math.max(0, handle.seq - back);
    const feed = handle.changes({ from });
    const followed: Followed = { handle, from, feed, seen: [], seq: from };
    followed.ended = (async () => {
      for await (const change of feed) {
        followed.seen.push(...(await writtenBy(change)));
        followed.seq = change.seq;
      }
    })().catch((error: unknown) => {
      followed.error = error;
    });
    this.#followed.push(followed);
  }

  /** What a feed makes of the keys that are written again, up to a seq. */
  async #checkStates(handle: Db | DbReader, lastSeq: number): Promise<void> {
    const state = new Map<string, string>();
    try {
      for await (const { seq, operations } of handle.changes({ from: 0 })) {
        for (const operation of operations) await applyTo(state, operation);
        const found: [string, string][] = [];
        for await (const { key, value } of this.#db.scan({ prefix: again, seq })) {
          found.push([text(key)!, text(value)!]);
        }
        expectEqual(
          found,
          [...state].filter(([key]) => key.startsWith(again)).sort(([a], [b]) => (a < b ? -1 : 1)),
          `at seq ${seq}`,
        );
        if (found.length > 0) seen.statesWithRows++;
        if (seq === lastSeq) return;
      }
    } catch (error) {
      if (!(error instanceof TruncatedError)) throw error;
      expect(this.#mayTruncate, error.message).toBe(true);
    }
  }

  async #truth(): Promise<Written[]> {
    const written: Written[] = [];
    for await (const key of this.#db.keys({ gte: "k" })) {
      written.push([(await this.#db.getEntry(key))!.seq, text(key)!]);
    }
    return written.sort(([a, x], [b, y]) => a - b || (x < y ? -1 : 1));
  }

  async #checkFrom(handle: Db | DbReader, from: number, truth: readonly Written[]): Promise<void> {
    const wanted = truth.filter(([seq]) => seq > from);
    const seen: Written[] = [];
    try {
      if (wanted.length === 0) return;
      for await (const change of handle.changes({ from })) {
        seen.push(...(await writtenBy(change)));
        if (seen.length >= wanted.length) break;
      }
      expectEqual(seen, wanted);
    } catch (error) {
      if (!(error instanceof TruncatedError)) throw error;
      expect(this.#mayTruncate, `from ${from}: ${error.message}`).toBe(true);
      expectEqual(seen, wanted.slice(0, seen.length));
      expect(error.oldestSeq).toBeGreaterThan(from);
    }
  }

  async #checkFollowed(followed: Followed, truth: readonly Written[], last: number): Promise<void> {
    const { handle, from, feed, seen } = followed;
    if (!this.#crashed.has(handle as Db)) {
      for (let i = 0; i < 2_000 && followed.error === undefined && followed.seq < last; i++) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    await feed.close();
    // What a crashed process reads of the rows of a load never comes.
    if (!this.#crashed.has(handle as Db)) await followed.ended;
    const { error } = followed;
    if (error instanceof TruncatedError || error instanceof UnsupportedError) {
      expect(this.#mayTruncate, error.message).toBe(true);
    } else if (handle === this.#reader) expect(error).toBeUndefined();
    if (error === undefined && !this.#crashed.has(handle as Db)) {
      expect(followed.seq).toBeGreaterThanOrEqual(last);
    }
    expectEqual(
      seen,
      truth.filter(([seq]) => seq > from && seq <= followed.seq),
    );
  }
}

/** How often a range delete took something away, and a state was compared that was not empty. */
const seen = { deletedByRange: 0, statesWithRows: 0 };

async function applyTo(state: Map<string, string>, operation: ChangeOperation): Promise<void> {
  switch (operation.type) {
    case "load":
      for await (const row of operation.rows()) await applyTo(state, row);
      return;
    case "deleteRange": {
      const [from, to] = [text(operation.gte)!, text(operation.lt)];
      for (const key of state.keys()) {
        if (key < from || (to !== undefined && key >= to)) continue;
        state.delete(key);
        seen.deletedByRange++;
      }
      return;
    }
    case "put":
      state.set(text(operation.key)!, text(operation.value)!);
      return;
    case "delete":
      state.delete(text(operation.key)!);
      return;
    case "merge": {
      const key = text(operation.key)!;
      state.set(key, [state.get(key) ?? "", ...operation.operands.map(text)].join(""));
    }
  }
}

async function writtenBy(change: Change): Promise<Written[]> {
  const keys: string[] = [];
  for (const operation of change.operations) {
    if (operation.type === "put") keys.push(text(operation.key)!);
    else if (operation.type === "load") {
      for await (const { key } of operation.rows()) keys.push(text(key)!);
    }
  }
  const once = keys.filter((key) => !key.startsWith(again)).sort();
  return once.map((key) => [change.seq, key] as const);
}

const write = fc.record({
  do: fc.constant("write" as const),
  operations: fc.integer({ min: 1, max: 4 }),
  durable: fc.boolean(),
});
const plain = fc.record({
  do: fc.constantFrom("flush", "flushLater", "crash", "close", "leave", "turn"),
});
const oldKey = fc.constantFrom("a", "b", "c", "d").map((name) => again + name);
const load = fc.record({
  do: fc.constant("load" as const),
  rows: fc.integer({ min: 1, max: 5 }),
  alsoKeys: fc.uniqueArray(oldKey, { maxLength: 3 }),
});
const rewrite = fc.record({
  do: fc.constant("rewrite" as const),
  operations: fc.array(
    fc.oneof<fc.Arbitrary<WriteOperation>[]>(
      fc.tuple(oldKey, fc.constantFrom("1", "2")).map(([key, value]) => ({
        ...{ type: "put" as const, key, value },
      })),
      fc.tuple(oldKey, fc.constantFrom("3", "4")).map(([key, operand]) => ({
        ...{ type: "merge" as const, key, operand },
      })),
      oldKey.map((key) => ({ type: "delete" as const, key })),
      fc
        .tuple(fc.constantFrom("gt", "gte"), oldKey, fc.constantFrom("lt", "lte"), oldKey)
        .map(([lower, from, upper, to]) => ({
          ...{ type: "deleteRange" as const, range: { [lower]: from, [upper]: to } },
        })),
      fc.constantFrom(again, `${again}b`).map((prefix) => ({
        ...{ type: "deleteRange" as const, range: { prefix } },
      })),
    ),
    { minLength: 1, maxLength: 5 },
  ),
});
const collect = fc.record({
  do: fc.constant("collect" as const),
  mask: fc.integer({ min: 0, max: 31 }),
});
const withoutLog = fc.record({
  do: fc.constant("withoutLog" as const),
  writes: fc.integer({ min: 0, max: 3 }),
});
const follow = fc.record({
  do: fc.constant("follow" as const),
  handle: fc.constantFrom("db", "reader"),
  back: fc.integer({ min: 0, max: 8 }),
});
const usual = [
  { weight: 6, arbitrary: write },
  { weight: 2, arbitrary: rewrite },
  { weight: 5, arbitrary: plain },
  { weight: 1, arbitrary: load },
  { weight: 2, arbitrary: follow },
];
const rare = [
  { weight: 1, arbitrary: collect },
  { weight: 1, arbitrary: withoutLog },
];

const often = { weight: 20, arbitrary: rewrite };
/** None is left alive: where the one after it loses seqs and has logged nothing, a feed takes that for a hole. */
const ended = {
  weight: 5,
  arbitrary: fc.record({
    do: fc.constantFrom("flush", "flushLater", "crash", "close", "turn"),
  }),
};

test.each([
  ["with its log", fc.array(fc.oneof(...usual), { maxLength: 25 })],
  ["with holes in its log", fc.array(fc.oneof(...usual, ...rare), { maxLength: 25 })],
  [
    "whose keys are written again and again",
    fc.array(fc.oneof(...usual.filter(({ arbitrary }) => arbitrary !== plain), ended, often), {
      minLength: 10,
      maxLength: 25,
    }),
  ],
])(
  "feeds agree with a database %s, whatever its life was",
  async (_, lives) => {
    await fc.assert(
      fc.asyncProperty(lives, async (life) => {
        const world = new World();
        await world.open();
        for (const step of life) await world.step(step as Step);
        await world.check();
      }),
      { ...counted(80, 25), timeout: 20_000 },
    );
  },
  120_000,
);

test("and these feeds have deleted by range", () => {
  expect(seen.statesWithRows).toBeGreaterThan(100);
  expect(seen.deletedByRange).toBeGreaterThan(100);
});
