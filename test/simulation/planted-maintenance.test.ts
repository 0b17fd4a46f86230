/** Bugs planted in what compacts and collects: the sweep of maintenance, or duels beside it, find each within a few runs. */
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { loadEngine } from "../support/load-engine.js";
import { runMaintainedDuel } from "./duel.js";
import { firstFailureOf } from "./first-failure.js";
import { runMaintenanceCase, victims } from "./maintenance-sweep.js";

interface MaintenanceBug {
  /** Jobs keep only what is newest, although something is open. */
  keepsNewestOnly?: boolean;
  /** The writer does not say what is open. */
  saysNothingIsOpen?: boolean;
  /** Deletes are dropped though older rows are beneath. */
  takesAllForBottom?: boolean;
  /** The collector looks only at the newest manifest. */
  forgetsCheckpoints?: boolean;
  /** The collector does not look at the WAL objects that checkpoints name. */
  forgetsPinnedWal?: boolean;
  /** A checkpoint goes when its time is over, whatever was added to it. */
  dropsBases?: boolean;
  /** The sweep deletes what nothing names yet. */
  sweepsAboveFloors?: boolean;
  /** A job is committed though its L0 entries are gone. */
  ignoresInputs?: boolean;
  /** A commit does not say what it has dropped. */
  hidesCompactedSeq?: boolean;
}

const planted = vi.hoisted(() => ({ bug: {} as MaintenanceBug }));

vi.mock("../../src/compaction/compactor.js", async (original) => {
  const { withPlansOnly } = await import("./plans-only.js");
  return withPlansOnly(await original());
});

vi.mock("../../src/compaction/plan-job.js", async (original) => {
  const actual = await original<typeof import("../../src/compaction/plan-job.js")>();
  const planJob: typeof actual.planJob = (manifest, pick, options) => {
    const { keepsNewestOnly, takesAllForBottom } = planted.bug;
    const job = actual.planJob(manifest, pick, {
      ...options,
      isBottom: options.isBottom || takesAllForBottom === true,
    });
    return keepsNewestOnly ? { ...job, retainSeq: manifest.lastL0Seq } : job;
  };
  const hasInputs: typeof actual.hasInputs = (manifest, inputs) =>
    actual.hasInputs(manifest, planted.bug.ignoresInputs ? { ...inputs, l0: [] } : inputs);
  return { ...actual, planJob, hasInputs };
});

vi.mock("../../src/manifest/transitions.js", async (original) => {
  const actual = await original<typeof import("../../src/manifest/transitions.js")>();
  const retireBatch: typeof actual.retireBatch = (batch) =>
    actual.retireBatch(planted.bug.saysNothingIsOpen ? { ...batch, snapshotSeq: 0 } : batch);
  return { ...actual, retireBatch };
});

vi.mock("../../src/manifest/compaction-transitions.js", async (original) => {
  const actual = await original<typeof import("../../src/manifest/compaction-transitions.js")>();
  const applyCompaction: typeof actual.applyCompaction = (change) => (manifest) => {
    const { ignoresInputs, hidesCompactedSeq } = planted.bug;
    const taken = manifest.l0.slice(0, change.l0.length).map(({ ssts }) => ssts[0]!.id);
    const changed = actual.applyCompaction({
      ...change,
      ...(ignoresInputs ? { l0: taken } : {}),
    })(manifest);
    return hidesCompactedSeq ? { ...changed, compactedSeq: manifest.compactedSeq } : changed;
  };
  return { ...actual, applyCompaction };
});

vi.mock("../../src/gc/collectible.js", async (original) => {
  const actual = await original<typeof import("../../src/gc/collectible.js")>();
  const collectible: typeof actual.collectible = (manifest, pinned, ...others) => {
    const { forgetsCheckpoints, forgetsPinnedWal } = planted.bug;
    if (!forgetsPinnedWal) {
      return actual.collectible(manifest, forgetsCheckpoints ? [] : pinned, ...others);
    }
    const checkpoints = manifest.checkpoints.map((one) => ({ ...one, wal: [] }));
    const states = pinned.map((state) => ({ ...state, wal: [] }));
    return actual.collectible({ ...manifest, checkpoints }, states, ...others);
  };
  return { ...actual, collectible };
});

vi.mock("../../src/manifest/gc-transitions.js", async (original) => {
  const actual = await original<typeof import("../../src/manifest/gc-transitions.js")>();
  const dropExpiredCheckpoints: typeof actual.dropExpiredCheckpoints = (expired) => (manifest) => {
    if (!planted.bug.dropsBases) return actual.dropExpiredCheckpoints(expired)(manifest);
    const left = manifest.checkpoints.filter(({ id }) => !expired.some((one) => one.id === id));
    return expired.length === 0 ? manifest : { ...manifest, checkpoints: left };
  };
  return { ...actual, dropExpiredCheckpoints };
});

vi.mock("../../src/gc/orphans.js", async (original) => {
  const actual = await original<typeof import("../../src/gc/orphans.js")>();
  class Planted extends actual.Orphans {
    constructor(...[manifest, ...others]: ConstructorParameters<typeof actual.Orphans>) {
      const above = `7${"Z".repeat(25)}`;
      const floors = { writerFloor: above, compactorFloor: above };
      super(planted.bug.sweepsAboveFloors ? { ...manifest, ...floors } : manifest, ...others);
    }
  }
  return { ...actual, Orphans: Planted };
});

beforeAll(loadEngine);
afterEach(() => {
  planted.bug = {};
});

/** The message of the first duel that fails. */
function duels(bug: MaintenanceBug, count = 40, from = 1): Promise<string | undefined> {
  planted.bug = bug;
  return firstFailureOf({ from, count }, (seed) => runMaintainedDuel(seed));
}

/** The same of the runs of the sweep in which nobody is cut. */
function sweep(bug: MaintenanceBug): Promise<string | undefined> {
  planted.bug = bug;
  return firstFailureOf({ count: victims.length }, (n) =>
    runMaintenanceCase({ victim: victims[n - 1]!, seed: 1 }),
  );
}

/** The same where a coordinator is killed after each of its requests in turn. */
function kills(bug: MaintenanceBug): Promise<string | undefined> {
  planted.bug = bug;
  return firstFailureOf({ from: 0, count: 60 }, (at) =>
    runMaintenanceCase({ victim: "coordinates", seed: 2, cut: { at, fate: "kill-after" } }),
  );
}

describe("the sweep of maintenance finds", () => {
  test("nothing, when nothing is planted", async () => {
    expect(await sweep({})).toBeUndefined();
  }, 60_000);

  test("a job that keeps only what is newest although a snapshot is open", async () => {
    expect(await sweep({ keepsNewestOnly: true })).toMatch(/What was seen at seq|has changed/);
  }, 60_000);

  test("a writer that does not say what is open", async () => {
    expect(await sweep({ saysNothingIsOpen: true })).toMatch(/What was seen at seq|has changed/);
  }, 60_000);

  test("a collector that deletes what a checkpoint names", async () => {
    expect(await sweep({ forgetsCheckpoints: true })).toMatch(
      /is deleted, and manifest \d+ names it/,
    );
  }, 60_000);

  test("a collector that deletes WAL objects which a checkpoint names", async () => {
    expect(await sweep({ forgetsPinnedWal: true })).toMatch(
      /is deleted, and checkpoint \w+ names it/,
    );
  }, 60_000);

  test("a collector that drops a checkpoint to which another was added", async () => {
    expect(await sweep({ dropsBases: true })).toMatch(/names checkpoint \w+, and not its base/);
  }, 60_000);

  test("a job that is committed though its inputs are gone", async () => {
    // It takes a coordinator that has committed it, and dies before it says so.
    const message = await kills({ ignoresInputs: true });
    expect(message).toMatch(/has changed|is named once|is deleted|Nothing names/);
  }, 60_000);
});

describe("duels beside maintenance find", () => {
  test("nothing, when nothing is planted", async () => {
    expect(await duels({}, 3)).toBeUndefined();
  }, 60_000);

  test("a sweep that ignores the floors", async () => {
    expect(await duels({ sweepsAboveFloors: true })).toMatch(/is not stored|is deleted/);
  }, 120_000);

  test("a collector that deletes WAL objects which a checkpoint names", async () => {
    expect(await duels({ forgetsPinnedWal: true })).toMatch(
      /is deleted, and checkpoint \w+ names it/,
    );
  }, 120_000);

  test("deletes that are dropped though they are not at the bottom", async () => {
    expect(await duels({ takesAllForBottom: true })).toMatch(
      /torn|sees|lacks|must see|has changed/,
    );
  }, 120_000);

  test("a commit that does not say what it has dropped", async () => {
    // It shows only where a view of a reader loses its objects: in one duel of about forty.
    expect(await duels({ hidesCompactedSeq: true }, 80, 44)).toMatch(/has changed|torn/);
  }, 120_000);
});
