/**
 * `RangeDeleteStore`: the range deletes of SSTs, read with one request each and kept as long as the cache has room, like open tables.
 * What the spans of a manifest say whole takes no request. Concurrent reads of one SST share the request. The bound is on what is kept:
 * whoever holds range deletes may go on using them.
 */
import { withSignal } from "../common/abort.js";
import type { Bytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import { FragmentedTombstones } from "../common/fragmented-tombstones.js";
import type { Ulid } from "../common/ids.js";
import { BlockTrailer } from "../format/block-trailer.js";
import type { SstInfo } from "../format/manifest.js";
import { decodeTombstones } from "../format/tombstone-block.js";
import { rangeDeleteCount } from "../format/tombstone-spans.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { BlockCache, IndexEntry } from "./block-cache.js";
import type { SstReader } from "./sst-reader.js";

export interface RangeDeleteStoreOptions {
  readonly reader: SstReader;
  readonly cache: BlockCache;
  /** As in `TableStoreOptions`. */
  readonly onDamage: ((info: SstInfo) => void) | undefined;
  readonly background: boolean;
  /** The bytes of the section, where the SST is in memory as a whole or is going to be; undefined where they have to be read. */
  inMemory(info: SstInfo, background: boolean): Promise<Bytes> | undefined;
}

interface Kept {
  readonly tombstones: FragmentedTombstones;
  entry: IndexEntry;
}

export class RangeDeleteStore {
  readonly #options: RangeDeleteStoreOptions;
  readonly #kept = new Map<Ulid, Kept>();
  readonly #loading = new Map<Ulid, Promise<FragmentedTombstones>>();
  /** Of SSTs whose spans say all: no more than the manifest itself has in memory. */
  readonly #spanned = new WeakMap<SstInfo, FragmentedTombstones>();

  constructor(options: RangeDeleteStoreOptions) {
    this.#options = options;
  }

  /** See `TableStore.rangeDeletesOf`. */
  getIfKnown(info: SstInfo): FragmentedTombstones | undefined {
    const kept = this.#kept.get(info.id);
    if (kept === undefined) return this.#fromSpans(info);
    kept.entry.hit();
    return kept.tombstones;
  }

  /** The same, but no use of them. */
  peek(info: SstInfo): FragmentedTombstones | undefined {
    return this.#kept.get(info.id)?.tombstones ?? this.#fromSpans(info);
  }

  /** See `TableStore.loadRangeDeletes`. */
  load(info: SstInfo, signal?: AbortSignal, isWarming = false): Promise<FragmentedTombstones> {
    const known = isWarming ? this.peek(info) : this.getIfKnown(info);
    if (known !== undefined) return Promise.resolve(known);
    if (!isWarming) this.#options.cache.indexMissed();
    let loading = this.#loading.get(info.id);
    if (loading === undefined) {
      loading = this.#readTwice(info, isWarming || this.#options.background)
        .then((tombstones) => this.#keep(info.id, tombstones))
        .finally(() => this.#loading.delete(info.id));
      this.#loading.set(info.id, loading);
    }
    return withSignal(loading, signal);
  }

  /** Gives the room in the cache back. The reader has been closed. */
  close(): void {
    for (const id of [...this.#kept.keys()]) this.#drop(id);
  }

  #fromSpans(info: SstInfo): FragmentedTombstones | undefined {
    const spans = info.rangeDeletes;
    if (spans.some(({ count }) => count > 1)) return undefined;
    let tombstones = this.#spanned.get(info);
    if (tombstones === undefined) {
      tombstones = FragmentedTombstones.of(
        spans.map(({ start, end, endless, maxSeq }) => ({
          ...{ start, end: endless ? undefined : end, seq: maxSeq },
        })),
      );
      this.#spanned.set(info, tombstones);
    }
    return tombstones;
  }

  #keep(id: Ulid, tombstones: FragmentedTombstones): FragmentedTombstones {
    const { reader, cache } = this.#options;
    const entry = reader.isClosed
      ? undefined
      : cache.addIndex(tombstones.memoryBytes, () => this.#drop(id));
    if (entry !== undefined) {
      this.#kept.set(id, { tombstones, entry });
      tombstones.onGrown = () => this.#grown(id, tombstones);
    }
    return tombstones;
  }

  /** A read of an old seq has made them larger. The cache makes room for all of it, or they are read again when next needed. */
  #grown(id: Ulid, tombstones: FragmentedTombstones): void {
    const kept = this.#kept.get(id);
    if (kept?.tombstones !== tombstones) return;
    kept.entry.remove();
    const entry = this.#options.cache.addIndex(tombstones.memoryBytes, () => this.#drop(id));
    if (entry === undefined) this.#kept.delete(id);
    else kept.entry = entry;
  }

  #drop(id: Ulid): void {
    this.#kept.get(id)?.entry.remove();
    this.#kept.delete(id);
  }

  /** Once more where a cache on the way may have damaged it. */
  async #readTwice(info: SstInfo, background: boolean): Promise<FragmentedTombstones> {
    const { onDamage, inMemory } = this.#options;
    try {
      return decode(info, await (inMemory(info, background) ?? this.#read(info, background)));
    } catch (error) {
      if (onDamage === undefined || !(error instanceof CorruptionError)) throw error;
      onDamage(info);
      return decode(info, await this.#read(info, background));
    }
  }

  #read(info: SstInfo, background: boolean): Promise<Bytes> {
    const { rangeDeletesOffset: offset, metaOffset } = info;
    return this.#options.reader.read(info, offset, metaOffset - offset, background);
  }
}

/** Checks them against what the manifest says. */
function decode(info: SstInfo, bytes: Bytes): FragmentedTombstones {
  const object = ObjectPaths.sst(info.id, info.owner);
  const offset = info.rangeDeletesOffset;
  const payload = new BlockTrailer(info.id).open(bytes, 0, bytes.length, offset, object);
  const tombstones = decodeTombstones(payload, object, offset);
  const maxSeq = Math.max(...info.rangeDeletes.map((span) => span.maxSeq));
  const { seqs } = tombstones.columns;
  if (
    tombstones.count !== rangeDeleteCount(info) ||
    tombstones.maxSeq !== maxSeq ||
    seqs.some((seq) => seq < info.minSeq)
  ) {
    throw new CorruptionError(object, "its range deletes are not what the manifest says", {
      offset,
    });
  }
  return tombstones;
}
