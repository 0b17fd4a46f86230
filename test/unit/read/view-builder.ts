/** Views for tests: the same rows as MemTables, L0 entries and sorted runs of tiny SSTs in a store that counts. */
import { ByteWriter } from "../../../src/common/byte-writer.js";
import { compareBytes, emptyBytes, encodeUtf8 } from "../../../src/common/bytes.js";
import type { RangeTombstone } from "../../../src/common/range-tombstone.js";
import { compareRows, OperationKind, RowKind, type RowRef } from "../../../src/common/row.js";
import {
  Feature,
  type L0Entry,
  type Manifest,
  type SortedRun,
  type SstInfo,
  type TombstoneSpan,
} from "../../../src/format/manifest.js";
import { encodeRangeEnd } from "../../../src/format/range-delete-operation.js";
import { encodeRunList } from "../../../src/format/run-list.js";
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
  readonly place: "run" | "listed run" | "flush" | "load" | "memory" | "pending load";
  /** For either load, all of one seq. */
  readonly versions: readonly Version[];
  /** Range deletes between two SSTs are in the later one; otherwise in the earlier one. */
  readonly cutsEarly?: boolean | undefined;
  /** In runs, SSTs of a single put are made as of a load: the row has no seq, the SST has. */
  readonly movesLoads?: boolean | undefined;
  /** Not of loads; of the same seqs as the versions are. Their order among these is that of the seqs. */
  readonly rangeDeletes?: readonly StringTombstone[] | undefined;
}

/** The keys from `start` up to but without `end`; undefined: there is no end. */
export interface StringTombstone {
  readonly start: string;
  readonly end: string | undefined;
  readonly seq: number;
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
    // Of the lists of runs no more is read than is needed.
    const lists = { wholeListBytesMax: 0 };
    this.tables = new TableStore({ store: this.store, databaseId, cache, ...sizes, ...lists });
  }

  async build(layers: readonly Layer[], keysPerSst = 3): Promise<DbView> {
    const memory: MemTable[] = [];
    const loads: L0Entry[] = [];
    const l0: L0Entry[] = [];
    const runs: SortedRun[] = [];
    for (const layer of layers) {
      const { place, versions, rangeDeletes = [] } = layer;
      if (versions.length === 0 && rangeDeletes.length === 0) continue;
      if (place === "memory") {
        memory.unshift(memTable(layer));
        continue;
      }
      const isLoad = place === "load" || place === "pending load";
      const ssts = await this.#writeSsts(layer, isLoad, place === "flush" ? 1e9 : keysPerSst);
      if (place === "run") runs.unshift(sortedRun(ssts));
      else if (place === "listed run") runs.unshift(await this.#listedRun(sortedRun(ssts)));
      else {
        const entries = place === "pending load" ? loads : l0;
        entries.push({ ssts, seq: isLoad ? versions[0]!.seq : 0 });
      }
    }
    const stored = layers.filter(({ place }) => place !== "memory" && place !== "pending load");
    const storedSeqs = stored.flatMap(({ versions, rangeDeletes = [] }) =>
      [...versions, ...rangeDeletes].map(({ seq }) => seq),
    );
    const lastL0Seq = Math.max(0, ...storedSeqs);
    const hasRangeDeletes = stored.some(({ rangeDeletes }) => rangeDeletes?.length);
    const requiredFeatures = hasRangeDeletes ? [Feature.rangeDeletes] : [];
    const hasMerges = layers.some(({ versions }) => versions.some((v) => v.kind === RowKind.merge));
    const pinned = { mergeOperators: hasMerges ? ["append"] : [] };
    const named = { l0, runs, lastL0Seq, requiredFeatures, pinned };
    const manifest = named as unknown as Manifest;
    return { tables: memory, loads, manifest };
  }

  /** One SST per so many keys. Range deletes are cut where the next SST begins. */
  /** The same run with its list in an object of its own, one or two SSTs to a part. */
  async #listedRun(run: SortedRun): Promise<SortedRun> {
    const { bytes, indexOffset } = encodeRunList(databaseId, run.id, run.ssts, 150);
    await this.store.put(ObjectPaths.run(run.id), bytes);
    const spans = run.ssts.flatMap(({ rangeDeletes }) => rangeDeletes);
    const rangeDeletes = spans.length === 0 ? [] : [hullOf(spans)];
    return { ...run, ssts: [], listBytes: bytes.length, indexOffset, rangeDeletes };
  }

  async #writeSsts(
    { versions, rangeDeletes = [], movesLoads = false, cutsEarly = false }: Layer,
    isLoad: boolean,
    keysPerSst: number,
  ): Promise<SstInfo[]> {
    const rows = versions
      .map((version) => storedRow({ ...version, seq: isLoad ? 0 : version.seq }))
      .sort(compareRows);
    const keys = [...new Set(versions.map((version) => version.key))].sort();
    const infos: SstInfo[] = [];
    for (let i = 0; i < Math.max(1, keys.length); i += keysPerSst) {
      const own = new Set(keys.slice(i, i + keysPerSst));
      const cutAt = (at: number): string | undefined =>
        cutsEarly && at < keys.length ? `${keys[at - 1]}\0` : keys[at];
      const zone = { start: i === 0 ? "" : cutAt(i)!, end: cutAt(i + keysPerSst) };
      const id = `01BX5ZZKBKACTAV9WEVGEM${String(1000 + this.#sstCount++)}`;
      const builder = new SstBuilder({ id, databaseId, blockBytes: 64, indexPartitionBytes: 64 });
      const given = rows.filter((row) => own.has(Buffer.from(row.key()).toString()));
      const parts = rangeDeletes.map((tombstone) => cut(tombstone, zone));
      const deletes = parts.filter((part) => part !== undefined);
      const isMoved =
        movesLoads && given.length === 1 && deletes.length === 0 && given[0]!.kind === RowKind.put;
      const seq = isMoved ? given[0]!.seq : 0;
      if (isMoved) given[0]!.seq = 0;
      for (const row of given) builder.add(row);
      for (const part of deletes) builder.addRangeDelete(encoded(part));
      const { chunks, info } = builder.finish();
      await writeSst(this.store, ObjectPaths.sst(id), chunks);
      infos.push({ ...info, seq });
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

function cut(
  { start, end, seq }: StringTombstone,
  zone: { start: string; end: string | undefined },
): StringTombstone | undefined {
  const from = start > zone.start ? start : zone.start;
  const to = end === undefined || (zone.end !== undefined && zone.end < end) ? zone.end : end;
  return to !== undefined && to <= from ? undefined : { start: from, end: to, seq };
}

const encoded = ({ start, end, seq }: StringTombstone): RangeTombstone => ({
  start: encodeUtf8(start),
  end: end === undefined ? undefined : encodeUtf8(end),
  seq,
});

function memTable({ versions, rangeDeletes = [] }: Layer): MemTable {
  const table = new MemTable();
  for (const version of [...versions, ...rangeDeletes].sort((a, b) => a.seq - b.seq)) {
    if ("start" in version) {
      const { start, end, seq } = encoded(version);
      table.applyOne(seq, 0, OperationKind.rangeDelete, start, encodeRangeEnd(end), 0);
      continue;
    }
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
  return {
    ...{ id: ssts[0]!.id, ssts, firstKey, lastKey, sstCount: ssts.length, level: 0 },
    ...{ listBytes: 0, indexOffset: 0, owner: "", rangeDeletes: [] as const, rowCount: 0, size: 0 },
  };
}

function hullOf(spans: readonly TombstoneSpan[]): TombstoneSpan {
  const inOrder = spans.toSorted((a, b) => compareBytes(a.start, b.start));
  const last = spans.toSorted((a, b) => compareBytes(a.end, b.end)).at(-1)!;
  const endless = spans.some((span) => span.endless);
  return {
    ...{ start: inOrder[0]!.start, end: endless ? emptyBytes : last.end, endless, minSeq: 0 },
    count: spans.reduce((sum, { count }) => sum + count, 0),
    maxSeq: Math.max(...spans.map(({ maxSeq }) => maxSeq)),
  };
}
