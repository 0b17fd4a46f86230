/**
 * `RunLists`: the lists of SSTs of long runs, which stand in objects of their own, in parts. A list is opened with one GET: of a short one
 * that brings all of it, of a long one the index; then its parts take one GET each. They are kept as long as the cache has room, like open
 * tables, and concurrent reads share a request. The bound is on what is kept: whoever holds a list or a part may go on using it.
 */
import { withSignal } from "../common/abort.js";
import { type Bytes, compareBytes, emptyBytes } from "../common/bytes.js";
import type { Ulid } from "../common/ids.js";
import type { RunPart, SortedRun, SstInfo } from "../format/manifest.js";
import { decodeRunIndex, decodeRunList, decodeRunPart } from "../format/run-list.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { BlockCache, IndexEntry } from "./block-cache.js";
import type { SstReader } from "./sst-reader.js";

/** Longer lists are read part by part. */
const wholeBytesMaxDefault = 256 * 1024;
/** What a list takes in memory, of its bytes in the store, about. */
const decodedShare = 6;

/** SSTs that stand together in a list. */
export interface PartOfRun {
  /** In key order. */
  readonly ssts: readonly SstInfo[];
  /** Those with range deletes. */
  readonly holders: readonly SstInfo[];
}

/** Where the parts of a list lie. */
export interface OpenList {
  readonly run: SortedRun;
  /** At least one. */
  readonly parts: readonly RunPart[];
}

export interface RunListsOptions {
  readonly reader: SstReader;
  /** The database whose lists these are, where a run says of no other; what belongs to any other is refused. */
  readonly databaseId: Ulid;
  readonly cache: BlockCache;
  /** Requests give way to others. */
  readonly background: boolean;
  /** Lists up to this size are read whole when they are opened; default 256 KiB. */
  readonly wholeBytesMax?: number | undefined;
}

interface Kept {
  readonly list: OpenList;
  /** By number; undefined: not kept. Of a short list the one part is kept with it. */
  readonly parts: (KeptPart | undefined)[];
  entry: IndexEntry;
}

interface KeptPart {
  readonly part: PartOfRun;
  readonly entry: IndexEntry;
}

export class RunLists {
  readonly #options: RunListsOptions;
  readonly #kept = new Map<Ulid, Kept>();
  readonly #opening = new Map<Ulid, Promise<OpenList>>();
  /** By run and number of the part. */
  readonly #loading = new Map<string, Promise<PartOfRun>>();
  /** Parts of short lists, which come with them, for as long as somebody holds the list. */
  readonly #whole = new WeakMap<OpenList, PartOfRun>();

  constructor(options: RunListsOptions) {
    this.#options = options;
  }

  /** The list of a run that has one, if it is open; no request. */
  getIfOpen(run: SortedRun): OpenList | undefined {
    const kept = this.#kept.get(run.id);
    if (kept === undefined) return undefined;
    kept.entry.hit();
    return kept.list;
  }

  /**
   * The same with one GET where it is not open. Throws `CorruptionError` when the object is missing, damaged or not what the manifest
   * says. An abort ends only the waiting.
   */
  open(run: SortedRun, signal?: AbortSignal): Promise<OpenList> {
    const known = this.getIfOpen(run);
    if (known !== undefined) return Promise.resolve(known);
    this.#options.cache.indexMissed();
    let opening = this.#opening.get(run.id);
    if (opening === undefined) {
      opening = this.#open(run).finally(() => this.#opening.delete(run.id));
      this.#opening.set(run.id, opening);
    }
    return withSignal(opening, signal);
  }

  /** A part of a list, by its number, if it is in memory; no request. */
  getIfLoaded(list: OpenList, number: number): PartOfRun | undefined {
    const kept = this.#kept.get(list.run.id)?.parts[number];
    if (kept === undefined) return this.#whole.get(list);
    kept.entry.hit();
    return kept.part;
  }

  /** The same with one GET where it is not in memory. Rejects as `open` does. */
  load(list: OpenList, number: number, signal?: AbortSignal): Promise<PartOfRun> {
    const known = this.getIfLoaded(list, number);
    if (known !== undefined) return Promise.resolve(known);
    this.#options.cache.indexMissed();
    const name = `${list.run.id}/${number}`;
    let loading = this.#loading.get(name);
    if (loading === undefined) {
      loading = this.#load(list, number).finally(() => this.#loading.delete(name));
      this.#loading.set(name, loading);
    }
    return withSignal(loading, signal);
  }

  /** All SSTs of the run, with one GET where its list is not in memory; a long list is not kept. Rejects as `open` does. */
  async all(run: SortedRun, signal?: AbortSignal): Promise<readonly SstInfo[]> {
    if (run.listBytes === 0) return run.ssts;
    if (this.isShort(run)) {
      const list = await this.open(run, signal);
      return (await this.load(list, 0, signal)).ssts;
    }
    const bytes = await this.#read(run, 0, run.listBytes, signal);
    return decodeRunList(bytes, ObjectPaths.run(run.id, run.owner), this.#options.databaseId, run);
  }

  /** Gives the room in the cache back. The reader has been closed. */
  close(): void {
    for (const id of [...this.#kept.keys()]) this.#drop(id);
  }

  /** The list is read whole when it is opened. */
  isShort({ listBytes, indexOffset }: SortedRun): boolean {
    return indexOffset === 0 || listBytes <= (this.#options.wholeBytesMax ?? wholeBytesMaxDefault);
  }

  async #open(run: SortedRun): Promise<OpenList> {
    const { databaseId } = this.#options;
    const { listBytes, indexOffset } = run;
    const object = ObjectPaths.run(run.id, run.owner);
    if (this.isShort(run)) {
      const bytes = await this.#read(run, 0, listBytes);
      const part = partOf(decodeRunList(bytes, object, databaseId, run));
      const { holders, ssts } = part;
      const list = {
        run,
        parts: [
          {
            ...{ start: emptyBytes, offset: 0, length: listBytes, sstCount: ssts.length },
            hasRangeDeletes: holders.length > 0,
          },
        ],
      };
      this.#whole.set(list, part);
      this.#keep(list, listBytes);
      return list;
    }
    const bytes = await this.#read(run, indexOffset, listBytes - indexOffset);
    const list = { run, parts: decodeRunIndex(bytes, object, databaseId, run) };
    this.#keep(list, listBytes - indexOffset);
    return list;
  }

  #keep(list: OpenList, bytes: number): void {
    const { id } = list.run;
    if (this.#options.reader.isClosed) return;
    const entry = this.#options.cache.addIndex(bytes * decodedShare, () => this.#drop(id));
    if (entry !== undefined) this.#kept.set(id, { list, parts: [], entry });
  }

  async #load(list: OpenList, number: number): Promise<PartOfRun> {
    const { reader, cache, databaseId } = this.#options;
    const { run, parts } = list;
    const part = parts[number]!;
    const bytes = await this.#read(run, part.offset, part.length);
    const loaded = partOf(
      decodeRunPart(bytes, ObjectPaths.run(run.id, run.owner), databaseId, run, part),
    );
    if (reader.isClosed || !this.#kept.has(run.id)) return loaded;
    const drop = (): void => {
      const kept = this.#kept.get(run.id)?.parts;
      kept?.[number]?.entry.remove();
      if (kept !== undefined) kept[number] = undefined;
    };
    const entry = cache.addIndex(part.length * decodedShare, drop);
    // Making room for it may have cost the list itself.
    const kept = this.#kept.get(run.id)?.parts;
    if (entry !== undefined && kept !== undefined) kept[number] = { part: loaded, entry };
    else entry?.remove();
    return loaded;
  }

  #drop(id: Ulid): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    this.#kept.delete(id);
    kept.entry.remove();
    for (const part of kept.parts) part?.entry.remove();
  }

  #read(run: SortedRun, offset: number, length: number, signal?: AbortSignal): Promise<Bytes> {
    const { reader, background } = this.#options;
    const object = { key: ObjectPaths.run(run.id, run.owner), size: run.listBytes };
    return reader.readObject(object, { offset, length }, background, signal);
  }
}

/** The number of the part that says all of `key`, but for what stands at the edges of its neighbours. */
export function partAt({ parts }: Pick<OpenList, "parts">, key: Uint8Array): number {
  let low = 1;
  let high = parts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(parts[middle]!.start, key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function partOf(ssts: readonly SstInfo[]): PartOfRun {
  return { ssts, holders: ssts.filter(({ rangeDeletes }) => rangeDeletes.length > 0) };
}
