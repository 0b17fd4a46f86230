/** Bugs planted in what keeps, restores, clones and detaches: points duels find each within a few runs. */
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { loadEngine } from "../support/load-engine.js";
import { firstFailureOf } from "./first-failure.js";
import { loadAdmin } from "./load-admin.js";
import { runPointsDuel } from "./points-duel.js";

interface PointsBug {
  /** The collector does not look at the WAL objects that checkpoints name. */
  forgetsPinnedWal?: boolean;
  /** A clone that is there lets go of what it needs. */
  dropsPins?: boolean;
  /** What a restore names again stays on the retired list. */
  staysRetired?: boolean;
  /** A detach says that all is copied, and copies nothing. */
  copiesNothing?: boolean;
}

const planted = vi.hoisted(() => ({ bug: {} as PointsBug }));

vi.mock("../../src/gc/collectible.js", async (original) => {
  const actual = await original<typeof import("../../src/gc/collectible.js")>();
  const collectible: typeof actual.collectible = (manifest, pinned, ...others) => {
    if (!planted.bug.forgetsPinnedWal) return actual.collectible(manifest, pinned, ...others);
    const checkpoints = manifest.checkpoints.map((one) => ({ ...one, wal: [] }));
    const states = pinned.map((state) => ({ ...state, wal: [] }));
    return actual.collectible({ ...manifest, checkpoints }, states, ...others);
  };
  return { ...actual, collectible };
});

vi.mock("../../src/admin/clone-pins.js", async (original) => {
  const actual = await original<typeof import("../../src/admin/clone-pins.js")>();
  class Planted extends actual.ClonePins {
    override async missing() {
      if (!planted.bug.dropsPins) return super.missing();
      await this.drop(new AbortController().signal);
      return [];
    }
  }
  return { ...actual, ClonePins: Planted };
});

vi.mock("../../src/manifest/restore-transition.js", async (original) => {
  const actual = await original<typeof import("../../src/manifest/restore-transition.js")>();
  const restoreState: typeof actual.restoreState = (about) => (manifest) => {
    const restored = actual.restoreState(about)(manifest);
    if (!planted.bug.staysRetired) return restored;
    return { ...restored, retired: [...manifest.retired, ...restored.retired] };
  };
  return { ...actual, restoreState };
});

vi.mock("../../src/admin/detach-plan.js", async (original) => {
  const actual = await original<typeof import("../../src/admin/detach-plan.js")>();
  class Planted extends actual.DetachPlan {
    override async add(...about: Parameters<InstanceType<typeof actual.DetachPlan>["add"]>) {
      return planted.bug.copiesNothing ? [] : super.add(...about);
    }
    override covers(...about: Parameters<InstanceType<typeof actual.DetachPlan>["covers"]>) {
      return planted.bug.copiesNothing || super.covers(...about);
    }
  }
  return { ...actual, DetachPlan: Planted };
});

beforeAll(loadEngine);
beforeAll(loadAdmin);
afterEach(() => {
  planted.bug = {};
});

/** The message of the first duel that fails. */
function duels(bug: PointsBug, count = 30): Promise<string | undefined> {
  planted.bug = bug;
  return firstFailureOf({ count }, (seed) => runPointsDuel(seed));
}

describe("points duels find", () => {
  test("a collector that deletes WAL objects which a checkpoint names", async () => {
    expect(await duels({ forgetsPinnedWal: true })).toMatch(/is deleted, and checkpoint \w+ names/);
  }, 120_000);

  test("a clone that lets go of what it needs", async () => {
    expect(await duels({ dropsPins: true })).toMatch(
      /is deleted, and manifest \d+ of c\d names it|does not say where objects of database \w+ are/,
    );
  }, 120_000);

  test("a restore that leaves on the retired list what it names", async () => {
    expect(await duels({ staysRetired: true })).toMatch(/retired|is deleted, and manifest \d+ of/);
  }, 120_000);

  test("a detach that says so before it has copied", async () => {
    expect(await duels({ copiesNothing: true })).toMatch(/names c\d\/.*, which is not stored/);
  }, 120_000);
});
