/** Bugs planted in the folding of merges: the model test finds each within some databases. */
import * as fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { RowKind } from "../../src/common/row.js";
import type { foldVersions } from "../../src/merge/fold-versions.js";
import { MemoryObjectStore } from "../../src/testing/index.js";
import { clockSteps } from "./clock-steps.js";
import { stepArbitraries } from "./commands.js";
import { mergeSteps } from "./merge-steps.js";
import { operators } from "./merges.js";
import { Model } from "./model.js";
import { World } from "./world.js";

interface Bug {
  readonly fold?: (actual: typeof foldVersions) => typeof foldVersions;
}
const planted = vi.hoisted((): { bug: Bug } => ({ bug: {} }));

vi.mock("../../src/merge/fold-versions.js", async (original) => {
  const actual = await original<typeof import("../../src/merge/fold-versions.js")>();
  return {
    ...actual,
    foldVersions: (...args: Parameters<typeof foldVersions>) =>
      (planted.bug.fold?.(actual.foldVersions) ?? actual.foldVersions)(...args),
  };
});

afterEach(() => {
  planted.bug = {};
});

const options = { memTableBytes: 4096, unflushedBytesMax: 40 * 1024, mergeOperators: operators };

async function failsWith(bug: Bug, numRuns: number): Promise<boolean> {
  planted.bug = bug;
  const { failed } = await fc.check(
    fc.asyncProperty(
      fc.commands([...stepArbitraries, ...clockSteps, ...mergeSteps, ...mergeSteps], {
        maxCommands: 60,
        size: "max",
      }),
      async (steps) => {
        const world = await World.open(new MemoryObjectStore(), options);
        try {
          const model = new Model(world.clock.now());
          await fc.asyncModelRun(() => ({ model, real: world }), steps);
        } finally {
          await world.close();
        }
      },
    ),
    { numRuns, endOnFailure: true },
  );
  return failed;
}

test.each<[string, Bug]>([
  [
    "operands are folded newest first",
    {
      fold: (actual) => (key, versions, now, apply) =>
        actual(key, versions, now, (id, k, value, operands) =>
          apply(id, k, value, operands.toReversed()),
        ),
    },
  ],
  [
    "what is beneath the operands is forgotten",
    {
      fold: (actual) => (key, versions, now, apply) =>
        actual(
          key,
          versions.filter(({ kind }) => kind === RowKind.merge),
          now,
          apply,
        ),
    },
  ],
  [
    "what has expired is folded onto",
    { fold: (actual) => (key, versions, _, apply) => actual(key, versions, 0, apply) },
  ],
  [
    "the oldest version of several is lost",
    {
      fold: (actual) => (key, versions, now, apply) =>
        actual(key, versions.length > 2 ? versions.slice(0, -1) : versions, now, apply),
    },
  ],
])(
  "the model finds that %s",
  async (_, bug) => {
    expect(await failsWith(bug, 100)).toBe(true);
  },
  120_000,
);

test("and nothing else", async () => {
  expect(await failsWith({}, 10)).toBe(false);
}, 120_000);
