/** How the limits of L0 go together, and what compaction options take. */
import { expect, test } from "vitest";
import {
  type CompactorSettingsOptions,
  type SettingsOptions,
  settingsTable,
  toCompactorSettings,
  toSettings,
} from "../../../src/db/settings.js";
import { Db, MemoryObjectStore, type OpenOptions } from "../../../src/index.js";

const limits = (options: SettingsOptions, compacts = true): (number | undefined)[] => {
  const { compactionL0Trigger, l0SoftMax, l0HardMax } = toSettings(options, compacts);
  return [compactionL0Trigger, l0SoftMax, l0HardMax];
};
const none = Number.POSITIVE_INFINITY;

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
  [{ compactionL0Trigger: Number.NaN }, /^"compactionL0Trigger" must be a whole number/],
  [{ l0SoftMax: "8" as unknown as number }, /^"l0SoftMax" must be a number/],
])("%o is refused, and the message names what is wrong", (options, message) => {
  expect(() => toSettings(options, true)).toThrow(message);
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
])("%s is refused before anything happens", async (_, options, message) => {
  const store = new MemoryObjectStore();
  const opening = Db.open({ store, path: "db" }, options as OpenOptions);
  await expect(opening).rejects.toMatchObject({
    kind: "invalid",
    message: expect.stringMatching(message),
  });
});

test("names in the table end in their unit, and defaults are within bounds", () => {
  for (const [name, setting] of Object.entries(settingsTable)) {
    expect(name).toMatch(
      /(Bytes|Ms|PerSecond|Burst|InFlight|BytesMax|SoftMax|HardMax|ObjectsMax|Trigger|Threads|PerKey)$/,
    );
    expect(setting.default).toBeGreaterThanOrEqual(setting.min);
    expect(setting.default).toBeLessThanOrEqual(setting.max);
  }
});
