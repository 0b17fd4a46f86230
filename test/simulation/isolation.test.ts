/** Isolation over random concurrent histories, and that the checker would see it broken. */
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { compareBytes } from "../../src/common/bytes.js";
import { RowKind, RowRef, seqMax } from "../../src/common/row.js";
import { Footprint } from "../../src/db/footprint.js";
import { OwnWrites } from "../../src/db/own-writes.js";
import { ReadSet } from "../../src/db/read-set.js";
import { Transaction } from "../../src/db/transaction.js";
import type { Isolation } from "../../src/index.js";
import { loadEngine } from "../support/load-engine.js";
import { type IsolationOptions, runIsolation } from "./isolation.js";
import { findAnomaly, type Op, type TransactionRecord } from "./isolation-checker.js";
import { findAnomalyWithResets, type SeqRecord, type Step } from "./isolation-resets.js";
import { verbose } from "./replay.js";

/** Whether a broken engine overlooks a later range delete, which covers a key or only meets a range. */
const forgets = vi.hoisted(() => ({
  rangeDelete: (_where: "memory" | "SST", _isOverKey: boolean): boolean => false,
}));

vi.mock("../../src/read/find-later-write.js", async (original) => {
  const module = await original<typeof import("../../src/read/find-later-write.js")>();
  const findLaterWrite: typeof module.findLaterWrite = async (...of) => {
    const later = await module.findLaterWrite(...of);
    if (later === undefined || "key" in later) return later;
    const { start, end } = later;
    const isOverKey = of[2].keys.some(
      (key) => compareBytes(key, start) >= 0 && (end === undefined || compareBytes(key, end) < 0),
    );
    return forgets.rangeDelete("SST", isOverKey) ? undefined : later;
  };
  return { ...module, findLaterWrite };
});

beforeAll(loadEngine);
afterEach(() => {
  forgets.rangeDelete = () => false;
  vi.restoreAllMocks();
});

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
async function firstAnomaly(
  isolation: Isolation,
  options?: IsolationOptions,
): Promise<string | undefined> {
  for (let seed = 1; seed <= seeds; seed++) {
    const { anomaly } = await runIsolation(seed, isolation, options);
    if (anomaly === undefined) continue;
    if (verbose) console.log(seed, anomaly);
    return anomaly;
  }
  return undefined;
}

describe("a broken engine is seen", () => {
  test("commits that check nothing", async () => {
    vi.spyOn(Footprint.prototype, "findInTable").mockReturnValue(undefined);
    expect(await firstAnomaly("snapshot")).toMatch(/lost update|fork|aborted|reset undone/);
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
    expect(await firstAnomaly("snapshot")).toMatch(/later write|cycle/);
  }, 60_000);

  test("rollbacks that commit", async () => {
    vi.spyOn(Transaction.prototype, "rollback").mockImplementation(function (this: Transaction) {
      this.commit({ durable: false }).catch(() => undefined);
    });
    expect(await firstAnomaly("snapshot")).toMatch(/aborted/);
  }, 60_000);
});

describe("a broken engine is seen, which forgets", () => {
  const { conflictAt, findInTable } = Footprint.prototype;
  /** That a write has gone over another one, seen in a list or in who depends on whom. */
  const lost = /cycle|reset undone|later write|lost update/;

  beforeEach(() => {
    vi.spyOn(Footprint.prototype, "findInTable").mockImplementation(function (
      this: Footprint,
      ...of
    ) {
      const conflict = findInTable.apply(this, of);
      if (conflict?.rangeDelete === undefined) return conflict;
      return forgets.rangeDelete("memory", conflict.key !== undefined) ? undefined : conflict;
    });
  });

  test("range deletes over keys that were written", async () => {
    forgets.rangeDelete = (_, isOverKey) => isOverKey;
    expect(await firstAnomaly("snapshot")).toMatch(lost);
  }, 60_000);

  test("range deletes over ranges that were read", async () => {
    forgets.rangeDelete = (_, isOverKey) => !isOverKey;
    const kinds = ["scan", "reset"] as const;
    expect(await firstAnomaly("serializable", { kinds })).toMatch(/cycle/);
  }, 60_000);

  test("range deletes in SSTs", async () => {
    forgets.rangeDelete = (where) => where === "SST";
    expect(await firstAnomaly("snapshot", { windowBytes: 0 })).toMatch(lost);
  }, 60_000);

  test("writes into a range that was deleted", async () => {
    vi.spyOn(Footprint.prototype, "conflictAt").mockImplementation(function (
      this: Footprint,
      ...of
    ) {
      const conflict = conflictAt.apply(this, of);
      return conflict.range?.action === "deleted" ? undefined! : conflict;
    });
    expect(await firstAnomaly("snapshot")).toMatch(/cycle/);
  }, 60_000);

  test("merges by others", async () => {
    vi.spyOn(Footprint.prototype, "findInTable").mockImplementation(function (
      this: Footprint,
      ...of
    ) {
      const conflict = findInTable.apply(this, of);
      const row = new RowRef();
      const [table] = of;
      const { key } = conflict ?? {};
      const isMerge = key && table.get(key, seqMax, row) && row.kind === RowKind.merge;
      return isMerge ? undefined : conflict;
    });
    expect(await firstAnomaly("snapshot")).toMatch(lost);
  }, 60_000);

  test("that an own merge is a write", async () => {
    const { values } = OwnWrites.prototype;
    vi.spyOn(OwnWrites.prototype, "values").mockImplementation(function (this: OwnWrites) {
      const writes = [...values.call(this)];
      return writes
        .map((write) => ({ ...write, isMarked: write.kind !== RowKind.merge && write.isMarked }))
        .values();
    });
    expect(await firstAnomaly("snapshot")).toMatch(/cycle/);
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

describe("the checker of resets", () => {
  const read = (...list: number[]): Step => ({ kind: "read", key: "a", list });
  const append = (value: number): Step => ({ kind: "append", key: "a", value });
  const reset = (value: number): Step => ({ kind: "reset", key: "a", value });
  const record = (readSeq: number, seq: number, ...steps: Step[]): SeqRecord => ({
    ...{ name: `T${seq}`, steps, isCommitted: seq > 0, readSeq, seq },
  });
  const first = record(0, 1, append(1));

  test.each<[string, SeqRecord[], number[], string]>([
    ["lets a list begin anew", [first, record(0, 2, reset(2)), record(2, 3, read())], [], "none"],
    [
      "takes the order from the seqs",
      [record(0, 3, append(3)), record(0, 2, reset(2)), first, record(1, 0, read(1))],
      [3],
      "none",
    ],
    [
      "knows that an own reset hides what others write",
      [first, record(1, 3, reset(3), read(), append(4), read(4)), record(1, 2, append(2))],
      [4],
      "none",
    ],
    ["sees a reset undone", [first, record(0, 2, reset(2))], [1], "reset undone"],
    [
      "sees a reset that was read undone",
      [first, record(0, 2, reset(2)), record(2, 0, read(1))],
      [],
      "aborted|later write|reset undone",
    ],
    ["sees a lost append", [record(0, 1, reset(1)), record(0, 2, append(2))], [], "lost update"],
    ["sees a later write", [first, record(0, 2, read(1), append(2))], [1, 2], "later write"],
    ["sees an aborted write", [record(0, 0, append(1))], [1], "aborted"],
    ["sees that an own write is missing", [record(0, 1, append(1), read())], [1], "own write"],
    ["sees a wrong order", [first, record(0, 2, append(2))], [2, 1], "fork"],
    [
      "sees an append to what was reset meanwhile",
      [first, record(0, 2, reset(2)), record(1, 3, read(1), append(3))],
      [3],
      "cycle",
    ],
    [
      "sees a reset of what was appended meanwhile",
      [first, record(0, 2, append(2)), record(1, 3, read(1), reset(3))],
      [],
      "cycle",
    ],
  ])("%s", (_, records, final, found) => {
    const lists = new Map([["a", final]]);
    expect(findAnomalyWithResets(records, lists, "snapshot") ?? "none").toMatch(
      new RegExp(`^(${found})`),
    );
  });
});
