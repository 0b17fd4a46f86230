/** Samples of which manifest was there when: bounded, in order, and thinner with age. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { historySamplesMax, type Manifest, type TimeSample } from "../../../src/format/manifest.js";
import { createAgain, destroyDatabase } from "../../../src/manifest/destroy-transition.js";
import { sampleOfEnd, withSample } from "../../../src/manifest/history.js";
import { claimWriter, closeWriter, retireBatch } from "../../../src/manifest/transitions.js";
import { claimed, empty, entryOf, ulid } from "./manifests.js";

/** The manifests that commits at these moments make, one after another. */
function commitAt(
  times: readonly number[],
  over: (number: number) => Partial<Manifest> = () => ({}),
) {
  let manifest: Manifest = empty;
  for (const [i, createdAt] of times.entries()) {
    const history = withSample(manifest);
    const number = i + 1;
    manifest = { ...manifest, history, number, createdAt, lastSeq: 10 * number, ...over(number) };
  }
  return manifest;
}

const isSorted = (samples: readonly TimeSample[]): boolean =>
  samples.every(
    ({ at, manifestNumber }, i) =>
      i === 0 || (at >= samples[i - 1]!.at && manifestNumber > samples[i - 1]!.manifestNumber),
  );

test("each commit of a writer adds the manifest that it is applied to", () => {
  const base: Manifest = { ...claimed, number: 7, createdAt: 1_000, lastSeq: 40 };
  const sample = { seq: 40, manifestNumber: 7, at: 1_000 };
  const batch = {
    ...{ epoch: 1, entries: [entryOf(5, 41, 42)], walStart: { epoch: 1, id: 1 } },
    ...{ lastL0Seq: 42, lastSeq: 42, snapshotSeq: 0, writerFloor: ulid(5), logEnds: new Map() },
  };
  expect(retireBatch(batch)(base).history).toEqual([sample]);
  expect(claimWriter({ putsInFlight: 1 })(base).history).toEqual([sample]);
  const closing = { epoch: 1, walStart: base.walStart, lastSeq: 40, writerFloor: "" };
  expect(closeWriter({ ...closing, logEnds: new Map() })(base).history).toEqual([sample]);
  expect(claimWriter({ putsInFlight: 1 })(empty).history).toEqual([]);
});

test("samples are sorted, bounded, and the newest and the oldest that is not deleted are among them", () => {
  const gaps = fc.array(
    fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 1e7 })),
    {
      ...{ minLength: 2, maxLength: 300 },
    },
  );
  void fc.assert(
    fc.property(gaps, fc.nat(400), (steps, deleted) => {
      let now = 1_700_000_000_000;
      const times = steps.map((step) => (now += step));
      const first = Math.min(deleted, times.length - 1);
      const whole = commitAt(times);
      const { history } = whole;
      expect(isSorted(history)).toBe(true);
      expect(history.length).toBe(Math.min(times.length - 1, historySamplesMax));
      // A manifest has all samples but its own.
      expect(history.at(-1)).toMatchObject({ manifestNumber: times.length - 1, at: times.at(-2) });
      expect(history[0]).toMatchObject({ manifestNumber: 1, at: times[0], seq: 10 });
      const later = withSample({ ...whole, firstNumber: first });
      expect(later.every(({ manifestNumber }) => manifestNumber >= first)).toBe(true);
      expect(isSorted(later)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test("gaps grow with age, so that any moment is between two samples that are near by its age", () => {
  for (const every of [1, 1_000, 60_000]) {
    const times = Array.from({ length: 20_000 }, (_, i) => 1_700_000_000_000 + i * every);
    const { history } = commitAt(times);
    const now = history.at(-1)!.at;
    expect(history[0]!.at).toBe(times[0]);
    for (let i = 1; i < history.length; i++) {
      const gap = history[i]!.at - history[i - 1]!.at;
      const age = now - history[i - 1]!.at;
      expect(gap).toBeLessThanOrEqual(Math.max(2 * every, age / 3));
    }
    const newest = history.slice(-8).map(({ at }) => at);
    expect(newest.at(-1)! - newest[0]!).toBeLessThan(40 * every);
  }
});

test("a clock that was ahead once, or is behind once, costs its own sample alone", () => {
  const ahead = commitAt([1_000, 2_000, 900_000, 3_000, 4_000, 5_000]);
  expect(ahead.history.map(({ manifestNumber }) => manifestNumber)).toEqual([1, 2, 4, 5]);
  const behind = commitAt([1_000, 2_000, 3, 3_000, 4_000, 5_000]);
  expect(behind.history.map(({ manifestNumber }) => manifestNumber)).toEqual([1, 2, 4, 5]);
});

test("the first sample of a database that was made anew is the end of the one before, for as long as its manifest is there", () => {
  const before = { ...claimed, number: 8, createdAt: 1_000, lastSeq: 40 };
  expect(sampleOfEnd({ ...before, history: withSample(before) })).toBeUndefined();
  const end = { lastSeq: 40, floor: ulid(1), check: () => undefined };
  const destroyed = { ...destroyDatabase(end)(before), number: 9, createdAt: 2_000 };
  const base = createAgain(destroyed, destroyed.pinned);
  let manifest = { ...claimWriter({ putsInFlight: 1 })(base), number: 10, createdAt: 3_000 };
  for (let number = 11; number < 11 + 3 * historySamplesMax; number++) {
    expect(sampleOfEnd(manifest)).toEqual({ seq: 41, manifestNumber: 9, at: 0 });
    // A clock that goes back takes samples out, but not this one.
    const createdAt = number % 10 === 0 ? 1 : 1_000 * number;
    manifest = { ...manifest, history: withSample(manifest), number, createdAt };
  }
  expect(sampleOfEnd({ ...manifest, firstNumber: 10 })).toBeUndefined();
  expect(sampleOfEnd({ ...manifest, history: withSample({ ...manifest, firstNumber: 10 }) })).toBe(
    undefined,
  );
});
