/** One object of each kind that is framed by an envelope, with values in every field. */
import { ByteWriter } from "../../src/common/byte-writer.js";
import { encodeUtf8 } from "../../src/common/bytes.js";
import { OperationKind, RowKind } from "../../src/common/row.js";
import { decodeClaim, encodeClaim } from "../../src/format/claim.js";
import { decodeCompactions, encodeCompactions } from "../../src/format/compactions-codec.js";
import { EnvelopeKind, openEnvelope } from "../../src/format/envelope.js";
import { encodeLoadRecord } from "../../src/format/load-record.js";
import { noUlid, type SstInfo } from "../../src/format/manifest.js";
import { decodeManifest, encodeManifest } from "../../src/format/manifest-codec.js";
import { runMessage } from "../../src/format/manifest-messages.js";
import { encodeRangeEnd } from "../../src/format/range-delete-operation.js";
import { decodeRetiredList, encodeRetiredList } from "../../src/format/retired-list-codec.js";
import { decodeRunList, encodeRunList, type RunOfList } from "../../src/format/run-list.js";
import {
  decodeWalObject,
  encodeWalFence,
  encodeWalGroup,
  type WalObject,
} from "../../src/format/wal-object.js";
import { walParts } from "../../src/format/wal-parts.js";
import { appendOperation } from "../../src/format/wal-record.js";
import { MemTable } from "../../src/memtable/mem-table.js";
import {
  claim,
  compacted,
  compactions,
  databaseId,
  ids,
  manifest,
  runSsts,
  sst,
  token,
  withRangeDeletes,
} from "./manifest-samples.js";

function records(): Uint8Array[] {
  const table = new MemTable();
  const at = 1_700_000_000_000;
  const put = table.applyOne(41, at, RowKind.put, encodeUtf8("key"), encodeUtf8("value"), 0);
  const gone = table.applyOne(43, at, RowKind.delete, new Uint8Array(0), new Uint8Array(0), 0);
  const expires = table.applyOne(44, at, RowKind.put, encodeUtf8("k"), encodeUtf8(""), at + 1);
  return [put, gone, expires].map(({ chunk, start, end }) => chunk.slice(start, end));
}

/** A range delete with an end, one of all keys, and a batch in which one follows a put and precedes another. */
function recordsWithRangeDeletes(): Uint8Array[] {
  const table = new MemTable();
  const at = 1_700_000_000_000;
  const { put, rangeDelete } = OperationKind;
  const end = encodeRangeEnd(Uint8Array.of(255, 0));
  const some = table.applyOne(49, at, rangeDelete, encodeUtf8("a"), end, 0);
  const all = table.applyOne(50, at, rangeDelete, new Uint8Array(0), encodeRangeEnd(undefined), 0);
  const writer = new ByteWriter();
  appendOperation(writer, put, encodeUtf8("k"), encodeUtf8("old"), 0, 0);
  appendOperation(writer, rangeDelete, encodeUtf8("m"), encodeRangeEnd(encodeUtf8("n")), 0, 0);
  appendOperation(writer, put, encodeUtf8("mm"), encodeUtf8("later"), at + 1, 0);
  const batch = table.applyBatch(51, at, [writer.view()], 3);
  return [some, all, batch].map(({ chunk, start, end }) => chunk.slice(start, end));
}

/** A batch, a load of two entries, the first of two SSTs, and a batch. */
function recordsWithLoad(): Uint8Array[] {
  const table = new MemTable();
  const at = 1_700_000_000_000;
  const [before, after] = [45, 48].map((seq) => {
    const key = encodeUtf8(`key ${seq}`);
    const { chunk, start, end } = table.applyOne(seq, at, RowKind.put, key, encodeUtf8("value"), 0);
    return chunk.slice(start, end);
  });
  const loaded = (id: string, first: string, last: string): SstInfo => ({
    ...{ ...sst(id, 0), maxSeq: 0, deleteCount: 0, maxExpiresAt: 0 },
    ...{ firstKey: encodeUtf8(first), lastKey: encodeUtf8(last) },
  });
  const entries = [
    { ssts: [loaded(ids[0], "", "a"), loaded(ids[1], "b", "b")], seq: 46 },
    { ssts: [loaded(ids[2], "a", "ü")], seq: 47 },
  ];
  return [before!, encodeLoadRecord(entries, at), after!];
}

export interface Sample {
  readonly encode: () => Uint8Array;
  /** Reads all of it, in a form that prints well. */
  readonly decode: (bytes: Uint8Array, database?: string) => unknown;
}

const wal = (bytes: Uint8Array, database: string, id: number): unknown => {
  const object = decodeWalObject(bytes, "golden", database, { epoch: 5, id });
  const { recordsStart, recordsEnd, recordCount } = object;
  const table = new MemTable();
  const count = table.applyRecords(bytes, recordsStart, recordsEnd, recordCount, 0, "golden");
  const rows = table.iterator(false);
  const found: unknown[] = [];
  while (rows.step() === 1) {
    const { kind, seq, createdAt, expiresAt } = rows.row;
    found.push({
      kind,
      seq,
      createdAt,
      expiresAt,
      key: Uint8Array.from(rows.row.key()),
      value: Uint8Array.from(rows.row.value()),
    });
  }
  // Copies, because they print as plain arrays; files without any do not say so.
  const rangeDeletes = table.rangeDeletes?.all().map(({ start, end, seq }) => ({
    ...{ start: Uint8Array.from(start), end: end === undefined ? "none" : Uint8Array.from(end) },
    seq,
  }));
  return { ...described(object), count, rows: found, rangeDeletes };
};

/** What is between loads as its count of records: their rows are in the sample without loads. */
const walWithLoad = (bytes: Uint8Array, database: string): unknown => {
  const object = decodeWalObject(bytes, "golden", database, { epoch: 5, id: 11 });
  const parts = walParts(object, "golden").map((part) =>
    part.loaded === undefined ? { records: part.recordCount } : part,
  );
  return { ...described(object), parts };
};

/** Version 1 had no acknowledged id at first. */
const described = (object: WalObject): object => ({
  ...object,
  bytes: undefined,
  acknowledgedId: object.acknowledgedId === 0 ? undefined : object.acknowledgedId,
});

const anyManifest: Sample["decode"] = (bytes, database) =>
  sameOrForeign(decodeManifest(bytes, "golden", 7), database);

type SampleName =
  | "manifest"
  | "manifest-range-deletes"
  | "wal-group"
  | "wal-acknowledged"
  | "wal-load"
  | "wal-range-delete"
  | "wal-fence"
  | "run"
  | "run-list"
  | "run-parts"
  | "manifest-compacted"
  | "compactions"
  | "retired-list"
  | "claim";

/** In five parts; whoever reads one knows its sizes from the manifest. */
const runParts = encodeRunList(databaseId, ids[2], runSsts, 1);
const runOfParts: RunOfList = {
  ...{ id: ids[2], owner: noUlid, sstCount: 5, indexOffset: runParts.indexOffset },
  listBytes: runParts.bytes.length,
};

const sameOrForeign = <T extends { readonly databaseId: string }>(
  decoded: T,
  wanted?: string,
): T => {
  if (wanted !== undefined && decoded.databaseId !== wanted) throw new Error("foreign");
  return decoded;
};

export const samples: Record<SampleName, Sample> = {
  manifest: {
    encode: () => encodeManifest(manifest),
    decode: anyManifest,
  },
  "manifest-range-deletes": {
    encode: () => encodeManifest(withRangeDeletes),
    decode: anyManifest,
  },
  "wal-group": {
    encode: () =>
      encodeWalGroup(databaseId, {
        ...{ epoch: 5, id: 9, token, firstSeq: 41, lastSeq: 44, recordCount: 3 },
        records: records(),
      }),
    decode: (bytes, database = databaseId) => wal(bytes, database, 9),
  },
  "wal-acknowledged": {
    encode: () =>
      encodeWalGroup(databaseId, {
        ...{ epoch: 5, id: 9, token, firstSeq: 41, lastSeq: 44, recordCount: 3, acknowledgedId: 7 },
        records: records(),
      }),
    decode: (bytes, database = databaseId) => wal(bytes, database, 9),
  },
  "wal-load": {
    encode: () =>
      encodeWalGroup(databaseId, {
        ...{ epoch: 5, id: 11, token, firstSeq: 45, lastSeq: 48, recordCount: 3 },
        records: recordsWithLoad(),
      }),
    decode: (bytes, database = databaseId) => walWithLoad(bytes, database),
  },
  "wal-range-delete": {
    encode: () =>
      encodeWalGroup(databaseId, {
        ...{ epoch: 5, id: 12, token, firstSeq: 49, lastSeq: 51, recordCount: 3 },
        records: recordsWithRangeDeletes(),
      }),
    decode: (bytes, database = databaseId) => wal(bytes, database, 12),
  },
  "wal-fence": {
    encode: () => encodeWalFence(databaseId, { epoch: 5, id: 10, token, closerEpoch: 6 }),
    decode: (bytes, database = databaseId) => wal(bytes, database, 10),
  },
  // Its SSTs overlap, which nothing minded before runs were read: the messages are still what they were.
  run: {
    encode: () => encodeRunList(databaseId, ids[0], [sst(ids[1], 1), sst(ids[2], 20)]).bytes,
    decode: (bytes, database = databaseId) => {
      const { payload } = openEnvelope(bytes, EnvelopeKind.run, "golden", database);
      return runMessage.decode(payload, "golden").ssts;
    },
  },
  "run-list": {
    encode: () => encodeRunList(databaseId, ids[0], runSsts.slice(2)).bytes,
    decode: (bytes, database = databaseId) =>
      decodeRunList(bytes, "golden", database, {
        ...{ id: ids[0], owner: noUlid, sstCount: 3, indexOffset: 0, listBytes: bytes.length },
      }),
  },
  "run-parts": {
    encode: () => runParts.bytes,
    decode: (bytes, database = databaseId) => decodeRunList(bytes, "golden", database, runOfParts),
  },
  "manifest-compacted": {
    encode: () => encodeManifest(compacted),
    decode: anyManifest,
  },
  compactions: {
    encode: () => encodeCompactions(compactions),
    decode: (bytes, database) => sameOrForeign(decodeCompactions(bytes, "golden", 12), database),
  },
  "retired-list": {
    encode: () => encodeRetiredList(databaseId, ids[1], manifest.retired),
    decode: (bytes, database = databaseId) => decodeRetiredList(bytes, "golden", database, ids[1]),
  },
  claim: {
    encode: () => encodeClaim(claim),
    decode: (bytes, database) => sameOrForeign(decodeClaim(bytes, "golden", 2), database),
  },
};
