/** What the tests of loads that end share: small loads, and what must be left of one that ended badly. */
import { expect } from "vitest";
import { type Deferred, deferred } from "../../../src/common/deferred.js";
import type { Manifest } from "../../../src/format/manifest.js";
import { decodeManifest } from "../../../src/format/manifest-codec.js";
import type { Db, LoadEntry, LoadOptions, OpenOptions } from "../../../src/index.js";
import { newPlace, openAt, type Place } from "../db/support.js";
import { quiet, Watched } from "./support.js";

/** Some 60 rows fill an SST; two are on their way at once. */
export const small: OpenOptions = {
  ...{ ...quiet, loadBufferBytes: 8192, sstBytesMax: 4096, uploadsInFlight: 2, blockBytes: 512 },
};

export const keyOf = (i: number): string => `load ${String(i).padStart(5, "0")}`;
export const keysOf = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => keyOf(i));

export function* rows(count: number, from = 0): Generator<{ key: string; value: string }> {
  for (let i = from; i < from + count; i++) yield { key: keyOf(i), value: "v".repeat(60) };
}

/** Gives `count` rows, then waits for ever, or until it is told to go on. */
export class Source implements AsyncIterable<LoadEntry> {
  returned = 0;
  readonly gate: Deferred<"end"> = deferred();
  readonly #rows: Generator<LoadEntry>;

  constructor(count: number, after: Iterable<LoadEntry> = []) {
    const gated = this;
    this.#rows = (function* () {
      yield* rows(count);
      gated.#waits = true;
      yield* after;
    })();
  }

  #waits = false;

  [Symbol.asyncIterator](): AsyncIterator<LoadEntry> {
    return {
      next: async () => {
        const result = this.#rows.next();
        if (this.#waits) await this.gate.promise;
        return result;
      },
      return: async () => {
        this.returned++;
        return { done: true, value: undefined };
      },
    };
  }
}

export async function listed(place: Place, folder = "sst"): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of place.inner.list({ prefix: `db/${folder}/` })) keys.push(key);
  return keys.sort();
}

export interface LoadScene {
  readonly place: Place;
  readonly db: Db;
}

/** With "before" acknowledged, and nothing in L0. */
export async function openSmall(options: OpenOptions = {}): Promise<LoadScene> {
  const place = newPlace();
  const db = await openAt(place, { ...small, ...options });
  await place.clock.advanceUntil(db.put("before", "value"));
  place.counting.reset();
  return { place, db };
}

export const watchLoad = (
  { db }: LoadScene,
  entries: Parameters<Db["load"]>[0],
  options?: LoadOptions,
): Watched => new Watched("load", db.load(entries, options));

export async function newestManifest(place: Place): Promise<Manifest> {
  const names = (await listed(place, "manifest")).filter((name) => name.endsWith(".manifest"));
  const name = names.at(-1)!;
  return decodeManifest((await place.inner.get(name))!.bytes, name, names.length);
}

/** Nothing of a load is seen, stored or remembered, and the handle works: the floor rises above all ids that it had. */
export async function expectNoTrace({ place, db }: LoadScene, seq = 1): Promise<void> {
  const { clock } = place;
  expect(db.seq).toBe(seq);
  expect(await clock.advanceUntil(db.keys({ prefix: "load" }).nextMany(10))).toEqual([]);
  const before = await newestManifest(place);
  const named = before.l0.flatMap(({ ssts }) => ssts.map(({ id }) => `db/sst/${id}.sst`));
  expect(await listed(place)).toEqual(named.sort());
  await clock.advanceUntil(db.put("after", "value"));
  await clock.advanceUntil(db.flush({ to: "l0" }));
  const { l0, writerFloor } = await newestManifest(place);
  expect(writerFloor >= l0.at(-1)!.ssts[0]!.id).toBe(true);
  await clock.advanceUntil(db.close());
}
