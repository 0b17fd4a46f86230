/** What the process does that the crash sweep cuts: writes of every kind, several flushes at once, closes and reopens. */
import { isMoraineError } from "../../src/common/errors.js";
import { Db } from "../../src/db/db.js";
import type { OpenOptions } from "../../src/db/open-options.js";
import { type Change, difference, equalContent, type History, scanContent } from "./history.js";
import type { SimulatedProcess } from "./simulated-process.js";

export function openDb(
  process: SimulatedProcess,
  options: OpenOptions = {},
  path = "db",
): Promise<Db> {
  const { store, clock, random } = process;
  return Db.open({ store, path }, { clock, random, ...sizes, ...options });
}

/** A MemTable begins with some 30 KB, and grows after 16 KB of rows: so it is full after a few large ones. */
const sizes: OpenOptions = {
  memTableBytes: 40_000,
  unflushedBytesMax: 250_000,
  loadBufferBytes: 4096,
  sstBytesMax: 4096,
  walPutsPerSecond: 50,
  walPutsBurst: 10,
  flushIntervalMs: 20,
  // Those who compact and collect are actors of their own, where there are any.
  background: false,
  l0HardMax: Number.POSITIVE_INFINITY,
  l0SoftMax: Number.POSITIVE_INFINITY,
};

/** A write handle that puts down in the history what it does. */
export class Recorder {
  readonly #db: Db;
  readonly #history: History;
  /** The outcomes of writes that were not waited for. */
  readonly #later: Promise<void>[] = [];

  constructor(db: Db, history: History) {
    this.#db = db;
    this.#history = history;
    history.opened(db.seq);
  }

  put(key: string, value: string, durable = true): Promise<void> {
    const wait = this.#db.put(key, value, { durable });
    return this.#history.add([{ key, value }], { durable }, wait);
  }

  delete(key: string, durable = true): Promise<void> {
    const wait = this.#db.delete(key, { durable });
    return this.#history.add([{ key, value: undefined }], { durable }, wait);
  }

  /** It must hide some row: a history takes a write that changes nothing for one that was not lost. */
  deleteRange(key: string, until: string, durable = true): Promise<void> {
    const wait = this.#db.deleteRange({ gte: key, lt: until }, { durable });
    return this.#history.add([{ key, value: undefined, until }], { durable }, wait);
  }

  write(changes: readonly Change[], durable = true): Promise<void> {
    const batch = this.#db.batch();
    for (const { key, value, until } of changes) {
      if (until !== undefined) batch.deleteRange({ gte: key, lt: until });
      else if (value === undefined) batch.delete(key);
      else batch.put(key, value);
    }
    return this.#history.add(changes, { durable }, this.#db.write(batch, { durable }));
  }

  /** The last key must be the greatest. `close` gives up a load that has no seq yet. */
  load(changes: readonly { key: string; value: string }[]): Promise<void> {
    const wait = this.#db.load(changes).catch((error: unknown) => {
      if (!isMoraineError(error, "closed")) throw error;
      return undefined;
    });
    return this.#history.load(changes, wait);
  }

  later(wait: Promise<void>): void {
    wait.catch(() => undefined);
    this.#later.push(wait);
  }

  async flush(to: "wal" | "l0"): Promise<void> {
    await this.#history.flushed(this.#db.flush({ to }));
    await Promise.all(this.#later.splice(0));
  }

  async close(flush: boolean | "wal"): Promise<void> {
    // A write that still waits for memory is not accepted, and a close refuses it.
    await Promise.all(this.#later.splice(0));
    await this.#history.flushed(this.#db.close({ flush }));
    if ((await this.#db.closed) !== undefined) throw new Error("A clean close gave an error.");
  }

  /** This handle sees every write, whichever way it looks. */
  async check(): Promise<void> {
    await checkReads(this.#db, this.#history);
  }
}

/** Scan and gets agree with all of the history, and the rows have the seqs that were given. */
export async function checkReads(db: Db, history: History): Promise<void> {
  const expected = history.content();
  const found = await scanContent(db);
  if (!equalContent(expected, found)) {
    throw new Error(`A scan is wrong: ${difference(expected, found)}`);
  }
  const keys = [...history.keys(), "a/absent", "z/absent"];
  const values = await db.getMany(keys);
  for (const [i, key] of keys.entries()) {
    const value = values[i] && new TextDecoder().decode(values[i]);
    if (value !== expected.get(key)) throw new Error(`getMany gives another "${key}" than scan.`);
  }
  for (const key of keys.filter((_, i) => i % 5 === 0)) {
    const entry = await db.getEntry(key);
    const value = entry && new TextDecoder().decode(entry.value);
    if (value !== expected.get(key)) throw new Error(`get gives another "${key}" than scan.`);
    const seq = history.seqOf(key);
    if (entry !== undefined && seq !== undefined && entry.seq !== seq) {
      throw new Error(`"${key}" has seq ${entry.seq}, and was written with ${seq}.`);
    }
  }
}

/** So many that come to two L0 entries, one of two SSTs. */
const rowsToLoad = (name: string): { key: string; value: string }[] => [
  ...["large2", "large5", "one", "soft1", "large3", "soft1", "soft9"].map((key, i) => ({
    key,
    value: i % 2 === 0 ? `${name}${i}`.padEnd(2200, ".") : `${name}${i}`,
  })),
  { key: `z/${name}`, value: name },
];

const large = (name: string): string => name.padEnd(5000, ".");

export async function workload(
  process: SimulatedProcess,
  history: History,
  options: OpenOptions,
): Promise<void> {
  const first = new Recorder(await openDb(process, options), history);
  await first.put("one", "1");
  await first.put("two", "2");
  await Promise.all([first.put("three", "3"), first.put("one", "1b"), first.delete("two")]);
  for (let i = 0; i < 4; i++) await first.put(`soft${i}`, `s${i}`, false);
  await first.write([
    { key: "batch/a", value: "1" },
    { key: "one", value: undefined },
    { key: "batch/b", value: "1" },
  ]);
  await first.delete("soft1", false);
  await process.clock.sleep(50);
  for (let i = 0; i < 24; i++) {
    // Some are waited for, so that the log has objects of several sizes; they also wait for memory.
    const durable = i % 5 === 4;
    const write = first.put(`large${i % 16}`, large(`v${i}`), durable);
    if (durable && i % 2 === 0) await write;
    else first.later(write);
  }
  const loading = first.load(rowsToLoad("load1"));
  await first.flush("wal");
  await first.write([
    { key: "batch/a", value: large("2") },
    { key: "batch/c", value: large("2") },
  ]);
  first.later(first.delete("large3", false));
  await first.flush("l0");
  await loading;
  await first.flush("l0");
  // Alone in its SST, which has no rows.
  first.later(first.deleteRange("large10", "large14", false));
  await first.flush("l0");
  await first.check();
  first.later(first.put("soft9", "after the load", false));
  first.later(first.put("large11", "after the range delete", false));
  await first.check();
  first.later(first.put("soft2", "again", false));
  await first.close(true);

  const second = new Recorder(await openDb(process, options), history);
  await second.put("three", "3c");
  second.later(second.put("four", "4"));
  second.later(
    second.write([
      { key: "batch/b", value: undefined },
      { key: "five", value: "5" },
    ]),
  );
  for (let i = 0; i < 8; i++) second.later(second.put(`large${i}`, large(`w${i}`), i === 6));
  await Promise.all([second.flush("wal"), second.load(rowsToLoad("load2"))]);
  second.later(second.delete("four", false));
  // Between two loads of the same keys.
  second.later(second.deleteRange("large2", "large4", false));
  await second.load([
    { key: "large3", value: "load3" },
    { key: "z/load3", value: "3" },
  ]);
  await second.write([
    { key: "batch/a", value: "hidden" },
    { key: "batch/", value: undefined, until: "batch/d" },
    { key: "batch/b", value: "after the range delete" },
  ]);
  const givenUp = second.load([
    { key: "four", value: "given up" },
    { key: "z/load4", value: "4" },
  ]);
  // In the log only, when the handle has closed.
  second.later(second.deleteRange("soft0", "soft3", false));
  await second.close("wal");
  await givenUp;

  const third = new Recorder(await openDb(process, options), history);
  await third.check();
  await third.put("six", "6");
  await third.deleteRange("large4", "large6");
  await third.close(true);
}
