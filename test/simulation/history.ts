/**
 * `History`: the writes of a database with one writer at a time, in the order in which they were called, and which of them
 * must survive. After a crash the database must hold exactly what the first k of them leave, for a k that is not below
 * the last acknowledged one: that is durability, order and atomicity in one comparison.
 */
import { decodeUtf8 } from "../../src/common/bytes.js";
import type { Reads } from "../../src/db/reads.js";
import type { WriteOperation } from "../../src/db/write-batch.js";
import type { LoadTick } from "./load-ticks.js";

export interface Change {
  readonly key: string;
  /** Undefined: deleted. */
  readonly value: string | undefined;
  /** A range delete, which has no value: of all keys from `key` up to this one, without it. */
  readonly until?: string | undefined;
}

interface PastWrite {
  readonly changes: readonly Change[];
  /** A load may take several seqs. */
  readonly seqCount: number;
  /** The last of them. */
  seq: number | undefined;
}

export type Content = Map<string, string>;

export class History {
  readonly #writes: PastWrite[] = [];
  /** How many writes must survive. */
  #durable = 0;
  /** Where the writes of the newest handle begin, and the last seq before them. */
  #handle = { index: 0, seqBefore: 0 };
  /** What loads under way will change, by their last key. */
  readonly #loads = new Map<string, readonly Change[]>();
  /** Every promise of a live handle that has not settled. */
  readonly #waiting = new Set<string>();

  get length(): number {
    return this.#writes.length;
  }

  /** A write has been called; `wait` settles with its outcome. */
  add(
    changes: readonly Change[],
    options: { durable: boolean },
    wait: Promise<{ seq: number }>,
  ): Promise<void> {
    const write: PastWrite = { changes, seqCount: 1, seq: undefined };
    const position = this.#writes.push(write);
    return this.settles(`write ${position}`, wait, ({ seq }) => {
      write.seq = seq;
      if (options.durable) this.#mustSurvive(write);
    });
  }

  /** A handle has opened that goes on from `seqBefore`. */
  opened(seqBefore: number): void {
    this.#handle = { index: this.#writes.length, seqBefore };
  }

  /** A load has been called. It becomes a write when it takes its seqs; `wait` gives undefined when it is given up. */
  load(changes: readonly Change[], wait: Promise<{ seq: number } | undefined>): Promise<void> {
    const { key } = changes.at(-1)!;
    this.#loads.set(key, changes);
    return this.settles(`load ${key}`, wait, (result) => {
      this.#loads.delete(key);
      const write = this.#writes.find((candidate) => candidate.changes === changes);
      if (write?.seq !== result?.seq) {
        throw new Error(`Load "${key}" answers seq ${result?.seq}, and took ${write?.seq}.`);
      }
      if (write !== undefined) this.#mustSurvive(write);
    });
  }

  loadTicked({ lastKey, seq, runs }: LoadTick): void {
    const changes = this.#loads.get(lastKey);
    if (changes === undefined) throw new Error(`Load "${lastKey}" takes a seq after its end.`);
    const { index, seqBefore } = this.#handle;
    const at = index + indexAfter(this.#writes.slice(index), seq - runs - seqBefore);
    this.#writes.splice(at, 0, { changes, seqCount: runs, seq });
  }

  /** Everything called before is durable once `wait` resolves. */
  flushed(wait: Promise<unknown>): Promise<void> {
    const last = this.#writes.at(-1);
    return this.settles("flush", wait, () => {
      if (last !== undefined) this.#mustSurvive(last);
    });
  }

  /** And with it all that come before it. */
  #mustSurvive(write: PastWrite): void {
    this.#durable = Math.max(this.#durable, this.#writes.indexOf(write) + 1);
  }

  async settles<T>(name: string, wait: Promise<T>, then: (result: T) => void): Promise<void> {
    const entry = `${name} (${this.#waiting.size})`;
    this.#waiting.add(entry);
    const result = await wait;
    if (!this.#waiting.delete(entry)) throw new Error(`${entry} settled twice`);
    then(result);
  }

  /** Throws when a promise of a live handle has not settled. */
  requireSettled(): void {
    if (this.#waiting.size > 0) {
      throw new Error(`These never settled: ${[...this.#waiting].join(", ")}.`);
    }
  }

  /** The process has died: what it waited for waits for ever. */
  crashed(): void {
    this.#waiting.clear();
    this.#loads.clear();
  }

  /** What the first `count` writes leave. */
  content(count: number = this.#writes.length): Content {
    const content: Content = new Map();
    for (const { changes } of this.#writes.slice(0, count)) applyChanges(content, changes);
    return content;
  }

  /**
   * A new process has found `found`: it must be a prefix with everything acknowledged in it. The writes after the prefix
   * are gone for good, and those in it stay.
   */
  recovered(found: Content, lastSeq: number): void {
    for (let count = this.#writes.length; count >= this.#durable; count--) {
      if (!equalContent(this.content(count), found)) continue;
      this.#writes.length = count;
      this.#durable = count;
      const seq = this.#writes.at(-1)?.seq;
      if (seq !== undefined && lastSeq < seq) {
        throw new Error(`The last write has seq ${seq}, but the database goes on from ${lastSeq}.`);
      }
      return;
    }
    throw new Error(
      `What is found is no prefix of the ${this.#writes.length} writes with the first ${this.#durable}, which were acknowledged: ${difference(this.content(), found)}`,
    );
  }

  /** Seqs ascend in the order of the calls, as far as they are known. */
  checkSeqs(): void {
    let last = 0;
    for (const { seq } of this.#writes) {
      if (seq === undefined) continue;
      if (seq <= last) throw new Error(`Seq ${seq} follows ${last}.`);
      last = seq;
    }
  }

  /** Every key that was ever written or deleted. */
  keys(): Set<string> {
    return new Set(this.#writes.flatMap(({ changes }) => changes.map(({ key }) => key)));
  }

  /** The seq of the write that a key's value comes from, if it is known. */
  seqOf(key: string): number | undefined {
    const write = this.#writes.findLast(({ changes }) =>
      changes.some((change) => change.key === key),
    );
    // Of a load with several seqs only the last is told.
    return write?.seqCount === 1 ? write.seq : undefined;
  }
}

/** How many of the writes take the first `seqs` seqs. */
export function indexAfter(writes: readonly { seqCount: number }[], seqs: number): number {
  let left = seqs;
  let index = 0;
  while (left > 0 && index < writes.length) left -= writes[index++]!.seqCount;
  if (left !== 0) throw new Error(`After ${seqs} seqs there is no place between two writes.`);
  return index;
}

/** What a range delete hides depends on where in the history its write stands, which loads may move: so it is found out here, each time. */
export function applyChanges(content: Content, changes: readonly Change[]): void {
  for (const change of changes) {
    const { key, value, until } = change;
    if (until !== undefined) {
      for (const held of [...content.keys()]) if (isCovered(held, change)) content.delete(held);
    } else if (value === undefined) content.delete(key);
    else content.set(key, value);
  }
}

/** Whether the change is a range delete of this key and others. */
export function isCovered(held: string, { key, until }: Change): boolean {
  return until !== undefined && held >= key && held < until;
}

/** As `write` takes it. */
export function toOperation({ key, value, until }: Change): WriteOperation {
  if (until !== undefined) return { type: "deleteRange", range: { gte: key, lt: until } };
  return value === undefined ? { type: "delete", key } : { type: "put", key, value };
}

export function equalContent(a: Content, b: Content): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (b.get(key) !== value) return false;
  return true;
}

/** All rows, in order. */
export async function scanContent(
  db: Reads,
  durability: "memory" | "durable" = "memory",
): Promise<Content> {
  const content: Content = new Map();
  let last: string | undefined;
  for await (const { key, value } of db.scan({ durability })) {
    const name = decodeUtf8(key);
    if (last !== undefined && name <= last)
      throw new Error(`A scan gave "${name}" after "${last}".`);
    last = name;
    content.set(name, decodeUtf8(value));
  }
  return content;
}

/** All rows as a scan gives them, after getMany has given the same for each of the keys. */
export async function readContent(db: Reads, keys: readonly string[]): Promise<Content> {
  // Both are as of this moment.
  const [content, values] = await Promise.all([scanContent(db), db.getMany(keys)]);
  for (const [i, key] of keys.entries()) {
    const value = values[i] && decodeUtf8(values[i]);
    if (value === content.get(key)) continue;
    throw new Error(
      `For "${key}" getMany gives ${short(value)}, a scan ${short(content.get(key))}.`,
    );
  }
  return content;
}

export function difference(expected: Content, found: Content): string {
  const keys = [...new Set([...expected.keys(), ...found.keys()])].sort();
  const shown = keys
    .filter((key) => expected.get(key) !== found.get(key))
    .map((key) => `${key}: ${short(expected.get(key))} expected, ${short(found.get(key))} found`);
  return shown.slice(0, 8).join("; ") || "no difference";
}

function short(value: string | undefined): string {
  return value === undefined ? "nothing" : `"${value.slice(0, 12)}"`;
}
