/** How the limits of L0 go together, and what compaction options take. */
import { expect, test } from "vitest";
import { sizeTieredTable } from "../../../src/compaction/size-tiered.js";
import { settingsOfSizeTiered } from "../../../src/db/compaction-option.js";
import { Compactor } from "../../../src/db/compactor.js";
import { newStrategy } from "../../../src/db/new-strategy.js";
import {
  type CompactorSettingsOptions,
  type SettingsOptions,
  settingsTable,
  toCompactorSettings,
  toSettings,
} from "../../../src/db/settings.js";
import type { Manifest, SortedRun } from "../../../src/format/manifest.js";
import { Db, MemoryObjectStore, type OpenOptions } from "../../../src/index.js";
import { empty, sstOf } from "../manifest/manifests.js";

/** Runs of these sizes, newest first. */
function manifestOf(sizes: readonly number[]): Manifest {
  const runs = sizes.map((size, i): SortedRun => {
    const sst = { ...sstOf(i + 1, i + 1, i + 1), size };
    const { firstKey, lastKey, rowCount } = sst;
    return {
      ...{ id: sst.id, ssts: [sst], listBytes: 0, firstKey, lastKey, sstCount: 1, rowCount, size },
      ...{ level: 0, indexOffset: 0, rangeDeletes: [], owner: "" },
    };
  });
  return { ...empty, runs };
}

const limits = (options: SettingsOptions, compacts = true): (number | undefined)[] => {
  const { compactionL0Trigger, l0SoftMax, l0HardMax } = toSettings(options, compacts);
  return [compactionL0Trigger, l0SoftMax, l0HardMax];
};
const none = Number.POSITIVE_INFINITY;
const dayMs = 24 * 3_600_000;

test("a handle that compacts has the limits of the table, another one none", () => {
  expect(limits({})).toEqual([4, 8, 16]);
  expect(limits({}, false)).toEqual([4, none, none]);
  const { compactionL0Trigger, l0SoftMax } = toCompactorSettings({});
  expect([compactionL0Trigger, l0SoftMax]).toEqual([4, 8]);
});

test.each<[SettingsOptions, number[]]>([
  [{ l0HardMax: 2 }, [2, 2, 2]],
  [{ l0HardMax: 1 }, [1, 1, 1]],
  [{ l0HardMax: none }, [4, 8, none]],
  [{ l0SoftMax: 3 }, [3, 3, 16]],
  [{ l0SoftMax: 1.5 }, [1, 1.5, 16]],
  [{ l0SoftMax: 20 }, [4, 20, 40]],
  [{ l0SoftMax: none }, [4, none, none]],
  [{ compactionL0Trigger: 12 }, [12, 24, 48]],
  [{ compactionL0Trigger: 12, l0HardMax: 12 }, [12, 12, 12]],
])("%o decides for what is not given", (options, expected) => {
  expect(limits(options)).toEqual(expected);
});

test("a limit that is given holds where nothing compacts too, since somebody else may", () => {
  expect(limits({ l0HardMax: 5 }, false)).toEqual([4, 5, 5]);
  expect(limits({ l0SoftMax: 5 }, false)).toEqual([4, 5, none]);
});

test.each<[SettingsOptions, RegExp]>([
  [{ l0SoftMax: 9, l0HardMax: 8 }, /"l0HardMax" \(8\) must be at least "l0SoftMax" \(9\)/],
  [{ compactionL0Trigger: 9, l0HardMax: 8 }, /"l0SoftMax" \(8\) must be at least "compactionL0/],
  [
    { gcGraceMs: 60 * dayMs },
    /"manifestRetentionMs" \(2592000000\) must be at least "gcGraceMs" \(/,
  ],
  [
    { gcGraceMs: 2 * dayMs, manifestRetentionMs: dayMs },
    /must be at least "gcGraceMs" \(172800000\)/,
  ],
  [{ compactionL0Trigger: Number.NaN }, /^"compactionL0Trigger" must be a whole number/],
  [{ l0SoftMax: "8" as unknown as number }, /^"l0SoftMax" must be a number/],
])("%o is refused, and the message names what is wrong", (options, message) => {
  expect(() => toSettings(options, true)).toThrow(message);
});

test("a grace as long as manifests are kept is one that a collection takes", async () => {
  const settings = { gcGraceMs: 60 * dayMs, manifestRetentionMs: 60 * dayMs };
  const db = await Db.open({ store: new MemoryObjectStore(), path: "db" }, settings);
  expect((await db.maintain()).isDone).toBe(true);
  await db.close();
});

test("a compactor's trigger is not above what it takes over at", () => {
  const options: CompactorSettingsOptions = { compactionL0Trigger: 9, l0SoftMax: 8 };
  expect(() => toCompactorSettings(options)).toThrow(/"l0SoftMax" \(8\) must be at least/);
});

test.each<[string, object, RegExp]>([
  ["an unknown strategy", { compaction: "tiered" }, /"compaction" must be "size-tiered" or/],
  ["true", { compaction: true }, /"compaction" must be the name of a strategy .*not boolean/],
  ["null", { compaction: null }, /not null/],
  ["an object without a strategy", { compaction: {} }, /"compaction\.strategy" is missing/],
  [
    "an unknown strategy in an object",
    { compaction: { strategy: "lsm" } },
    /"compaction\.strategy" must be/,
  ],
  ["a filter that is none", { compactionFilter: "drop" }, /"compactionFilter" must be a function/],
  [
    "a filter that is never asked",
    { compaction: false, compactionFilter: () => "keep" },
    /would never be asked/,
  ],
  ["a background that is no boolean", { background: 0 }, /"background" must be true or false/],
  ["too many threads", { compactionThreads: 9 }, /from 0 to 8/],
  ["no bytes at all", { compactionBytesPerSecond: 0 }, /from 65536 to Infinity/],
  [
    "a trigger among the options of a strategy",
    { compaction: { strategy: "leveled", l0Trigger: 2 } },
    /that is the setting "compactionL0Trigger"/,
  ],
  [
    "a setting among the options of size-tiered",
    { compaction: { strategy: "size-tiered", sizeRatio: 3 } },
    /has no option "sizeRatio": that is the setting "compactionSizeRatio"/,
  ],
  [
    "a setting of size-tiered with another strategy",
    { compaction: "leveled", compactionFanIn: 4 },
    /"compactionFanIn" is of the strategy "size-tiered", and this handle has "leveled"/,
  ],
  [
    "a setting of size-tiered without compaction",
    { compaction: false, compactionSizeRatio: 2 },
    /plans no compactions/,
  ],
  ["a fan-in of one", { compactionFanIn: 1 }, /"compactionFanIn" must be .* from 2 to 64/],
  ["no space at all", { compactionSpaceAmplificationMax: 1 }, /from 1\.05 to Infinity/],
])("%s is refused before anything happens", async (_, options, message) => {
  const store = new MemoryObjectStore();
  const opening = Db.open({ store, path: "db" }, options as OpenOptions);
  await expect(opening).rejects.toMatchObject({
    kind: "invalid",
    message: expect.stringMatching(message),
  });
});

test("a worker, which plans nothing, refuses settings of a strategy", async () => {
  const at = { store: new MemoryObjectStore(), path: "db" };
  await expect(Compactor.open(at, { worker: true, compactionFanIn: 4 })).rejects.toMatchObject({
    kind: "invalid",
    message: expect.stringMatching(/"compactionFanIn" .* plans no compactions/),
  });
});

test("size-tiered heeds its settings, whose defaults and bounds are those of its own table", () => {
  for (const [option, name] of Object.entries(settingsOfSizeTiered)) {
    const { default: usual, min, max, real } = settingsTable[name];
    const own = sizeTieredTable[option as keyof typeof settingsOfSizeTiered];
    expect({ default: usual, min, max, real }, name).toEqual({
      ...{ default: own.default, min: own.min, max: own.max, real: own.real },
    });
  }
  const picks = (options: SettingsOptions, manifest: Manifest): number[] =>
    newStrategy({ strategy: "size-tiered", options: {} }, toSettings(options, true))
      .pick(manifest, [], 0)
      .map(({ inputs }) => inputs.runs.length);
  const alike = manifestOf([100, 100, 100]);
  expect(picks({}, alike)).toEqual([3]);
  expect(picks({ compactionSpaceAmplificationMax: 4 }, alike)).toEqual([]);
  expect(picks({ compactionSpaceAmplificationMax: 4, compactionFanIn: 3 }, alike)).toEqual([3]);
  const apart = manifestOf([100, 300, 900]);
  const fanIn = { compactionSpaceAmplificationMax: 4, compactionFanIn: 3 };
  expect(picks(fanIn, apart)).toEqual([]);
  expect(picks({ ...fanIn, compactionSizeRatio: 9 }, apart)).toEqual([3]);
  // One job takes as many as it needs.
  const many = manifestOf(Array.from({ length: 40 }, () => 100));
  const wide = { compactionSpaceAmplificationMax: Number.POSITIVE_INFINITY, compactionFanIn: 40 };
  expect(picks(wide, many)).toEqual([40]);
});

test("names in the table end in their unit, and defaults are within bounds", () => {
  for (const [name, setting] of Object.entries(settingsTable)) {
    expect(name).toMatch(
      /(Bytes|Ms|PerSecond|Burst|InFlight|BytesMax|SoftMax|HardMax|ObjectsMax|Trigger|FanIn|Ratio|AmplificationMax|Threads|PerKey)$/,
    );
    expect(setting.default).toBeGreaterThanOrEqual(setting.min);
    expect(setting.default).toBeLessThanOrEqual(setting.max);
  }
});
