/** Bugs planted in what the engine does with range deletes: the duels find each within a few seeds. */
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { WalObject } from "../../src/format/wal-object.js";
import { RangeDeletes } from "../../src/memtable/range-deletes.js";
import { loadEngine } from "../support/load-engine.js";
import { runDuel } from "./duel.js";
import { firstFailureOf } from "./first-failure.js";
import { runSweepCase } from "./sweep.js";

interface RangeDeleteBug {
  /** Replay forgets them. */
  replayForgets?: boolean;
  /** Gets that make requests know of those in memory only. */
  fetchForgets?: boolean;
  /** Gets without a request do. */
  tryForgets?: boolean;
  /** A batch keeps what comes before them. */
  batchKeepsCovered?: boolean;
}

const planted = vi.hoisted(() => ({ bug: {} as RangeDeleteBug }));

vi.mock("../../src/wal/replayed-rows.js", async (original) => {
  const { ReplayedRows } = await original<typeof import("../../src/wal/replayed-rows.js")>();
  class Planted extends ReplayedRows {
    override apply(object: WalObject): void {
      const add = vi.spyOn(RangeDeletes.prototype, "addOperation");
      if (planted.bug.replayForgets) add.mockImplementation(() => undefined);
      super.apply(object);
      add.mockRestore();
    }
  }
  return { ReplayedRows: Planted };
});

vi.mock("../../src/read/cover.js", async (original) => {
  const actual = await original<typeof import("../../src/read/cover.js")>();
  const storedCover: typeof actual.storedCover = (...args) =>
    planted.bug.fetchForgets ? 0 : actual.storedCover(...args);
  const raiseCover: typeof actual.raiseCover = (cover, ...args) =>
    planted.bug.tryForgets ? cover : actual.raiseCover(cover, ...args);
  return { ...actual, storedCover, raiseCover };
});

vi.mock("../../src/db/drop-covered.js", async (original) => {
  const actual = await original<typeof import("../../src/db/drop-covered.js")>();
  const dropCovered: typeof actual.dropCovered = (batch, operators) =>
    planted.bug.batchKeepsCovered ? batch : actual.dropCovered(batch, operators);
  return { ...actual, dropCovered };
});

beforeAll(loadEngine);
afterEach(() => {
  planted.bug = {};
});

/** The message of the first run that fails. */
function firstFailure(
  bug: RangeDeleteBug,
  run: (n: number) => Promise<unknown>,
): Promise<string | undefined> {
  planted.bug = bug;
  return firstFailureOf({ count: 40 }, run);
}

const duels = (bug: RangeDeleteBug) => firstFailure(bug, runDuel);

/** One order of completion, and the process killed at each of the first requests. */
const cuts = (bug: RangeDeleteBug) =>
  firstFailure(bug, (at) => runSweepCase({ seed: 1, cut: { at: 40 + at, fate: "kill-after" } }));

describe("duels find", () => {
  test("nothing, when nothing is planted", async () => {
    const three = (seed: number) => (seed > 3 ? Promise.resolve() : runDuel(seed));
    expect(await firstFailure({}, three)).toBeUndefined();
  }, 30_000);

  test("a replay that forgets range deletes", async () => {
    // It takes a crash between the range delete and its flush, and rows that it hides.
    expect(await duels({ replayForgets: true })).toMatch(/torn/);
  }, 60_000);

  test.each(["fetchForgets", "tryForgets"])(
    "a get that ignores the range deletes in SSTs: %s",
    async (name) => {
      expect(await duels({ [name]: true })).toMatch(/getMany gives/);
    },
    60_000,
  );

  test("a batch in which a range delete does not hide what comes before it", async () => {
    expect(await duels({ batchKeepsCovered: true })).toMatch(/torn|another batch/);
  }, 30_000);
});

describe("the crash sweep finds", () => {
  test("a replay that forgets range deletes", async () => {
    expect(await cuts({ replayForgets: true })).toMatch(/no prefix/);
  }, 30_000);

  test("a get that ignores the range deletes in SSTs", async () => {
    const bug = { fetchForgets: true, tryForgets: true };
    expect(await cuts(bug)).toMatch(/getMany gives another/);
  }, 30_000);
});
