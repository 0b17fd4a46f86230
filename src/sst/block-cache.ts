/** `BlockCache`: decoded data blocks in memory, bounded in bytes, the least recently used leaving first. May be shared by databases. */
import type { Ulid } from "../common/ids.js";
import type { Block } from "../format/block.js";

/** What an entry occupies beside the bytes of its block, about. */
const entryOverheadBytes = 200;

interface Entry {
  readonly sstId: Ulid;
  readonly offset: number;
  readonly block: Block;
  newer: Entry | undefined;
  older: Entry | undefined;
}

export class BlockCache {
  readonly bytesMax: number;
  hits = 0;
  /** How many blocks were fetched and decoded, whether they were kept or not; counted by the tables. */
  misses = 0;
  evictions = 0;
  #bytes = 0;
  #count = 0;
  readonly #ssts = new Map<Ulid, Map<number, Entry>>();
  #newest: Entry | undefined;
  #oldest: Entry | undefined;

  /** 0 keeps nothing. */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#count;
  }

  /** The block at `offset` of an SST; counts as a use. */
  get(sstId: Ulid, offset: number): Block | undefined {
    const entry = this.#ssts.get(sstId)?.get(offset);
    if (entry === undefined) return undefined;
    this.hits++;
    if (entry !== this.#newest) {
      this.#unlink(entry);
      this.#link(entry);
    }
    return entry.block;
  }

  /** Neither a use nor a hit. */
  has(sstId: Ulid, offset: number): boolean {
    return this.#ssts.get(sstId)?.has(offset) ?? false;
  }

  /** The block must own its bytes: a view of a larger buffer would keep all of it in memory. */
  add(sstId: Ulid, offset: number, block: Block): void {
    const size = entryBytes(block);
    if (size > this.bytesMax) return;
    let blocks = this.#ssts.get(sstId);
    if (blocks === undefined) {
      blocks = new Map();
      this.#ssts.set(sstId, blocks);
    }
    const known = blocks.get(offset);
    if (known !== undefined) return;
    const entry: Entry = { sstId, offset, block, newer: undefined, older: undefined };
    blocks.set(offset, entry);
    this.#link(entry);
    this.#bytes += size;
    this.#count++;
    while (this.#bytes > this.bytesMax && this.#oldest !== undefined) {
      this.#remove(this.#oldest);
      this.evictions++;
    }
  }

  clear(): void {
    this.#ssts.clear();
    this.#newest = this.#oldest = undefined;
    this.#bytes = this.#count = 0;
  }

  #remove(entry: Entry): void {
    this.#unlink(entry);
    const blocks = this.#ssts.get(entry.sstId)!;
    blocks.delete(entry.offset);
    if (blocks.size === 0) this.#ssts.delete(entry.sstId);
    this.#bytes -= entryBytes(entry.block);
    this.#count--;
  }

  #link(entry: Entry): void {
    entry.older = this.#newest;
    entry.newer = undefined;
    if (this.#newest !== undefined) this.#newest.newer = entry;
    this.#newest = entry;
    this.#oldest ??= entry;
  }

  #unlink(entry: Entry): void {
    if (entry.newer === undefined) this.#newest = entry.older;
    else entry.newer.older = entry.older;
    if (entry.older === undefined) this.#oldest = entry.newer;
    else entry.older.newer = entry.newer;
  }
}

function entryBytes(block: Block): number {
  return block.bytes.length + entryOverheadBytes;
}
