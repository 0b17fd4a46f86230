/** The checks of the sweep and of the duels find planted bugs within a few runs: checks that pass everything prove nothing. */
import { beforeAll, describe, expect, test } from "vitest";
import { loadEngine } from "../support/load-engine.js";
import { runDuel } from "./duel.js";
import type { Fate } from "./fate.js";
import { firstFailureOf } from "./first-failure.js";
import {
  AcknowledgesFirst,
  CommitsOverExisting,
  DropsWalObject,
  EndsAtDroppedWalObject,
  IgnoresCondition,
  LosesLastWrite,
  SkipsFences,
} from "./planted-objects.js";
import { SimulatedObjects } from "./simulated-objects.js";
import { type MakeObjects, runSweepCase } from "./sweep.js";

beforeAll(loadEngine);

const duelsMax = 60;

function duels(make: MakeObjects, count = duelsMax): Promise<string | undefined> {
  return firstFailureOf({ count }, (seed) => runDuel(seed, make));
}

/** One order of completion, and the process killed at each of the first requests. */
function cuts(make: MakeObjects, fate: Fate = "kill-after"): Promise<string | undefined> {
  return firstFailureOf({ count: 40 }, (at) => runSweepCase({ seed: 1, cut: { at, fate } }, make));
}

const found = (pattern: RegExp) => expect.stringMatching(pattern);

describe("a store without a defect", () => {
  test("passes", async () => {
    const make: MakeObjects = (now) => new SimulatedObjects(now);
    expect(await duels(make, 10)).toBeUndefined();
    expect(await cuts(make)).toBeUndefined();
  });
});

describe("duels find", () => {
  test("a create that ignores its condition", async () => {
    expect(await duels((now) => new IgnoresCondition(now))).toEqual(found(/failed/));
  });

  test("an opener that leaves out the fence", async () => {
    expect(await duels((now) => new SkipsFences(now))).toEqual(
      found(/superseded|missing|lacks|sees/),
    );
  });

  test("a commit over a manifest that exists", async () => {
    expect(await duels((now) => new CommitsOverExisting(now))).toEqual(found(/failed/));
  });

  test("an acknowledgement before the object is stored", async () => {
    expect(await duels((now) => new AcknowledgesFirst(now))).toEqual(found(/failed/));
  });

  test("an absent WAL object taken for the end of the log", async () => {
    expect(await duels((now) => new EndsAtDroppedWalObject(now))).toEqual(found(/failed/));
  });

  test("a store that loses the last write of a process that dies", async () => {
    expect(await duels((now) => new LosesLastWrite(now))).toEqual(found(/failed/));
  });
});

describe("the crash sweep finds", () => {
  test("an acknowledgement before the object is stored", async () => {
    expect(await cuts((now) => new AcknowledgesFirst(now))).toEqual(found(/failed/));
  });

  test("an absent WAL object taken for the end of the log", async () => {
    expect(await cuts((now) => new EndsAtDroppedWalObject(now))).toEqual(found(/no prefix/));
  });

  test("a WAL object that is gone, which the engine reports by name", async () => {
    expect(await cuts((now) => new DropsWalObject(now))).toEqual(found(/CorruptionError.*wal\//));
  });

  test("a store that loses the last write of a process that dies", async () => {
    expect(await cuts((now) => new LosesLastWrite(now), "kill-before")).toEqual(found(/no prefix/));
  });
});

test("a failure says how to replay it", async () => {
  const message = await cuts((now) => new EndsAtDroppedWalObject(now));
  expect(message).toMatch(/npm run test:sim -- --seed 1\/\d+:kill-after/);
  expect(message).toMatch(/worker#\d+ create db\/wal/);
});
