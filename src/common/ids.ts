/**
 * ULIDs (https://github.com/ulid/spec) from a given clock and random source, always above every id seen so far.
 *
 * Unlike the spec's monotonic ids, the next one is never the last plus one: another process that knows the same last id,
 * in the same millisecond or with a clock that is behind, would mint it too, and overwrite the object of that name. What
 * the clock does not raise is raised by a millisecond, and the random part is always drawn anew.
 */
import { decodeTime, encodeTime, incrementBase32 } from "ulid";
import type { Bytes } from "./bytes.js";
import type { Clock } from "./clock.js";
import type { Random } from "./random.js";

/** 26 characters of Crockford's base 32; their order is the order of the 128-bit numbers. */
export type Ulid = string;

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const timeMax = 2 ** 48 - 1;

export class UlidFactory {
  readonly #clock: Clock;
  readonly #random: Random;
  #last: Ulid = "";

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** The last id given, or the floor that was set since. */
  get last(): Ulid {
    return this.#last;
  }

  /** Every later id is above `id`: clocks that go back never break the order of ids. */
  raiseAbove(id: Ulid): void {
    if (id > this.#last) this.#last = id;
  }

  next(): Ulid {
    const now = Math.max(0, Math.floor(this.#clock.now()));
    const lastTime = this.#last === "" ? -1 : decodeTime(this.#last);
    const time = Math.min(Math.max(now, lastTime + 1), timeMax);
    let id = encodeTime(time, 10);
    const random = this.#random.bytes(16);
    for (let i = 0; i < 16; i++) id += alphabet[random[i]! & 31];
    // Only at the end of time, in the year 10889.
    if (id <= this.#last) id = incrementBase32(this.#last);
    this.#last = id;
    return id;
  }
}

/** When it was minted, ms since 1970 by the clock of whoever did; later where that was behind other ids. */
export function ulidTime(id: Ulid): number {
  return decodeTime(id);
}

/** The greatest id below `id`; `id` itself where it is the least there is. */
export function ulidBefore(id: Ulid): Ulid {
  const at = id.length - 1 - [...id].reverse().findIndex((character) => character !== "0");
  if (at === id.length) return id;
  const lower = alphabet[alphabet.indexOf(id[at]!) - 1]!;
  return id.slice(0, at) + lower + "Z".repeat(id.length - at - 1);
}

/** The sixteen bytes of an id, most significant first. */
export function ulidToBytes(id: Ulid): Bytes {
  const bytes = new Uint8Array(16);
  let value = 0n;
  for (const character of id) value = value * 32n + BigInt(alphabet.indexOf(character));
  for (let i = 15; i >= 0; i--) {
    bytes[i] = Number(value & 255n);
    value >>= 8n;
  }
  return bytes;
}

export function ulidFromBytes(bytes: Uint8Array): Ulid {
  let value = 0n;
  for (let i = 0; i < 16; i++) value = value * 256n + BigInt(bytes[i]!);
  let id = "";
  for (let i = 0; i < 26; i++) {
    id = alphabet[Number(value & 31n)] + id;
    value >>= 5n;
  }
  return id;
}
