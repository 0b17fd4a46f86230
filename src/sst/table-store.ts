/**
 * `TableStore`: opens SSTs, with one request each, and keeps the open ones as long as the cache has room. Concurrent opens of one SST
 * share the request. The bound is on what is kept: whoever holds a `Table` may go on using it. Range deletes are read apart from tables:
 * range-delete-store.ts; and so are the lists of long runs: run-lists.ts.
 */
import { withSignal } from "../common/abort.js";
import type { Bytes } from "../common/bytes.js";
import { ClosedError, CorruptionError } from "../common/errors.js";
import type { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import type { Ulid } from "../common/ids.js";
import { BlockTrailer } from "../format/block-trailer.js";
import { IndexBlock } from "../format/index-block.js";
import { noUlid, type SstInfo } from "../format/manifest.js";
import type { PrefixExtractor } from "../format/prefix-extractor.js";
import { SectionId, topColumnCount } from "../format/sst.js";
import {
  checkHeader,
  rangeDeletesSection,
  readFooter,
  readProperties,
  sectionOf,
} from "../format/sst-tail.js";
import type { DiskCache } from "../object-store/disk-cache.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { BlockCache, IndexEntry, SstBlocks } from "./block-cache.js";
import { propertiesMatch } from "./properties-match.js";
import { RangeDeleteStore } from "./range-delete-store.js";
import { RunLists } from "./run-lists.js";
import { SstReader } from "./sst-reader.js";
import { Table } from "./table.js";

export interface TableStoreOptions {
  store: ObjectStore;
  /** The database whose SSTs these are, where an SST says of no other; what belongs to any other is refused. */
  databaseId: Ulid;
  cache: BlockCache;
  /** SSTs up to this size are read whole when they are opened; default 64 KiB. */
  smallSstBytes?: number | undefined;
  /**
   * Indexes and filters up to this size are read when the SST is opened, larger ones part by part when they are needed. Default
   * 1.5 MiB, which is what SSTs of 64 MiB stay within: more would take longer to arrive than another request takes.
   */
  tailBytesMax?: number | undefined;
  /** Lists of long runs up to this size are read whole; default 256 KiB. */
  wholeListBytesMax?: number | undefined;
  /** Lets scans ask filters that were made with it for the prefix that their bounds have in common. */
  prefixExtractor?: PrefixExtractor | undefined;
  /**
   * Called when bytes of an SST are damaged: a cache between here and the store forgets what it has of the SST, at once, so that the
   * next read comes from the store. What is damaged is then read once more, and only a second failure is the reader's. Without it
   * there is nothing to forget, and damage is reported at once.
   */
  onDamage?: ((info: SstInfo) => void) | undefined;
  /** The disk cache that `store` reads through, if it does. */
  disk?: Pick<DiskCache, "kept" | "stats"> | undefined;
  /** Requests give way to others, as those of a compaction should. */
  background?: boolean | undefined;
}

interface OpenTable {
  readonly table: Table;
  readonly blocks: SstBlocks;
  entry: IndexEntry;
}

export class TableStore {
  readonly databaseId: Ulid;
  readonly cache: BlockCache;
  readonly disk: TableStoreOptions["disk"];
  readonly background: boolean;
  readonly prefixExtractor: PrefixExtractor | undefined;
  /** Of runs that are too long for the manifest. */
  readonly runLists: RunLists;
  readonly #reader: SstReader;
  readonly #onDamage: ((info: SstInfo) => void) | undefined;
  readonly #smallSstBytes: number;
  readonly #tailBytesMax: number;
  readonly #tables = new Map<Ulid, OpenTable>();
  readonly #opening = new Map<Ulid, Promise<Table>>();
  readonly #rangeDeletes: RangeDeleteStore;

  constructor(options: TableStoreOptions) {
    this.#reader = new SstReader(options.store);
    this.databaseId = options.databaseId;
    this.cache = options.cache;
    this.disk = options.disk;
    this.background = options.background ?? false;
    this.prefixExtractor = options.prefixExtractor;
    this.#onDamage = options.onDamage;
    this.#smallSstBytes = options.smallSstBytes ?? 64 * 1024;
    this.#tailBytesMax = options.tailBytesMax ?? 1.5 * 1024 * 1024;
    this.runLists = new RunLists({
      ...{ reader: this.#reader, databaseId: this.databaseId, cache: this.cache },
      background: this.background,
      wholeBytesMax: options.wholeListBytesMax,
    });
    this.#rangeDeletes = new RangeDeleteStore({
      ...{ reader: this.#reader, cache: this.cache, background: this.background },
      onDamage: this.#onDamage,
      inMemory: (info, background) => this.#rangeDeletesInMemory(info, background),
    });
  }

  /** How many tables are kept open. */
  get openCount(): number {
    return this.#tables.size;
  }

  /** The database whose object an SST is. */
  ownerOf({ owner }: SstInfo): Ulid {
    return owner === noUlid ? this.databaseId : owner;
  }

  /** The table, if it is open; not a read's lookup, and not a use. */
  peek(info: SstInfo): Table | undefined {
    return this.#tables.get(info.id)?.table;
  }

  /** The table, if it is open; no request. */
  getIfOpen(info: SstInfo): Table | undefined {
    const open = this.#tables.get(info.id);
    if (open === undefined) return undefined;
    open.entry.hit();
    return open.table;
  }

  /**
   * The table, with one GET if it is not open. Throws `CorruptionError` when the object is missing, damaged, of another
   * database or not what `info` says. An abort ends only the waiting. `isWarming`: the request gives way to others, and it is not a
   * read's lookup.
   */
  open(info: SstInfo, signal?: AbortSignal, isWarming = false): Promise<Table> {
    const table = isWarming ? this.peek(info) : this.getIfOpen(info);
    if (table !== undefined) return Promise.resolve(table);
    if (!isWarming) this.cache.indexMissed();
    let opening = this.#opening.get(info.id);
    if (opening === undefined) {
      opening = this.#readTwice(info, isWarming || this.background)
        .then((opened) => this.#keep(opened))
        .finally(() => this.#opening.delete(info.id));
      this.#opening.set(info.id, opening);
    }
    return withSignal(opening, signal);
  }

  /**
   * The range deletes of an SST, where that takes no request: they are in memory, or the manifest says all of them, which may be that there
   * are none. Otherwise undefined.
   */
  rangeDeletesOf(info: SstInfo): FragmentedTombstones | undefined {
    return this.#rangeDeletes.getIfKnown(info);
  }

  /**
   * The same with one GET where they are not in memory: of their section, or of all of a small SST. Throws `CorruptionError` when they are
   * missing, damaged or not what `info` says. An abort ends only the waiting. What the cache has no room for is not kept. `isWarming` as in
   * `open`.
   */
  loadRangeDeletes(
    info: SstInfo,
    signal?: AbortSignal,
    isWarming = false,
  ): Promise<FragmentedTombstones> {
    return this.#rangeDeletes.load(info, signal, isWarming);
  }

  /** What `rangeDeletesOf` gives; not a read's lookup, and not a use. */
  peekRangeDeletes(info: SstInfo): FragmentedTombstones | undefined {
    return this.#rangeDeletes.peek(info);
  }

  /** A table that is not kept open, unless it is already: nothing leaves the cache for it. */
  async openAside(info: SstInfo, signal?: AbortSignal): Promise<Table> {
    const known = this.peek(info) ?? this.#opening.get(info.id);
    const release = (table: Table): Table => {
      table.blocks.release();
      return table;
    };
    const read = (): Promise<Table> => this.#readTwice(info, true).then(release);
    return withSignal(known === undefined ? read() : Promise.resolve(known), signal);
  }

  /**
   * The memory that a table takes, about: when it is opened, which is 0 where it is open, and beside that when all parts of its index
   * and filter are loaded.
   */
  memoryToOpen(info: SstInfo): { readonly opened: number; readonly parts: number } {
    const { id, size, metaOffset, topOffset } = info;
    const offset = this.#openOffset(info);
    const decoded = topOffset - metaOffset;
    const isWhole = offset <= metaOffset;
    const opened = this.#tables.has(id) ? 0 : size - offset + (isWhole ? decoded : 0);
    return { opened, parts: isWhole ? 0 : 2 * decoded };
  }

  /** Settles as `promise` does, or rejects as reads do when this is closed. */
  untilClosed<T>(promise: Promise<T>): Promise<T> {
    return this.#reader.untilClosed(promise);
  }

  /**
   * Whoever waits for bytes of an SST is told the reason, at once, and so is whoever asks for some later. Gives the room of the open
   * tables back to a cache that others may share. Data blocks stay in it.
   */
  close(reason: Error = new ClosedError("The tables are closed.")): void {
    this.#reader.close(reason);
    for (const id of [...this.#tables.keys()]) this.#drop(id);
    this.#rangeDeletes.close();
    this.runLists.close();
  }

  /** Whoever reads range deletes of a small SST needs its rows next, and both come with one request. */
  #rangeDeletesInMemory(info: SstInfo, background: boolean): Promise<Bytes> | undefined {
    if (info.rowCount === 0 || this.#openOffset(info) > 0) return undefined;
    const { rangeDeletesOffset: offset, metaOffset } = info;
    return this.open(info, undefined, background).then((table) =>
      table.tailBytes(offset, metaOffset - offset),
    );
  }

  #keep(table: Table): Table {
    const { id } = table.info;
    const entry = this.#reader.isClosed
      ? undefined
      : this.cache.addIndex(table.memoryBytes, () => this.#drop(id));
    if (entry === undefined) table.blocks.release();
    else if (entry.queue !== undefined)
      this.#tables.set(id, { table, blocks: table.blocks, entry });
    return table;
  }

  /** A table has loaded more of its index. The cache makes room for all of it, or the table is opened again when it is next needed. */
  #grown(table: Table): void {
    const { id } = table.info;
    const open = this.#tables.get(id);
    if (open?.table !== table) return;
    open.entry.remove();
    const entry = this.cache.addIndex(table.memoryBytes, () => this.#drop(id));
    if (entry === undefined) this.#drop(id);
    else open.entry = entry;
  }

  #drop(id: Ulid): void {
    const open = this.#tables.get(id);
    if (open === undefined) return;
    this.#tables.delete(id);
    open.entry.remove();
    open.blocks.release();
  }

  /** Once more where a cache on the way may have damaged it. */
  async #readTwice(info: SstInfo, background: boolean): Promise<Table> {
    try {
      return await this.#read(info, background);
    } catch (error) {
      if (this.#onDamage === undefined || !(error instanceof CorruptionError)) throw error;
      this.#onDamage(info);
      return this.#read(info, background);
    }
  }

  /** Where the bytes begin that are read when the SST is opened. */
  #openOffset({ size, metaOffset, topOffset }: SstInfo): number {
    if (size <= this.#smallSstBytes) return 0;
    return size - metaOffset <= this.#tailBytesMax ? metaOffset : topOffset;
  }

  async #read(info: SstInfo, background: boolean): Promise<Table> {
    const object = ObjectPaths.sst(info.id, info.owner);
    const offset = this.#openOffset(info);
    const bytes = await this.#reader.read(info, offset, info.size - offset, background);
    const fail = (detail: string): never => {
      throw new CorruptionError(object, detail);
    };
    const footer = readFooter(bytes, info.size, object);
    if (offset === 0) checkHeader(bytes, object);
    const owner = this.ownerOf(info);
    if (footer.databaseId !== owner) {
      fail(`it belongs to database ${footer.databaseId}, expected ${owner}`);
    }
    if (footer.sstId !== info.id) fail(`it is SST ${footer.sstId}, expected ${info.id}`);
    const topSection = sectionOf(footer, SectionId.topIndex);
    const propertiesSection = sectionOf(footer, SectionId.properties);
    if (
      (rangeDeletesSection(footer)?.offset ?? 0) !== info.rangeDeletesOffset ||
      sectionOf(footer, SectionId.partitions).offset !== info.metaOffset ||
      topSection.offset !== info.topOffset
    ) {
      fail("its sections are not where the manifest says");
    }
    const trailer = new BlockTrailer(info.id);
    const open = (section: { offset: number; length: number }): Uint8Array => {
      const start = section.offset - offset;
      return trailer.open(bytes, start, start + section.length, section.offset, object);
    };
    const properties = readProperties(open(propertiesSection), object, propertiesSection.offset);
    if (!propertiesMatch(info, properties)) fail("its properties are not what the manifest says");
    const top = new IndexBlock(
      open(topSection),
      topColumnCount,
      object,
      topSection.offset,
      info.rowCount === 0,
    );
    const blocks = this.cache.blocksOf(owner, info.id);
    const table = new Table(this.#reader, blocks, {
      ...{ info, properties, trailer, top, tail: { offset, bytes } },
      onGrown: () => this.#grown(table),
      onDamage: this.#onDamage && (() => this.#onDamage?.(info)),
    });
    return table;
  }
}
