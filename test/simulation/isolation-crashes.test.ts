/** Isolation over histories in which writers die and are taken over, and that the checker would see it broken. */
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { Isolation } from "../../src/index.js";
import type { RecordSlice } from "../../src/memtable/mem-table.js";
import { loadEngine } from "../support/load-engine.js";
import { bug, plant } from "./engine-seams.js";
import { runIsolation } from "./isolation.js";
import { runCrashes } from "./isolation-crashes.js";
import { findAnomalyOfLives, type Life, type LifeTransaction } from "./isolation-lives.js";
import { AcknowledgesFirst, LosesLastWrite } from "./planted-objects.js";
import { isolationSeedCount, replayed, SimulationFailure, verbose } from "./replay.js";
import type { MakeObjects } from "./sweep.js";

vi.mock("../../src/wal/write-ahead-log.js", async (original) => {
  const { WriteAheadLog } = await original<typeof import("../../src/wal/write-ahead-log.js")>();
  class Planted extends WriteAheadLog {
    override append(
      record: RecordSlice,
      seq: number,
      durable: boolean,
      firstSeq?: number,
    ): Promise<void> | undefined {
      const wait = super.append(record, seq, durable, firstSeq);
      if (wait === undefined || !bug().acknowledgesEarly) return wait;
      wait.catch(() => undefined);
      return Promise.resolve();
    }
  }
  return { WriteAheadLog: Planted };
});

const flush = vi.hoisted(() => ({ forgetsRangeDeletes: false }));

vi.mock("../../src/flush/build-sst.js", async (original) => {
  const module = await original<typeof import("../../src/flush/build-sst.js")>();
  const buildSst: typeof module.buildSst = (table, ...rest) => {
    if (flush.forgetsRangeDeletes) {
      Object.defineProperty(table, "rangeDeletes", { value: undefined });
    }
    return module.buildSst(table, ...rest);
  };
  return { ...module, buildSst };
});

beforeAll(loadEngine);
afterEach(() => {
  plant({});
  flush.forgetsRangeDeletes = false;
});

const levels: Isolation[] = ["snapshot", "serializable"];

if (replayed !== undefined) {
  test("replay", async () => {
    const [, level, seed] = replayed!.split("/");
    const { events } = await runCrashes(Number(seed), level as Isolation);
    console.log(events.join("\n"));
  });
} else {
  test.each(levels)(
    "%s holds across crashes, seed after seed",
    async (isolation) => {
      const totals = { lives: 0, kills: 0, committed: 0, refused: 0, unknown: 0, lost: 0 };
      for (let seed = 1; seed <= isolationSeedCount; seed++) {
        const outcome = await runCrashes(seed, isolation);
        for (const name of Object.keys(totals) as (keyof typeof totals)[]) {
          totals[name] += outcome[name];
        }
      }
      if (verbose) console.log(totals);
      expect(totals.lives).toBeGreaterThan(isolationSeedCount * 2);
      expect(totals.kills).toBeGreaterThan(isolationSeedCount);
      expect(totals.committed).toBeGreaterThan(isolationSeedCount * 15);
      expect(totals.refused).toBeGreaterThan(isolationSeedCount * 3);
      expect(totals.unknown).toBeGreaterThan(isolationSeedCount / 2);
      expect(totals.lost, "acknowledged, and lost").toBeGreaterThan(isolationSeedCount / 4);
    },
    600_000,
  );

  test("the same seed gives the same run", async () => {
    for (const seed of [1, 2, 3]) {
      const { events } = await runCrashes(seed, "serializable");
      expect((await runCrashes(seed, "serializable")).events).toEqual(events);
      expect((await runCrashes(seed + 1000, "serializable")).events).not.toEqual(events);
    }
  });
}

/** What is seen first, with an engine or a store that is broken. */
async function firstFailure(make?: MakeObjects, count = 30): Promise<string | undefined> {
  for (let seed = 1; seed <= count; seed++) {
    try {
      await runCrashes(seed, "snapshot", make);
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      if (verbose) console.log(error.message.slice(0, 200));
      expect(error.message).toContain(`npm run test:sim -- --seed crashes/snapshot/${seed} `);
      return error.message;
    }
  }
  return undefined;
}

describe.skipIf(replayed !== undefined)("crashes show", () => {
  test("a durable commit that is acknowledged before it is stored, which nothing else does", async () => {
    plant({ acknowledgesEarly: true });
    expect(await firstFailure()).toMatch(/durability: .* is lost/);
    for (let seed = 1; seed <= 10; seed++) {
      expect((await runIsolation(seed, "serializable")).anomaly).toBeUndefined();
    }
  });

  test("a flush that forgets range deletes", async () => {
    flush.forgetsRangeDeletes = true;
    expect(await firstFailure()).toMatch(/reset undone/);
  });

  test("a store that acknowledges before it stores", async () => {
    expect(await firstFailure((now) => new AcknowledgesFirst(now))).toMatch(/failed/);
  });

  test("a store that loses the last write of a process that dies", async () => {
    expect(await firstFailure((now) => new LosesLastWrite(now))).toMatch(/failed/);
  });
});

describe.skipIf(replayed !== undefined)("the checker of lives", () => {
  type Op = LifeTransaction["ops"][number];
  const read = (key: string, ...list: number[]): Op => ({ kind: "read", key, list });
  const append = (key: string, value: number): Op => ({ kind: "append", key, value });
  const lists = (a: number[], b: number[] = []) => new Map(Object.entries({ a, b }));
  /** Acknowledged, not as durable. */
  const soft = (seq: number, ...ops: Op[]): LifeTransaction => ({
    ...{ name: `T${seq}`, ops, outcome: "committed", isDurable: false, seq },
  });
  const durable = (seq: number, ...ops: Op[]): LifeTransaction => ({
    ...soft(seq, ...ops),
    isDurable: true,
  });
  const unknown = (...ops: Op[]): LifeTransaction => ({ ...soft(0, ...ops), outcome: "unknown" });
  const reader = (...ops: Op[]): LifeTransaction => soft(0, ...ops);
  const life = (found: Life["found"], ...transactions: LifeTransaction[]): Life => ({
    ...{ name: "life", found, transactions, isClosed: false },
  });
  const nothing = lists([]);
  const first = [read("a"), append("a", 1)];
  const second = [read("a", 1), append("a", 2)];
  const third = [read("b"), append("b", 3)];
  const skew = [
    unknown(read("a"), read("b"), append("a", 1)),
    unknown(read("a"), read("b"), append("b", 3)),
  ];

  test.each<[string, Life[], Life["found"], RegExp | undefined, RegExp?]>([
    [
      "lets a lost suffix be read before it is lost",
      [life(nothing, soft(1, ...first), soft(2, ...second), reader(read("a", 1, 2)))],
      lists([1]),
      undefined,
    ],
    [
      "lets all be lost, and begins anew",
      [life(nothing, soft(1, ...first)), life(nothing, durable(1, read("a"), append("a", 5)))],
      lists([5]),
      undefined,
    ],
    ["lets an unknown commit be there", [life(nothing, unknown(...first))], lists([1]), undefined],
    ["lets an unknown commit be absent", [life(nothing, unknown(...first))], nothing, undefined],
    [
      "sees that a durable commit is lost",
      [life(nothing, durable(1, ...first))],
      nothing,
      /durability: T1 of seq 1/,
    ],
    [
      "sees that a later life loses it",
      [life(nothing, durable(1, ...first)), life(lists([1]))],
      nothing,
      /stale/,
    ],
    [
      "sees what a closed life loses",
      [{ ...life(nothing, soft(1, ...first)), isClosed: true }],
      nothing,
      /durability/,
    ],
    [
      "sees a hole",
      [life(nothing, soft(1, ...first), soft(2, ...third))],
      lists([], [3]),
      /hole: T2/,
    ],
    [
      "sees a hole that nobody was told of",
      [life(nothing, unknown(...first), unknown(read("a", 1), read("b"), append("b", 3)))],
      lists([], [3]),
      /cycle/,
    ],
    [
      "sees half of a commit",
      [life(nothing, unknown(...first, ...third))],
      lists([1]),
      /lost update|cycle/,
    ],
    [
      "sees that what was read as durable is lost",
      [life(nothing, unknown(...first), durable(0, read("a", 1)))],
      nothing,
      /durability: T0 reads/,
    ],
    [
      "sees a lost value come back",
      [life(nothing, soft(1, ...first)), life(nothing, reader(read("a", 1)))],
      nothing,
      /aborted/,
    ],
    [
      "sees a lost value in the end",
      [life(nothing, soft(1, ...first)), life(nothing)],
      lists([1]),
      /aborted|is there/,
    ],
    [
      "sees what was rolled back",
      [life(nothing, { ...soft(0, ...first), outcome: "open" })],
      lists([1]),
      /aborted/,
    ],
    [
      "sees an update lost on the branch that vanished",
      [life(nothing, soft(1, ...first), soft(2, read("a"), append("a", 2)))],
      nothing,
      /lost update/,
    ],
    [
      "sees a fork on the branch that vanished",
      [
        life(
          nothing,
          soft(1, ...first),
          soft(2, ...third),
          reader(read("a", 1), read("b")),
          reader(read("a"), read("b", 3)),
        ),
      ],
      nothing,
      /cycle/,
    ],
    [
      "sees write skew that crashed, under serializable alone",
      [life(nothing, ...skew)],
      lists([1], [3]),
      /cycle/,
      /^none$/,
    ],
    [
      "lets what was appended blindly be lost unread",
      [life(nothing, soft(1, ...first), soft(2, append("a", 2), append("b", 3)))],
      lists([1]),
      undefined,
    ],
    [
      "sees that what was appended blindly is missing",
      [life(nothing, soft(1, append("a", 1)), soft(2, append("a", 2)), reader(read("a", 2)))],
      nothing,
      /lost update/,
    ],
    [
      "sees half of what was appended blindly",
      [life(nothing, unknown(append("a", 1), append("b", 3)))],
      lists([1]),
      /cycle/,
    ],
    [
      "sees a hole in what was appended blindly and not read",
      [life(nothing, unknown(append("a", 1), append("b", 3)), reader(read("b", 3), read("a")))],
      nothing,
      /cycle/,
    ],
    [
      "sees a blind append that is lost, after a write that it did not see",
      [life(nothing, soft(1, append("a", 1), append("b", 3)), soft(2, read("b"), append("a", 2)))],
      lists([1], [3]),
      /cycle/,
    ],
    [
      "sees a read of what was before the life",
      [life(lists([7]), reader(read("a")))],
      lists([7]),
      /stale/,
    ],
  ])("%s", (_, lives, final, serializable, snapshot = serializable) => {
    const of = (isolation: Isolation) => findAnomalyOfLives(lives, final, isolation) ?? "none";
    expect(of("serializable")).toMatch(serializable ?? /^none$/);
    expect(of("snapshot")).toMatch(snapshot ?? /^none$/);
  });
});
