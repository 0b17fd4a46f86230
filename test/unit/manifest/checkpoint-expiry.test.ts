/** The end of checkpoints, for every small forest of bases and every order of ends, beside a model that counts references. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Checkpoint, noUlid } from "../../../src/format/manifest.js";
import { endCheckpoints, liveCheckpoints } from "../../../src/manifest/checkpoint-expiry.js";
import { attachCheckpoint } from "../../../src/manifest/checkpoint-transitions.js";
import { checkpointOf, forests, listing, subsets } from "./checkpoint-lists.js";
import { ulid } from "./manifests.js";

/** Each has one reference by itself, until it ends, and one by each that it is the base of; without any it goes. */
class CountingModel {
  readonly #byId: Map<string, { base: string; count: number; isLive: boolean }>;

  constructor(checkpoints: readonly Checkpoint[]) {
    this.#byId = new Map(
      checkpoints.map(({ id, base }) => [id, { base, count: 1, isLive: true }] as const),
    );
    for (const { base } of checkpoints) if (base !== noUlid) this.#byId.get(base)!.count++;
  }

  end(id: string): void {
    const one = this.#byId.get(id);
    if (one === undefined || !one.isLive) return;
    one.isLive = false;
    this.#drop(id);
  }

  /** Ids, with a star on those that linger. */
  get left(): string[] {
    return [...this.#byId].map(([id, { isLive }]) => (isLive ? id : `${id}*`));
  }

  #drop(id: string): void {
    const one = this.#byId.get(id)!;
    if (--one.count > 0) return;
    this.#byId.delete(id);
    if (one.base !== noUlid) this.#drop(one.base);
  }
}

const leftOf = (checkpoints: readonly Checkpoint[]): string[] =>
  checkpoints.map(({ id, isExpired }) => (isExpired ? `${id}*` : id));

test("in every forest of 5, any ends at once, then any others, leave what counting references leaves", () => {
  let count = 0;
  for (const forest of forests(5)) {
    for (const first of subsets(5)) {
      const model = new CountingModel(forest);
      for (const i of first) model.end(ulid(i));
      const after = endCheckpoints(first.map(ulid))(listing(forest));
      expect(leftOf(after.checkpoints)).toEqual(model.left);
      count++;
      if (first.length > 1) continue;
      for (const second of [[0], [4], [1, 3], [0, 1, 2, 3, 4]]) {
        const then = new CountingModel(forest);
        for (const i of [...first, ...second]) then.end(ulid(i));
        expect(leftOf(endCheckpoints(second.map(ulid))(after).checkpoints)).toEqual(then.left);
      }
    }
  }
  expect(count).toBe(120 * 32);
});

test("what ends is not retained any more, and everything else of the rest is as it was", () => {
  for (const forest of forests(4)) {
    const retained = forest.map((one) => ({ ...one, retained: true, name: one.id, ttlMs: 7 }));
    for (const ended of subsets(4)) {
      for (const one of endCheckpoints(ended.map(ulid))(listing(retained)).checkpoints) {
        const before = retained.find(({ id }) => id === one.id)!;
        const hasEnded = ended.map(ulid).includes(one.id);
        expect(one).toEqual(hasEnded ? { ...before, retained: false, isExpired: true } : before);
      }
    }
  }
});

test("an end of what is not there, or lingers already, is no change", () => {
  const [a, b] = [checkpointOf(0), checkpointOf(1, { base: ulid(0) })];
  const lingering = endCheckpoints([a.id])(listing([a, b]));
  expect(leftOf(lingering.checkpoints)).toEqual([`${a.id}*`, b.id]);
  expect(liveCheckpoints(lingering)).toEqual([b]);
  expect(endCheckpoints([a.id])(lingering)).toBe(lingering);
  expect(endCheckpoints([ulid(9)])(lingering)).toBe(lingering);
  expect(endCheckpoints([])(lingering)).toBe(lingering);
  expect(endCheckpoints([b.id])(lingering).checkpoints).toEqual([]);
});

test("random adds, with bases among what is listed, and ends: no base is ever missing, and nothing lingers without need", () => {
  const step = fc.record({ add: fc.boolean(), at: fc.nat(30), base: fc.nat(60) });
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    let manifest = listing([]);
    for (const [i, { add, at, base }] of steps.entries()) {
      const live = liveCheckpoints(manifest);
      if (add) {
        const chosen = live[base]?.id;
        manifest = attachCheckpoint({ id: ulid(i), createdAt: i, base: chosen })(manifest);
      } else if (live.length > 0) {
        manifest = endCheckpoints([live[at % live.length]!.id])(manifest);
      }
      const { checkpoints } = manifest;
      const ids = new Set(checkpoints.map(({ id }) => id));
      for (const one of checkpoints) {
        expect(one.base === noUlid || ids.has(one.base)).toBe(true);
        if (one.isExpired) expect(checkpoints.some((other) => other.base === one.id)).toBe(true);
      }
    }
  });
  expect(fc.check(property, { numRuns: 300 }).counterexample).toBeNull();
});
