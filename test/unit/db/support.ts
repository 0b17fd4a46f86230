/** What the tests of `Db` share. */
import { decodeUtf8 } from "../../../src/common/bytes.js";
import { lazy } from "../../../src/common/lazy.js";
import { Db, type OpenOptions, type ScanOptions } from "../../../src/index.js";
import {
  CountingObjectStore,
  FaultyObjectStore,
  ManualClock,
  MemoryObjectStore,
} from "../../../src/testing/index.js";
import { loadEngine } from "../../support/load-engine.js";

/** What takes real time is loaded before a manual clock is waited for. */
const loaded = lazy(loadEngine);

/** Everything that is ready runs; what needs time does not. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

export const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes && decodeUtf8(bytes);

/** One process's way to a store that others may share. */
export interface Place {
  readonly inner: MemoryObjectStore;
  readonly faulty: FaultyObjectStore;
  readonly counting: CountingObjectStore;
  readonly clock: ManualClock;
  /** The location of the database, seen through the counting and the faulty store. */
  readonly at: { store: CountingObjectStore; path: string };
}

export function newPlace(inner?: MemoryObjectStore, clock: ManualClock = new ManualClock()): Place {
  const store = inner ?? new MemoryObjectStore({ clock });
  const faulty = new FaultyObjectStore(store, { clock });
  const counting = new CountingObjectStore(faulty);
  return { inner: store, faulty, counting, clock, at: { store: counting, path: "db" } };
}

/** Opens on a manual clock, which is moved as far as it takes, and counts from zero afterwards. */
export async function openAt(place: Place, options: OpenOptions = {}): Promise<Db> {
  const { clock, counting, at } = place;
  await loaded();
  const db = await clock.advanceUntil(Db.open(at, { clock, ...options }));
  await turns();
  counting.reset();
  return db;
}

/** "get manifest/latest" and so on, with the numbers shortened and the ids left out. */
export function requestsOf(store: CountingObjectStore): string[] {
  return store.requests.map(({ operation, key }) => {
    const short = key
      .replace(/^db\//, "")
      .replace(/0{10,}(\d+)/g, "$1")
      .replace(/[0-9A-HJKMNP-TV-Z]{26}/, "ULID")
      .replace(/[0-9a-f]{32}/, "TOKEN");
    return `${operation} ${short}`;
  });
}

/** The rows of a scan, as "a=1 b=2". */
export async function rows(from: Pick<Db, "scan">, options: ScanOptions = {}): Promise<string> {
  const seen: string[] = [];
  for await (const { key, value } of from.scan(options)) seen.push(`${text(key)}=${text(value)}`);
  return seen.join(" ");
}
