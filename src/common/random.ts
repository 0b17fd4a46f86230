/** Randomness as an argument: the system's, or a seeded generator that replays a run. */
import type { Bytes } from "./bytes.js";

export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** `count` random bytes. */
  bytes(count: number): Bytes;
}

export const systemRandom: Random = {
  next: () => Math.random(),
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
};

/** Mulberry32 (Tommy Ettinger, public domain): small, fast and the same on every machine. Not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    bytes(count) {
      const result = new Uint8Array(count);
      for (let i = 0; i < count; i++) result[i] = Math.floor(next() * 256);
      return result;
    },
  };
}

/** An integer in [0, below). @internal For tests. */
export function randomBelow(random: Random, below: number): number {
  return Math.floor(random.next() * below);
}
