/** One object of each kind that is framed by an envelope, with values in every field. */
import { ByteWriter } from "../../src/common/byte-writer.js";
import { type Bytes, encodeUtf8 } from "../../src/common/bytes.js";
import { OperationKind, RowKind } from "../../src/common/row.js";
import { type Compactions, JobStatus } from "../../src/format/compactions.js";
import { decodeCompactions, encodeCompactions } from "../../src/format/compactions-codec.js";
import { EnvelopeKind, openEnvelope } from "../../src/format/envelope.js";
import { encodeLoadRecord } from "../../src/format/load-record.js";
import {
  Feature,
  type Manifest,
  RetiredKind,
  type SstInfo,
  type TombstoneSpan,
  WalLocation,
} from "../../src/format/manifest.js";
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

export const databaseId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
export const otherDatabaseId = "01BX5ZZKBKACTAV9WEVGEMMVRZ";
const ids = [
  "01CX5ZZKBKACTAV9WEVGEMMVS0",
  "01CX5ZZKBKACTAV9WEVGEMMVS1",
  "01CX5ZZKBKACTAV9WEVGEMMVS2",
] as const;
const token = Uint8Array.from({ length: 16 }, (_, i) => i + 1);

const sst = (id: string, seq: number): SstInfo => ({
  ...{ id, size: 5_000_000_000, metaOffset: 4_999_000_000, topOffset: 4_999_900_000 },
  ...{ firstKey: encodeUtf8("a"), lastKey: Uint8Array.of(255, 0), minSeq: seq, maxSeq: seq + 9 },
  ...{ rowCount: 10, deleteCount: 2, maxExpiresAt: 1_800_000_000_000 },
  ...{ rangeDeletesOffset: 0, rangeDeletes: [], seq: 0, shadowedCount: 0, expiringCount: 0 },
});

export const manifest: Manifest = {
  number: 7,
  databaseId,
  createdAt: 1_700_000_000_000,
  token,
  destroyed: false,
  requiredFeatures: [],
  optionalFeatures: [3, 300],
  writerEpoch: 5,
  compactorEpoch: 2,
  lastL0Seq: 40,
  lastSeq: Number.MAX_SAFE_INTEGER,
  snapshotSeq: 12,
  walStart: { epoch: 4, id: 9 },
  walChain: [
    { epoch: 4, putsInFlight: 4 },
    { epoch: 5, putsInFlight: 64 },
  ],
  l0: [
    { ssts: [sst(ids[1], 20)], seq: 0 },
    { ssts: [sst(ids[2], 0)], seq: 40 },
  ],
  runs: [
    {
      ...{ id: ids[0], ssts: [sst(ids[0], 1)], listBytes: 0, firstKey: encodeUtf8("a") },
      ...{
        lastKey: Uint8Array.of(255, 0),
        sstCount: 1,
        rowCount: 10,
        size: 5_000_000_000,
        level: 1,
        indexOffset: 0,
        rangeDeletes: [],
      },
    },
  ],
  checkpoints: [
    { id: ids[0], name: "día", manifestNumber: 3, createdAt: 1, ttlMs: 60_000, refreshedNumber: 4 },
  ],
  externals: [{ databaseId: otherDatabaseId, path: "other/path", checkpointId: ids[1] }],
  retired: [
    {
      kind: RetiredKind.sst,
      manifestNumber: 6,
      ids: [ids[0], ids[1]],
      epoch: 0,
      fromId: 0,
      toId: 0,
    },
    { kind: RetiredKind.wal, manifestNumber: 7, ids: [], epoch: 4, fromId: 1, toId: 9 },
  ],
  writerFloor: ids[2],
  compactorFloor: "",
  pinned: {
    walLocation: WalLocation.store,
    walStoreId: "",
    walPath: "",
    mergeOperators: ["append", "counter"],
    encryption: 0,
  },
  compactedSeq: 0,
  rewrittenNumber: 0,
  firstNumber: 0,
};

/** What came with compaction: in the manifest, in SSTs, and a run whose list stands elsewhere. */
const compacted: Manifest = {
  ...withoutRuns(manifest),
  runs: [
    {
      ...{ id: ids[2], ssts: [], listBytes: 300_000, indexOffset: 299_000 },
      ...{ firstKey: encodeUtf8("a"), lastKey: encodeUtf8("z"), sstCount: 2500, rowCount: 1e9 },
      ...{ size: 160_000_000_000, level: 0 },
      rangeDeletes: [span(encodeUtf8("m"), undefined, { count: 70, minSeq: 0, maxSeq: 33 })],
    },
    {
      ...{ id: ids[0], listBytes: 0, indexOffset: 0, rangeDeletes: [], level: 0 },
      ...{ firstKey: encodeUtf8("a"), lastKey: Uint8Array.of(255, 0), sstCount: 1, rowCount: 10 },
      ...{ size: 5_000_000_000, ssts: [movedLoad(ids[1])] },
    },
  ],
  retired: [
    {
      ...{ kind: RetiredKind.list, manifestNumber: 5, ids: [ids[1]] },
      ...{ epoch: 0, fromId: 0, toId: 0 },
    },
  ],
  compactorFloor: ids[2],
  compactedSeq: 39,
  rewrittenNumber: 6,
  firstNumber: 3,
};

function withoutRuns(from: Manifest): Manifest {
  return { ...from, runs: [] };
}

function movedLoad(id: string): SstInfo {
  return { ...sst(id, 0), maxSeq: 0, seq: 17, shadowedCount: 3, expiringCount: 200 };
}

/** A job that nobody has yet, one under way in two ranges, and one that failed. */
const compactions: Compactions = {
  ...{ number: 12, databaseId, createdAt: 1_700_000_000_000, token, compactorEpoch: 3 },
  jobs: [
    {
      ...{ id: ids[0], reason: "size-tiered: 2 L0 entries", level: 0, retainSeq: 39 },
      ...{ inputs: { l0: [ids[1], ids[2]], runs: [{ id: ids[0], ssts: [] }] } },
      ...{ expiredAt: 1_700_000_000_001, isBottom: true, sstBytesMax: 67_108_864 },
      ...{ status: JobStatus.open, claim: "", worker: "", signNumber: 0, attempts: 0 },
      ...{ failure: "", ranges: [] },
    },
    {
      ...{ id: ids[1], reason: "leveled: level 2 is too large", level: 3, retainSeq: 12 },
      ...{ inputs: { l0: [], runs: [{ id: ids[2], ssts: [ids[0], ids[1]] }] } },
      ...{ expiredAt: 7, isBottom: false, sstBytesMax: 1 },
      ...{ status: JobStatus.done, claim: ids[2], worker: "host ü", signNumber: 11, attempts: 2 },
      failure: "",
      ranges: [
        {
          ...{ start: new Uint8Array(0), end: encodeUtf8("m"), endless: false, done: true },
          ...{ resumeAt: encodeUtf8("m"), outputs: [sst(ids[2], 7)] },
        },
        {
          ...{ start: encodeUtf8("m"), end: new Uint8Array(0), endless: true, done: false },
          ...{ resumeAt: encodeUtf8("q"), outputs: [movedLoad(ids[0]), sst(ids[1], 20)] },
        },
      ],
    },
    {
      ...{ id: ids[2], reason: "", level: 1, retainSeq: 1, expiredAt: 1, isBottom: false },
      ...{ inputs: { l0: [ids[0]], runs: [] }, sstBytesMax: 1, status: JobStatus.failed },
      ...{ claim: "", worker: "", signNumber: 2, attempts: 1, ranges: [] },
      failure: 'Object "sst/x.sst" is damaged',
    },
  ],
};

/** An SST without rows, one with both, and in a run one with more range deletes than spans. */
const withRangeDeletes: Manifest = {
  ...manifest,
  requiredFeatures: [Feature.mergeRows, Feature.rangeDeletes],
  l0: [
    {
      ssts: [
        {
          ...{ ...sst(ids[1], 20), rowCount: 0, deleteCount: 0, maxExpiresAt: 0 },
          ...{ lastKey: encodeUtf8("a"), rangeDeletesOffset: 8 },
          rangeDeletes: [span(encodeUtf8("a"), undefined, { count: 1, minSeq: 22, maxSeq: 22 })],
        },
      ],
      seq: 0,
    },
    {
      ssts: [
        {
          ...{ ...sst(ids[2], 30), rangeDeletesOffset: 4_998_999_000 },
          rangeDeletes: [
            span(encodeUtf8(""), encodeUtf8("a"), { count: 300, minSeq: 31, maxSeq: 39 }),
            span(encodeUtf8("b"), encodeUtf8("ü"), { count: 2, minSeq: 0, maxSeq: 33 }),
          ],
        },
      ],
      seq: 0,
    },
  ],
  runs: manifest.runs.map((run) => ({
    ...run,
    ssts: run.ssts.map((info) => ({
      ...{ ...info, rangeDeletesOffset: 4_000_000_000 },
      rangeDeletes: Array.from({ length: 16 }, (_, i) =>
        span(Uint8Array.of(i, 7), Uint8Array.of(i + 1), {
          count: 9,
          minSeq: 0,
          maxSeq: 1 + (i % 9),
        }),
      ),
    })),
  })),
};

function span(
  start: Bytes,
  end: Bytes | undefined,
  numbers: Pick<TombstoneSpan, "count" | "minSeq" | "maxSeq">,
): TombstoneSpan {
  return { start, end: end ?? new Uint8Array(0), endless: end === undefined, ...numbers };
}

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
  | "retired-list";

const runSsts: SstInfo[] = Array.from({ length: 5 }, (_, i) => ({
  ...sst(ids[i % 3]!, 1),
  ...{ firstKey: encodeUtf8(`${i}a`), lastKey: encodeUtf8(`${i}z`) },
  ...(i === 3 && {
    rangeDeletesOffset: 4_000_000_000,
    rangeDeletes: [span(encodeUtf8("3"), encodeUtf8("4"), { count: 1, minSeq: 8, maxSeq: 8 })],
  }),
}));

/** In five parts; whoever reads one knows its sizes from the manifest. */
const runParts = encodeRunList(databaseId, ids[2], runSsts, 1);
const runOfParts: RunOfList = {
  ...{ id: ids[2], sstCount: 5, indexOffset: runParts.indexOffset },
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
        ...{ id: ids[0], sstCount: 3, indexOffset: 0, listBytes: bytes.length },
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
};
