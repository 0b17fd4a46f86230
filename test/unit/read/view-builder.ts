/** Views for tests: the same rows as MemTables, L0 entries and sorted runs of tiny SSTs in a store that counts. */
import { ByteWriter } from "../../../src/common/byte-writer.js";
import { emptyBytes, encodeUtf8 } from "../../../src/common/bytes.js";
import { compareRows, RowKind, type RowRef } from "../../../src/common/row.js";
import type { L0Entry, Manifest, SortedRun, SstInfo } from "../../../src/format/manifest.js";
import { SstBuilder } from "../../../src/format/sst-builder.js";
import { appendOperation } from "../../../src/format/wal-record.js";
import { MemTable } from "../../../src/memtable/mem-table.js";
import { packOperands } from "../../../src/merge/packed-operands.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import type { DbView } from "../../../src/read/db-view.js";
import { BlockCache } from "../../../src/sst/block-cache.js";
import { writeSst } from "../../../src/sst/sst-writer.js";
import { TableStore } from "../../../src/sst/table-store.js";
import { makeRow } from "../../support/array-iterator.js";

export interface Version {
  readonly key: string;
  readonly seq: number;
  readonly kind: RowKind;
  readonly expiresAt: number;
  /** Of a merge the one operand, which is of operator 1. */
  readonly value: string;
}

/**
 * Where some versions are. Layers are given oldest first: runs, then L0 entries, then MemTables and loads that the manifest does
 * not name yet, in any order.
 */
export interface Layer {
  readonly place: "run" | "flush" | "load" | "memory" | "pending load";
  /** For either load, all of one seq. */
  readonly versions: readonly Version[];
}

const databaseId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/** Counts GETs, and how many there were at the same time. */
class CountingStore extends MemoryObjectStore {
  getCount = 0;
  inFlight = 0;
  inFlightMax = 0;

  override async get(
    ...args: Parameters<MemoryObjectStore["get"]>
  ): ReturnType<MemoryObjectStore["get"]> {
    this.getCount++;
    this.inFlightMax = Math.max(this.inFlightMax, ++this.inFlight);
    await new Promise((resolve) => setImmediate(resolve));
    this.inFlight--;
    return super.get(...args);
  }
}

export class ViewBuilder {
  readonly store: CountingStore = new CountingStore();
  readonly tables: TableStore;
  #sstCount = 0;

  /** SSTs above `smallSstBytes` take one GET to open and one for each block. */
  constructor(smallSstBytes = 0, cacheBytes: number = 1 << 20, tailBytesMax?: number) {
    const cache = new BlockCache(cacheBytes);
    const sizes = { smallSstBytes, tailBytesMax };
    this.tables = new TableStore({ store: this.store, databaseId, cache, ...sizes });
  }

  async build(layers: readonly Layer[], keysPerSst = 3): Promise<DbView> {
    const memory: MemTable[] = [];
    const loads: L0Entry[] = [];
    const l0: L0Entry[] = [];
    const runs: SortedRun[] = [];
    for (const { place, versions } of layers) {
      if (versions.length === 0) continue;
      if (place === "memory") {
        memory.unshift(memTable(versions));
        continue;
      }
      const isLoad = place === "load" || place === "pending load";
      const ssts = await this.#writeSsts(versions, isLoad, place === "flush" ? 1e9 : keysPerSst);
      if (place === "run") runs.unshift(sortedRun(ssts));
      else {
        const entries = place === "pending load" ? loads : l0;
        entries.push({ ssts, seq: isLoad ? versions[0]!.seq : 0 });
      }
    }
    const stored = layers.filter(({ place }) => place !== "memory" && place !== "pending load");
    const lastL0Seq = Math.max(0, ...stored.flatMap(({ versions }) => versions.map((v) => v.seq)));
    const hasMerges = layers.some(({ versions }) => versions.some((v) => v.kind === RowKind.merge));
    const pinned = { mergeOperators: hasMerges ? ["append"] : [] };
    const manifest = { l0, runs, lastL0Seq, pinned } as unknown as Manifest;
    return { tables: memory, loads, manifest };
  }

  /** One SST per so many keys. */
  async #writeSsts(
    versions: readonly Version[],
    isLoad: boolean,
    keysPerSst: number,
  ): Promise<SstInfo[]> {
    const rows = versions
      .map((version) => storedRow({ ...version, seq: isLoad ? 0 : version.seq }))
      .sort(compareRows);
    const keys = [...new Set(versions.map((version) => version.key))].sort();
    const infos: SstInfo[] = [];
    for (let i = 0; i < keys.length; i += keysPerSst) {
      const own = new Set(keys.slice(i, i + keysPerSst));
      const id = `01BX5ZZKBKACTAV9WEVGEM${String(1000 + this.#sstCount++)}`;
      const builder = new SstBuilder({ id, databaseId, blockBytes: 64, indexPartitionBytes: 64 });
      for (const row of rows) if (own.has(Buffer.from(row.key()).toString())) builder.add(row);
      const { chunks, info } = builder.finish();
      await writeSst(this.store, ObjectPaths.sst(id), chunks);
      infos.push(info);
    }
    return infos;
  }
}

function storedRow(version: Version): RowRef {
  const row = makeRow(version);
  if (version.kind !== RowKind.merge) return row;
  row.operatorId = 1;
  row.valueBytes = packOperands([encodeUtf8(version.value)]);
  row.valueEnd = row.valueBytes.length;
  return row;
}

function memTable(versions: readonly Version[]): MemTable {
  const table = new MemTable();
  for (const version of versions) {
    const { kind, seq, expiresAt, operatorId, ...row } = storedRow(version);
    const value = kind === RowKind.delete ? emptyBytes : row.valueBytes;
    const writer = new ByteWriter();
    appendOperation(writer, kind, row.keyBytes, value, expiresAt, operatorId);
    table.applyBatch(seq, 0, [writer.view()], 1);
  }
  return table;
}

function sortedRun(ssts: readonly SstInfo[]): SortedRun {
  const { firstKey } = ssts[0]!;
  const { lastKey } = ssts[ssts.length - 1]!;
  return { ssts, firstKey, lastKey, listBytes: 0 } as unknown as SortedRun;
}
