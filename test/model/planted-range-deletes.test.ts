/** Bugs planted in what range deletes do: the model test finds each within some databases. */
import * as fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { FragmentedTombstones } from "../../src/common/fragmented-tombstones.js";
import { OperationKind } from "../../src/common/row.js";
import { SstBuilder } from "../../src/format/sst-builder.js";
import type { MemTable } from "../../src/memtable/mem-table.js";
import { CoverCursor } from "../../src/read/cover-cursor.js";
import { MemoryObjectStore } from "../../src/testing/index.js";
import { batchSteps } from "./batch-steps.js";
import { stepArbitraries } from "./commands.js";
import { mergeSteps } from "./merge-steps.js";
import { operators } from "./merges.js";
import { Model } from "./model.js";
import { rangeDeleteSteps } from "./range-delete-steps.js";
import { snapshotSteps } from "./snapshot-steps.js";
import { World } from "./world.js";

type Stored = typeof import("../../src/read/stored-range-deletes.js");

/** Functions of the engine that are replaced. */
interface Bug {
  readonly holdersOf?: Stored["holdersOf"];
  readonly floorOfSpan?: Stored["floorOfSpan"];
  readonly keepsCovered?: boolean;
  readonly versionsAreNotHidden?: boolean;
  readonly replayForgets?: boolean;
}
const planted = vi.hoisted((): { bug: Bug; isReplay: boolean } => ({ bug: {}, isReplay: false }));

vi.mock("../../src/read/stored-range-deletes.js", async (original) => {
  const actual = await original<Stored>();
  const holdersOf: Stored["holdersOf"] = (manifest) =>
    (planted.bug.holdersOf ?? actual.holdersOf)(manifest);
  const floorOfSpan: Stored["floorOfSpan"] = (span, seqMax) =>
    (planted.bug.floorOfSpan ?? actual.floorOfSpan)(span, seqMax);
  return { ...actual, holdersOf, floorOfSpan };
});

vi.mock("../../src/db/drop-covered.js", async (original) => {
  const actual = await original<typeof import("../../src/db/drop-covered.js")>();
  const dropCovered: typeof actual.dropCovered = (batch, given) =>
    planted.bug.keepsCovered ? batch : actual.dropCovered(batch, given);
  return { dropCovered };
});

vi.mock("../../src/read/key-versions.js", async (original) => {
  const { KeyVersions } = await original<typeof import("../../src/read/key-versions.js")>();
  type Arguments = ConstructorParameters<typeof KeyVersions>;
  class Planted extends KeyVersions {
    constructor(...[view, tables, key, options]: Arguments) {
      const { hiddenBelow, seqMax } = options;
      super(view, tables, key, {
        ...{ seqMax, hiddenBelow: planted.bug.versionsAreNotHidden ? 0 : hiddenBelow },
      });
    }
  }
  return { KeyVersions: Planted };
});

vi.mock("../../src/format/wal-record.js", async (original) => {
  const actual = await original<typeof import("../../src/format/wal-record.js")>();
  const readOperation: typeof actual.readOperation = (reader, into) => {
    actual.readOperation(reader, into);
    if (!planted.isReplay || into.kind !== OperationKind.rangeDelete) return;
    Object.assign(into, { kind: OperationKind.delete, valueLength: 0 });
  };
  return { ...actual, readOperation };
});

vi.mock("../../src/memtable/mem-table.js", async (original) => {
  const { MemTable } = await original<typeof import("../../src/memtable/mem-table.js")>();
  class Planted extends MemTable {
    override applyRecords(...args: Parameters<MemTable["applyRecords"]>): number {
      planted.isReplay = planted.bug.replayForgets === true;
      try {
        return super.applyRecords(...args);
      } finally {
        planted.isReplay = false;
      }
    }
  }
  return { MemTable: Planted };
});

afterEach(() => {
  planted.bug = {};
  vi.restoreAllMocks();
});

const options = { blockBytes: 64, mergeOperators: operators };
const steps = [
  ...stepArbitraries,
  ...mergeSteps,
  ...batchSteps,
  ...snapshotSteps,
  ...rangeDeleteSteps,
  ...rangeDeleteSteps,
];

async function failsWithin(numRuns: number): Promise<boolean> {
  const { failed } = await fc.check(
    fc.asyncProperty(fc.commands(steps, { maxCommands: 60, size: "max" }), async (taken) => {
      const world = await World.open(new MemoryObjectStore(), options);
      try {
        const model = new Model(world.clock.now());
        await fc.asyncModelRun(() => ({ model, real: world }), taken);
      } finally {
        await world.close();
      }
    }),
    { numRuns, endOnFailure: true },
  );
  return failed;
}

const methods: [string, () => void][] = [
  [
    "rows of the seq of a range delete are hidden",
    () => {
      const { coverOf } = CoverCursor.prototype;
      vi.spyOn(CoverCursor.prototype, "coverOf").mockImplementation(function (
        this: CoverCursor,
        ...args
      ) {
        const cover = coverOf.apply(this, args);
        return cover > 0 ? cover + 1 : cover;
      });
    },
  ],
  [
    "a read at an older seq sees later range deletes",
    () => {
      const { fragmentSeq } = FragmentedTombstones.prototype;
      vi.spyOn(FragmentedTombstones.prototype, "fragmentSeq").mockImplementation(function (
        this: FragmentedTombstones,
        fragment,
      ) {
        return fragmentSeq.call(this, fragment, Number.MAX_SAFE_INTEGER);
      });
    },
  ],
  [
    "an SST that a range delete touches is passed by whole",
    () => {
      vi.spyOn(FragmentedTombstones.prototype, "hidesAll").mockImplementation(function (
        this: FragmentedTombstones,
        first,
        _,
        seqMax,
        seq,
      ) {
        return this.coverSeq(first, 0, first.length, seqMax) > seq;
      });
    },
  ],
  [
    "scans heed no range deletes of SSTs that hold rows of theirs",
    () => {
      vi.spyOn(CoverCursor.prototype, "coverOf").mockReturnValue(0);
    },
  ],
  [
    "an SST has only the first of its range deletes",
    () => {
      const { addRangeDelete } = SstBuilder.prototype;
      const seen = new WeakSet<SstBuilder>();
      vi.spyOn(SstBuilder.prototype, "addRangeDeletes").mockImplementation(function (
        this: SstBuilder,
        columns,
      ) {
        const [first] = new FragmentedTombstones(columns).tombstones();
        if (!seen.has(this)) addRangeDelete.call(this, first!);
        seen.add(this);
      });
    },
  ],
];

const functions: [string, Bug][] = [
  ["scans ignore stored range deletes", { holdersOf: () => [] }],
  [
    "what covers some of a span is taken to cover all of it",
    { floorOfSpan: ({ maxSeq }, seqMax) => Math.min(maxSeq, seqMax) },
  ],
  ["a batch keeps what its range deletes cover", { keepsCovered: true }],
  ["operands are folded onto what is hidden", { versionsAreNotHidden: true }],
  ["replay makes of a range delete one of its first key", { replayForgets: true }],
];

test.each<[string, () => void]>([
  ...methods,
  ...functions.map(([name, bug]): [string, () => void] => [
    name,
    () => {
      planted.bug = bug;
    },
  ]),
])(
  "the model finds that %s",
  async (_, plant) => {
    plant();
    expect(await failsWithin(200)).toBe(true);
  },
  120_000,
);

test("and nothing else", async () => {
  expect(await failsWithin(10)).toBe(false);
}, 120_000);
