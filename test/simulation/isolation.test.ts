/** Isolation over random concurrent histories, and that the checker would see it broken. */
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { Footprint } from "../../src/db/footprint.js";
import { ReadSet } from "../../src/db/read-set.js";
import { Transaction } from "../../src/db/transaction.js";
import type { Isolation } from "../../src/index.js";
import { loadEngine } from "../support/load-engine.js";
import { runIsolation } from "./isolation.js";
import { findAnomaly, type Op, type TransactionRecord } from "./isolation-checker.js";

beforeAll(loadEngine);
afterEach(() => void vi.restoreAllMocks());

const seeds = 60;

test.each<Isolation>(["snapshot", "serializable"])(
  "%s holds, seed after seed",
  async (isolation) => {
    const totals = { committed: 0, refused: 0 };
    for (let seed = 1; seed <= seeds; seed++) {
      const { anomaly, committed, refused } = await runIsolation(seed, isolation);
      expect(anomaly, `seed ${seed}`).toBeUndefined();
      totals.committed += committed;
      totals.refused += refused;
    }
    expect(totals.committed).toBeGreaterThan(seeds * 10);
    expect(totals.refused).toBeGreaterThan(seeds * 3);
  },
  120_000,
);

/** What is seen first, with an engine that is broken. */
async function firstAnomaly(isolation: Isolation): Promise<string | undefined> {
  for (let seed = 1; seed <= seeds; seed++) {
    const { anomaly } = await runIsolation(seed, isolation);
    if (anomaly !== undefined) return anomaly;
  }
  return undefined;
}

describe("a broken engine is seen", () => {
  test("commits that check nothing", async () => {
    vi.spyOn(Footprint.prototype, "findInTable").mockReturnValue(undefined);
    expect(await firstAnomaly("snapshot")).toMatch(/lost update|fork|aborted/);
  }, 60_000);

  test("serializable transactions whose reads do not count", async () => {
    vi.spyOn(ReadSet.prototype, "keys").mockImplementation(() => [].values());
    vi.spyOn(ReadSet.prototype, "ranges").mockReturnValue([]);
    expect(await firstAnomaly("serializable")).toMatch(/cycle/);
  }, 60_000);

  test("scans that do not count", async () => {
    vi.spyOn(ReadSet.prototype, "ranges").mockReturnValue([]);
    expect(await firstAnomaly("serializable")).toMatch(/cycle/);
  }, 60_000);

  test("reads that see what was committed meanwhile", async () => {
    const internals = Transaction.prototype as unknown as { readView(): { seq: number } };
    const { readView } = internals;
    vi.spyOn(internals, "readView").mockImplementation(function (this: Transaction) {
      return { ...readView.call(this), seq: Number.MAX_SAFE_INTEGER };
    });
    expect(await firstAnomaly("snapshot")).toMatch(/own write|cycle/);
  }, 60_000);

  test("rollbacks that commit", async () => {
    vi.spyOn(Transaction.prototype, "rollback").mockImplementation(function (this: Transaction) {
      this.commit({ durable: false }).catch(() => undefined);
    });
    expect(await firstAnomaly("snapshot")).toMatch(/aborted/);
  }, 60_000);
});

describe("the checker", () => {
  const read = (key: string, ...list: number[]): Op => ({ kind: "read", key, list });
  const append = (key: string, value: number): Op => ({ kind: "append", key, value });
  const record = (name: string, ...ops: Op[]): TransactionRecord => ({
    ...{ name, ops, isCommitted: true },
  });
  const lists = (a: number[], b: number[] = []) => new Map(Object.entries({ a, b }));
  const long = [
    record("T1", append("a", 1)),
    record("T2", append("b", 2)),
    record("T3", read("a", 1), read("b")),
    record("T4", read("a"), read("b", 2)),
  ];
  const skew = [
    record("T1", read("a"), read("b"), append("a", 1)),
    record("T2", read("a"), read("b"), append("b", 2)),
  ];
  const aborted = { ...record("T1", append("a", 1)), isCommitted: false };

  test.each<[string, TransactionRecord[], ReturnType<typeof lists>, RegExp | undefined, RegExp?]>([
    [
      "lets an order through",
      [record("T1", append("a", 1)), record("T2", read("a", 1))],
      lists([1]),
      undefined,
    ],
    ["sees a long fork", long, lists([1], [2]), /cycle/],
    ["sees write skew under serializable alone", skew, lists([1], [2]), /cycle/, /^none$/],
    ["sees a lost update", [record("T1", append("a", 1))], lists([]), /lost update/],
    ["sees an aborted write", [aborted], lists([1]), /aborted/],
    ["sees an aborted read", [aborted, record("T2", read("a", 1))], lists([]), /aborted/],
    [
      "sees an intermediate read",
      [record("T1", append("a", 1), append("a", 2)), record("T2", read("a", 1))],
      lists([1, 2]),
      /intermediate/,
    ],
    [
      "sees lists that fork",
      [record("T1", append("a", 1)), record("T2", append("a", 2)), record("T3", read("a", 2))],
      lists([1, 2]),
      /fork/,
    ],
    [
      "sees that an own write is missing",
      [record("T1", append("a", 1), read("a"))],
      lists([1]),
      /own write/,
    ],
  ])("%s", (_, history, final, serializable, snapshot = serializable) => {
    const of = (isolation: Isolation) => findAnomaly(history, final, isolation) ?? "none";
    expect(of("serializable")).toMatch(serializable ?? /^none$/);
    expect(of("snapshot")).toMatch(snapshot ?? /^none$/);
  });
});
