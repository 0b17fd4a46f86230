/** Lists of checkpoints for tests of pure functions: each small one that there can be. */
import { type Checkpoint, type Manifest, noUlid } from "../../../src/format/manifest.js";
import { plainCheckpoint } from "../../../src/manifest/plain-checkpoint.js";
import { claimed, ulid } from "./manifests.js";

export function checkpointOf(number: number, over: Partial<Checkpoint> = {}): Checkpoint {
  const numbers = { manifestNumber: number, refreshedNumber: number, createdAt: 1000 + number };
  return { ...plainCheckpoint, id: ulid(number), name: "", ttlMs: 0, ...numbers, ...over };
}

export function listing(
  checkpoints: readonly Checkpoint[],
  over: Partial<Manifest> = {},
): Manifest {
  return { ...claimed, number: 100, createdAt: 5000, checkpoints, ...over };
}

/** Every subset of the numbers below `count`. */
export function* subsets(count: number): Generator<number[]> {
  for (let bits = 0; bits < 1 << count; bits++) {
    yield Array.from({ length: count }, (_, i) => i).filter((i) => (bits >> i) & 1);
  }
}

/** Every choice of one element of each list. */
export function* choices<T>(lists: readonly (readonly T[])[]): Generator<T[]> {
  const [first, ...rest] = lists;
  if (first === undefined) yield [];
  else for (const one of first) for (const others of choices(rest)) yield [one, ...others];
}

/** Every forest of `count` checkpoints: each has no base, or one that was there before it. */
export function* forests(count: number): Generator<Checkpoint[]> {
  const bases = Array.from({ length: count }, (_, i) => [
    noUlid,
    ...Array.from({ length: i }, (_, j) => ulid(j)),
  ]);
  for (const chosen of choices(bases)) yield chosen.map((base, i) => checkpointOf(i, { base }));
}
