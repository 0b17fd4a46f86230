/**
 * `KeyVersions`: the versions of one key, newest first, source after source: an older source is only asked when what the newer ones
 * have does not decide.
 *
 * Each source is asked as by a get, through the filter of an SST, for its newest version; it is read on from there only when somebody
 * wants more. MemTables and loads come first, by seq, then L0 and the runs.
 */
import { compareRanges, copyBytes } from "../common/bytes.js";
import { RowRef } from "../common/row.js";
import { hashKey } from "../format/key-hash.js";
import { type RowIterator, Step } from "../iterator/row-iterator.js";
import type { RowSource } from "../iterator/row-source.js";
import { Lookup } from "../sst/lookup.js";
import { SstIterator } from "../sst/sst-iterator.js";
import type { Table } from "../sst/table.js";
import { type Candidate, candidatesForKey } from "./candidates.js";
import type { DbView } from "./db-view.js";
import type { ReadTables } from "./held-tables.js";

/** Where versions may be: rows in memory, or an SST. */
type Source = RowSource | Candidate;

const isStored = (source: Source): source is Candidate => "info" in source;

export interface KeyVersionsOptions {
  /** Newer versions do not exist. */
  readonly seqMax: number;
  /** The seq of a range delete that covers the key; older versions do not exist. 0: none does. */
  readonly hiddenBelow: number;
}

/** Goes forward only, without seeking. `key` must stay as it is. */
export class KeyVersions implements RowIterator {
  readonly row: RowRef = new RowRef();
  readonly #tables: ReadTables;
  readonly #key: Uint8Array;
  readonly #keyHash: number;
  /** Newest first; the first is being read. */
  readonly #sources: Source[];
  /** Only lower seqs than the last one given are news: two sources may hold the same rows. */
  #seqMax: number;
  readonly #hiddenBelow: number;
  /** The newest version of the first source has been given. */
  #isInside = false;
  /** The versions of the first source, when more than the newest is wanted. */
  #rest: RowIterator | undefined;
  /** Kept open until the end, also where the cache has no room for them. */
  readonly #opened = new Map<Candidate, Table>();
  /** What `fill` has found in the first source; pending: nothing yet. */
  #fetched: Lookup = Lookup.pending;

  constructor(view: DbView, tables: ReadTables, key: Uint8Array, options: KeyVersionsOptions) {
    const { seqMax, hiddenBelow } = options;
    this.#tables = tables;
    this.#key = key;
    this.#keyHash = hashKey(key);
    this.#seqMax = seqMax;
    this.#hiddenBelow = hiddenBelow;
    this.#sources = sourcesOf(view, key, options);
  }

  step(): Step {
    for (;;) {
      const source = this.#sources[0];
      if (source === undefined) return Step.end;
      if (this.#isInside) {
        const step = this.#stepInside(source);
        if (step !== Step.end) return step;
        this.#moveOn();
        continue;
      }
      const lookup = this.#newestOf(source);
      if (lookup === Lookup.pending) return Step.pending;
      if (lookup === Lookup.hit) {
        this.#isInside = true;
        return this.#given();
      }
      this.#moveOn();
    }
  }

  async fill(signal?: AbortSignal): Promise<void> {
    const [source] = this.#sources;
    if (this.#rest !== undefined) return this.#rest.fill(signal);
    if (source === undefined || !isStored(source)) return;
    // As in a get: all that may be asked, at the same time.
    await Promise.all(this.#sources.map((next) => isStored(next) && this.#open(next, signal)));
    const table = this.#opened.get(source)!;
    const found = await table.get(
      this.#key,
      this.#keyHash,
      this.#seqMaxIn(source),
      this.row,
      signal,
    );
    this.#fetched = found ? Lookup.hit : Lookup.miss;
  }

  seek(): void {
    throw new TypeError("The versions of one key are not sought in.");
  }

  close(): void {
    this.#sources.length = 0;
    this.#rest?.close();
    this.#rest = undefined;
    this.#opened.clear();
  }

  /** The newest version of a source that is news. */
  #newestOf(source: Source): Lookup {
    if (!isStored(source)) {
      return source.get(this.#key, this.#seqMax, this.row) ? Lookup.hit : Lookup.miss;
    }
    const { info, entrySeq } = source;
    if ((entrySeq === 0 ? info.minSeq : entrySeq) > this.#seqMax) return Lookup.miss;
    let lookup = this.#fetched;
    if (lookup === Lookup.pending) {
      const table = this.#opened.get(source) ?? this.#tables.getIfOpen(info);
      if (table === undefined) return lookup;
      lookup = table.tryGet(this.#key, this.#keyHash, this.#seqMaxIn(source), this.row);
    }
    if (lookup === Lookup.hit && entrySeq !== 0) this.row.seq = entrySeq;
    return lookup;
  }

  #stepInside(source: Source): Step {
    // Of a load, a key has one row.
    if (isStored(source) && source.entrySeq !== 0) return Step.end;
    this.#rest ??= this.#versionsIn(source);
    const rest = this.#rest;
    for (;;) {
      const step = rest.step();
      if (step !== Step.row) return step;
      const { keyBytes, keyStart, keyEnd, seq } = rest.row;
      if (compareRanges(keyBytes, keyStart, keyEnd, this.#key, 0, this.#key.length) !== 0) {
        return Step.end;
      }
      if (seq > this.#seqMax) continue;
      this.row.copyFrom(rest.row);
      return this.#given();
    }
  }

  #versionsIn(source: Source): RowIterator {
    if (isStored(source)) {
      const key = copyBytes(this.#key);
      const bounds = { lower: key, lowerInclusive: true, upper: key, upperInclusive: true };
      return new SstIterator({
        ...{ tables: this.#tables, info: source.info, bounds, readAheadBytes: 0 },
      });
    }
    const rows = source.iterator(false);
    rows.seek(this.#key);
    return rows;
  }

  #given(): Step {
    if (this.row.seq < this.#hiddenBelow) {
      // All that follow are older.
      this.close();
      return Step.end;
    }
    // What a transaction has written stands half a seq above the state that it reads.
    this.#seqMax = Math.ceil(this.row.seq) - 1;
    return Step.row;
  }

  #moveOn(): void {
    this.#rest?.close();
    this.#rest = undefined;
    this.#sources.shift();
    this.#isInside = false;
    this.#fetched = Lookup.pending;
  }

  async #open(source: Candidate, signal: AbortSignal | undefined): Promise<void> {
    if (this.#opened.has(source)) return;
    this.#opened.set(source, await this.#tables.open(source.info, signal));
  }

  /** Rows whose seq stands in their entry have been let in by it. */
  #seqMaxIn(source: Candidate): number {
    return source.entrySeq === 0 ? this.#seqMax : Number.MAX_SAFE_INTEGER;
  }
}

/** Loads that the manifest does not name lie among the rows in memory, all that it names beneath them. */
function sourcesOf(view: DbView, key: Uint8Array, options: KeyVersionsOptions): Source[] {
  const { seqMax, hiddenBelow } = options;
  const row = new RowRef();
  const inMemory: { readonly source: RowSource; readonly seq: number }[] = [];
  for (const source of view.tables) {
    if (source.rowCount > 0 && source.get(key, seqMax, row)) {
      inMemory.push({ source, seq: row.seq });
    }
  }
  const sources: Source[] = [];
  let next = 0;
  for (const candidate of candidatesForKey(view, key, seqMax, { hiddenBelow })) {
    const isLoad = candidate.entrySeq > view.manifest.lastL0Seq;
    while (next < inMemory.length && !(isLoad && inMemory[next]!.seq < candidate.entrySeq)) {
      sources.push(inMemory[next++]!.source);
    }
    sources.push(candidate);
  }
  for (; next < inMemory.length; next++) sources.push(inMemory[next]!.source);
  return sources;
}
