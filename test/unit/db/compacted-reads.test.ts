/** Everything that reads, held open over many compactions of another process that delete at once what the manifest no longer names. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Db, type Scan, type Snapshot, type Transaction } from "../../../src/index.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import type { KeyValue } from "../../../src/read/scan-shape.js";
import { MemoryObjectStore } from "../../../src/testing/index.js";
import { expectEqual } from "../../support/expect-equal.js";
import { sampled } from "../../support/run-counts.js";
import { compactByHand } from "./compact-by-hand.js";
import { text } from "./support.js";

const keyCount = 70;
const keyOf = (i: number): string => `k${String(i).padStart(2, "0")}`;

/** What a database holds, by key. */
type State = ReadonlyMap<string, string>;

const rowsOf = (state: State, reverse = false): string[] => {
  const rows = [...state].sort().map(([key, value]) => `${key}=${value}`);
  return reverse ? rows.reverse() : rows;
};

const show = ({ key, value }: KeyValue): string => `${text(key)}=${text(value)}`;

/** Something that was opened at a state and has to see it to its end. */
interface Held {
  readonly state: State;
  readonly reads: Snapshot | Transaction | undefined;
  readonly scan: Scan<KeyValue>;
  /** What is left for the scan. */
  readonly left: string[];
}

type Step =
  | { readonly kind: "put"; readonly keys: readonly number[] }
  | { readonly kind: "delete"; readonly keys: readonly number[] }
  | { readonly kind: "load"; readonly keys: readonly number[] }
  | { readonly kind: "flush" }
  | { readonly kind: "compact"; readonly keysPerSst: number; readonly partBytes: number }
  | { readonly kind: "hold"; readonly as: "snapshot" | "transaction" | "scan"; reverse: boolean }
  | { readonly kind: "read"; readonly held: number; readonly key: number; readonly rows: number }
  | { readonly kind: "end"; readonly held: number };

const keys = fc.array(fc.nat(keyCount - 1), { minLength: 1, maxLength: 60 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("put" as const), keys }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), keys }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("load" as const), keys }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("flush" as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("compact" as const),
      // One key to an SST makes a run that is too long for the manifest.
      keysPerSst: fc.constantFrom(1, 1, 7),
      partBytes: fc.constantFrom(200, 2000),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("hold" as const),
      as: fc.constantFrom("snapshot" as const, "transaction" as const, "scan" as const),
      reverse: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      held: fc.nat(),
      key: fc.nat(keyCount - 1),
      rows: fc.integer({ min: 1, max: 30 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("end" as const), held: fc.nat() }) },
);

async function run(steps: readonly Step[]): Promise<void> {
  const store = new MemoryObjectStore();
  const root = prefixed(store, "db");
  const at = { store, path: "db" };
  // Each read asks the store.
  const options = { blockCacheBytes: 0, compaction: false, flushIntervalMs: 3_600_000 } as const;
  const db = await Db.open(at, options);
  const held: Held[] = [];
  let state: State = new Map();
  let value = 0;

  async function hold(as: "snapshot" | "transaction" | "scan", reverse: boolean): Promise<void> {
    const reads =
      as === "scan"
        ? undefined
        : as === "snapshot"
          ? db.snapshot()
          : db.begin({ isolation: "serializable" });
    const scan = (reads ?? db).scan({ reverse });
    held.push({ state, reads, scan, left: rowsOf(state, reverse) });
  }

  async function read(
    { state: seen, reads, scan, left }: Held,
    key: number,
    rows: number,
  ): Promise<void> {
    const given = await scan.nextMany(rows);
    expectEqual(given.map(show), left.splice(0, rows));
    if (reads === undefined) return;
    expect(text(await reads.get(keyOf(key)))).toBe(seen.get(keyOf(key)));
    const some = [keyOf(key), "none", keyOf((key * 7) % keyCount)];
    expectEqual(
      (await reads.getMany(some)).map(text),
      some.map((one) => seen.get(one)),
    );
    expect(await reads.has(keyOf(key))).toBe(seen.has(keyOf(key)));
  }

  async function end({ reads, scan, left }: Held): Promise<void> {
    expectEqual((await scan.nextMany(1000)).map(show), left);
    await scan.close();
    if (reads !== undefined) await reads[Symbol.asyncDispose]();
  }

  for (const one of steps) {
    if (one.kind === "put" || one.kind === "load") {
      const changed = new Map(state);
      const entries = [...new Set(one.keys)].map((i) => [keyOf(i), `v${value++}`] as const);
      for (const [key, written] of entries) changed.set(key, written);
      if (one.kind === "load") await db.load(entries.map(([key, written]) => [key, written]));
      else {
        const batch = db.batch();
        for (const [key, written] of entries) batch.put(key, written);
        await db.write(batch, { durable: false });
      }
      state = changed;
    } else if (one.kind === "delete") {
      const changed = new Map(state);
      const batch = db.batch();
      for (const i of one.keys) {
        changed.delete(keyOf(i));
        batch.delete(keyOf(i));
      }
      await db.write(batch, { durable: false });
      state = changed;
    } else if (one.kind === "flush") await db.flush({ to: "l0" });
    else if (one.kind === "compact") await compactByHand({ store: root, ...one });
    else if (one.kind === "hold") await hold(one.as, one.reverse);
    else if (held.length > 0) {
      const which = one.held % held.length;
      if (one.kind === "read") await read(held[which]!, one.key, one.rows);
      else for (const ended of held.splice(which, 1)) await end(ended);
    }
    if (one.kind === "compact") {
      expect(text(await db.get(keyOf(3)))).toBe(state.get(keyOf(3)));
    }
  }
  for (const one of held) await end(one);
  const all: string[] = [];
  for await (const row of db.scan()) all.push(show(row));
  expectEqual(all, rowsOf(state));
  await db.close();
}

test("snapshots, transactions and scans of a writer see the same to their end, whatever is compacted and deleted meanwhile", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60, size: "max" }), run),
    {
      numRuns: sampled(60),
    },
  );
}, 120_000);
