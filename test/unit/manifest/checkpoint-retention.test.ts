/** Policies over every small list of checkpoints, and over random ones beside a model that says of each checkpoint why it stays. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Checkpoint, CheckpointPurpose } from "../../../src/format/manifest.js";
import { liveCheckpoints } from "../../../src/manifest/checkpoint-expiry.js";
import {
  applyRetention,
  type CheckpointRetention,
} from "../../../src/manifest/checkpoint-retention.js";
import { attachCheckpoint } from "../../../src/manifest/checkpoint-transitions.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { newest } from "../db/compact-by-hand.js";
import { newPlace, openAt } from "../db/support.js";
import { checkpointOf, choices, listing } from "./checkpoint-lists.js";
import { day, hour, ulid } from "./manifests.js";

const kinds: Partial<Checkpoint>[] = [
  {},
  { retained: true },
  { purpose: CheckpointPurpose.reader },
  { purpose: CheckpointPurpose.replaced },
  { isExpired: true },
];

const liveOf = (policy: CheckpointRetention, list: readonly Checkpoint[], createdAt = 5000) =>
  liveCheckpoints(applyRetention(policy, list.at(-1)!.id)(listing(list, { createdAt })));

test("the newest N of users stay, and of others whatever there is, for every list of 5 of every kind", () => {
  for (const chosen of choices(Array.from({ length: 4 }, () => kinds))) {
    // The base of another: what is expired would not be there otherwise.
    const list = [...chosen.map((over, i) => checkpointOf(i, over)), checkpointOf(4)].map(
      (one, i, all) => ({ ...one, base: all[i - 1]?.isExpired ? all[i - 1]!.id : "" }),
    );
    const users = list.filter(({ purpose, isExpired }) => purpose === 0 && !isExpired);
    for (const keepNewest of [1, 2, 3, 9]) {
      const stays = (one: Checkpoint): boolean =>
        !one.isExpired &&
        (one.purpose !== CheckpointPurpose.user ||
          one.retained ||
          users.indexOf(one) >= users.length - keepNewest);
      expect(liveOf({ keepNewest }, list)).toEqual(list.filter(stays));
    }
  }
});

test("a retained one within the newest N does not widen them", () => {
  const list = [0, 1, 2, 3].map((i) => checkpointOf(i, { retained: i === 2 }));
  expect(liveOf({ keepNewest: 2 }, list).map(({ id }) => id)).toEqual([ulid(2), ulid(3)]);
});

test("without a rule all stay, and it is no change", () => {
  const manifest = listing([0, 1, 2].map((i) => checkpointOf(i)));
  for (const policy of [{}, { keepByAge: [] }]) {
    expect(applyRetention(policy, ulid(2))(manifest)).toBe(manifest);
  }
});

test("hourly for a day, daily for a month: a checkpoint every ten minutes for two months", () => {
  const policy = {
    keepByAge: [
      { everyMs: hour, forMs: day },
      { everyMs: day, forMs: 30 * day },
    ],
  };
  const start = Date.UTC(2026, 0, 1);
  let manifest = listing([]);
  for (let i = 0; i < 60 * 24 * 6; i++) {
    const createdAt = start + i * (hour / 6);
    manifest = { ...manifest, number: 100 + i, createdAt };
    manifest = attachCheckpoint({ id: ulid(i), createdAt, retention: policy })(manifest);
    expect(manifest.checkpoints.at(-1)!.id).toBe(ulid(i));
    expect(manifest.checkpoints.length).toBeLessThanOrEqual(24 + 30 + 1);
  }
  const times = manifest.checkpoints.map(({ createdAt }) => createdAt);
  const youngest = times.at(-1)!;
  // The last of every day that is over and less than a month old, then the last of every hour of the last day.
  const days = times.filter((time) => youngest - time >= day);
  expect(days).toHaveLength(29);
  for (const time of days) expect((time + hour / 6) % day).toBe(0);
  const hours = times.filter((time) => youngest - time < day);
  expect(hours).toHaveLength(24);
  for (const time of hours.slice(0, -1)) expect((time + hour / 6) % hour).toBe(0);
});

test("random policies keep what some rule keeps, the one that was added, and nothing else", () => {
  const rule = fc.record({
    everyMs: fc.integer({ min: 1, max: 40 }),
    forMs: fc.integer({ min: 1, max: 200 }),
  });
  const policies = fc.record({
    keepNewest: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
    keepByAge: fc.option(fc.array(rule, { maxLength: 3 }), { nil: undefined }),
  });
  const times = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 12 });
  const property = fc.property(
    policies,
    times,
    fc.integer({ min: 0, max: 400 }),
    (policy, at, committedAt) => {
      const list = at.map((createdAt, i) => checkpointOf(i, { createdAt }));
      // The manifest that it is added to may be from before it was asked for.
      const now = Math.max(committedAt, at.at(-1)!);
      const { keepNewest, keepByAge = [] } = policy;
      const hasRule = keepNewest !== undefined || keepByAge.length > 0;
      const stays = (one: Checkpoint, i: number): boolean =>
        !hasRule ||
        i === list.length - 1 ||
        (keepNewest !== undefined && i >= list.length - keepNewest) ||
        keepByAge.some(
          ({ everyMs, forMs }) =>
            now - one.createdAt < forMs &&
            !list.some(
              (other, j) =>
                j > i &&
                now - other.createdAt < forMs &&
                Math.floor(other.createdAt / everyMs) === Math.floor(one.createdAt / everyMs),
            ),
        );
      expect(liveOf(policy, list, committedAt)).toEqual(list.filter(stays));
    },
  );
  void fc.assert(property, { numRuns: 2000 });
});

test("ages count from when the new one is made, also when nothing was committed for days before", async () => {
  const place = newPlace();
  const { clock, inner } = place;
  const quiet = { background: false, compactionThreads: 0, flushIntervalMs: hour };
  const checkpointRetention = { keepByAge: [{ everyMs: day, forMs: 2 * day }] };
  const db = await openAt(place, { ...quiet, checkpointRetention });
  const ages = async (): Promise<number[]> => {
    const now = Math.floor(clock.now() / day);
    const { checkpoints } = await newest(prefixed(inner, "db"));
    return checkpoints.map(({ createdAt }) => now - Math.floor(createdAt / day));
  };
  for (let night = 0; night < 5; night++) {
    await clock.advanceUntil(db.checkpoint());
    expect(await ages()).toEqual(night === 0 ? [0] : [1, 0]);
    await clock.advance(day);
  }
  await clock.advance(30 * day);
  await clock.advanceUntil(db.checkpoint());
  expect(await ages()).toEqual([0]);
  await clock.advanceUntil(db.close());
});

test("a base that a policy ends lingers while its child stays", () => {
  const list = [checkpointOf(0), checkpointOf(1, { base: ulid(0) })];
  const after = applyRetention({ keepNewest: 1 }, ulid(1))(listing(list)).checkpoints;
  expect(after.map(({ id, isExpired }) => [id, isExpired])).toEqual([
    [ulid(0), true],
    [ulid(1), false],
  ]);
});
