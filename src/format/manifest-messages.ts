/**
 * The messages of proto/manifest.proto, field by field: what the values of manifest.ts are on the wire. The compiler sees
 * that each property has its entry, a test that the entries are those of the .proto file. Numbers are stored: never change
 * or reuse one.
 */
import { compareBytes } from "../common/bytes.js";
import type { Ulid } from "../common/ids.js";
import type {
  Checkpoint,
  CheckpointPurpose,
  ExportOrigin,
  ExternalDatabase,
  L0Entry,
  Manifest,
  PinnedSettings,
  RetiredKind,
  RetiredObjects,
  RunPart,
  SortedRun,
  SstInfo,
  TimeSample,
  TombstoneSpan,
  WalEpoch,
  WalLocation,
  WalPosition,
  WalRange,
} from "./manifest.js";
import { MessageType, repeated } from "./protobuf-message.js";
import {
  bool,
  bytes,
  string,
  uint32,
  uint64,
  ulid,
  ulidOrNone,
  type ValueType,
} from "./protobuf-types.js";

const walPosition = new MessageType<WalPosition>("WalPosition", {
  epoch: [1, uint64],
  id: [2, uint64],
});

const walEpoch = new MessageType<WalEpoch>("WalEpoch", {
  epoch: [1, uint64],
  putsInFlight: [2, uint32],
});

const tombstoneSpan = new MessageType<TombstoneSpan>(
  "TombstoneSpan",
  {
    start: [1, bytes],
    end: [2, bytes],
    endless: [3, bool],
    count: [4, uint64],
    minSeq: [5, uint64],
    maxSeq: [6, uint64],
  },
  (span) =>
    span.count === 0 ||
    span.minSeq > span.maxSeq ||
    (span.endless ? span.end.length > 0 : compareBytes(span.start, span.end) >= 0)
      ? "a span of range deletes contradicts itself"
      : undefined,
);

/** Spans do not overlap, and nothing comes after an endless one: they are searched by key. */
function follows({ rangeDeletes }: SstInfo, i: number): boolean {
  if (i === 0) return true;
  const before = rangeDeletes[i - 1]!;
  return !before.endless && compareBytes(before.end, rangeDeletes[i]!.start) <= 0;
}

export const sstInfoMessage: MessageType<SstInfo> = new MessageType<SstInfo>(
  "SstInfo",
  {
    id: [1, ulid],
    size: [2, uint64],
    metaOffset: [3, uint64],
    topOffset: [4, uint64],
    firstKey: [5, bytes],
    lastKey: [6, bytes],
    minSeq: [7, uint64],
    maxSeq: [8, uint64],
    rowCount: [9, uint64],
    deleteCount: [10, uint64],
    maxExpiresAt: [11, uint64],
    rangeDeletesOffset: [12, uint64],
    rangeDeletes: [13, repeated(tombstoneSpan)],
    seq: [14, uint64],
    shadowedCount: [15, uint64],
    expiringCount: [16, uint64],
    owner: [17, ulidOrNone],
  },
  (sst) =>
    sst.rangeDeletesOffset > sst.metaOffset ||
    (sst.rangeDeletesOffset === 0) !== (sst.rangeDeletes.length === 0) ||
    sst.rangeDeletes.some((span, i) => span.maxSeq > sst.maxSeq || !follows(sst, i)) ||
    sst.metaOffset > sst.topOffset ||
    sst.topOffset > sst.size ||
    sst.minSeq > sst.maxSeq ||
    compareBytes(sst.firstKey, sst.lastKey) > 0
      ? `what it says of SST ${sst.id} contradicts itself`
      : undefined,
);

const l0Entry = new MessageType<L0Entry>("L0Entry", {
  ssts: [1, repeated(sstInfoMessage)],
  seq: [2, uint64],
});

const sortedRun = new MessageType<SortedRun>("SortedRun", {
  id: [1, ulid],
  ssts: [2, repeated(sstInfoMessage)],
  listBytes: [3, uint64],
  firstKey: [4, bytes],
  lastKey: [5, bytes],
  sstCount: [6, uint64],
  rowCount: [7, uint64],
  size: [8, uint64],
  level: [9, uint32],
  indexOffset: [10, uint64],
  rangeDeletes: [11, repeated(tombstoneSpan)],
  owner: [12, ulidOrNone],
});

const walRange = new MessageType<WalRange>(
  "WalRange",
  {
    epoch: [1, uint64],
    fromId: [2, uint64],
    toId: [3, uint64],
  },
  ({ fromId, toId }) => (fromId >= toId ? "a range of WAL objects is empty" : undefined),
);

// Kinds and places that only later versions know are read as the numbers they are.
const checkpointPurpose = uint32 as ValueType<CheckpointPurpose>;

const checkpoint = new MessageType<Checkpoint>("Checkpoint", {
  id: [1, ulid],
  name: [2, string],
  manifestNumber: [3, uint64],
  createdAt: [4, uint64],
  ttlMs: [5, uint64],
  refreshedNumber: [6, uint64],
  seq: [7, uint64],
  base: [8, ulidOrNone],
  retained: [9, bool],
  isExpired: [10, bool],
  wal: [11, repeated(walRange)],
  loads: [12, repeated(ulid)],
  purpose: [13, checkpointPurpose],
  holder: [14, string],
  holderId: [15, ulidOrNone],
});

const externalDatabase = new MessageType<ExternalDatabase>("ExternalDatabase", {
  databaseId: [1, ulid],
  path: [2, string],
  checkpointId: [3, ulidOrNone],
  isLeaving: [4, bool],
});

const retiredKind = uint32 as ValueType<RetiredKind>;
const walLocation = uint32 as ValueType<WalLocation>;

const retiredObjects = new MessageType<RetiredObjects>("RetiredObjects", {
  kind: [1, retiredKind],
  manifestNumber: [2, uint64],
  ids: [3, repeated(ulid)],
  epoch: [4, uint64],
  fromId: [5, uint64],
  toId: [6, uint64],
});

const pinnedSettings = new MessageType<PinnedSettings>("PinnedSettings", {
  walLocation: [1, walLocation],
  walStoreId: [2, string],
  walPath: [3, string],
  mergeOperators: [4, repeated(string)],
  encryption: [5, uint32],
});

const timeSample = new MessageType<TimeSample>("TimeSample", {
  seq: [1, uint64],
  manifestNumber: [2, uint64],
  at: [3, uint64],
});

const exportOrigin = new MessageType<ExportOrigin>("ExportOrigin", {
  checkpointId: [1, ulid],
  manifestNumber: [2, uint64],
  at: [3, uint64],
});

export const manifestMessage: MessageType<Manifest> = new MessageType<Manifest>("Manifest", {
  number: [1, uint64],
  databaseId: [2, ulid],
  createdAt: [3, uint64],
  token: [4, bytes],
  destroyed: [5, bool],
  requiredFeatures: [6, repeated(uint32)],
  optionalFeatures: [7, repeated(uint32)],
  writerEpoch: [8, uint64],
  compactorEpoch: [9, uint64],
  lastL0Seq: [10, uint64],
  lastSeq: [11, uint64],
  snapshotSeq: [12, uint64],
  walStart: [13, walPosition],
  walChain: [14, repeated(walEpoch)],
  l0: [15, repeated(l0Entry)],
  runs: [16, repeated(sortedRun)],
  checkpoints: [17, repeated(checkpoint)],
  externals: [18, repeated(externalDatabase)],
  retired: [19, repeated(retiredObjects)],
  writerFloor: [20, ulidOrNone],
  compactorFloor: [21, ulidOrNone],
  pinned: [22, pinnedSettings],
  compactedSeq: [23, uint64],
  rewrittenNumber: [24, uint64],
  firstNumber: [25, uint64],
  compactorWriterEpoch: [26, uint64],
  compactorLeft: [27, bool],
  history: [28, repeated(timeSample)],
  exports: [29, repeated(exportOrigin)],
  sweptAt: [30, uint64],
});

/** The content of a run's own object, or of one of its parts. */
interface Run {
  readonly id: Ulid;
  readonly ssts: readonly SstInfo[];
}

export const runMessage: MessageType<Run> = new MessageType<Run>("Run", {
  id: [1, ulid],
  ssts: [2, repeated(sstInfoMessage)],
});

const runPart = new MessageType<RunPart>("RunPart", {
  start: [1, bytes],
  offset: [2, uint64],
  length: [3, uint64],
  sstCount: [4, uint64],
  hasRangeDeletes: [5, bool],
});

/** What stands at the end of a run's own object, where that has several parts. */
interface RunIndex {
  readonly id: Ulid;
  readonly parts: readonly RunPart[];
}

export const runIndexMessage: MessageType<RunIndex> = new MessageType<RunIndex>("RunIndex", {
  id: [1, ulid],
  parts: [2, repeated(runPart)],
});

/** The content of an object of retired objects. */
interface RetiredList {
  readonly id: Ulid;
  readonly retired: readonly RetiredObjects[];
}

export const retiredListMessage: MessageType<RetiredList> = new MessageType<RetiredList>(
  "RetiredList",
  {
    id: [1, ulid],
    retired: [2, repeated(retiredObjects)],
  },
);

/** What a load record holds besides its header. */
interface LoadRecord {
  readonly entries: readonly L0Entry[];
}

export const loadMessage: MessageType<LoadRecord> = new MessageType<LoadRecord>("LoadRecord", {
  entries: [1, repeated(l0Entry)],
});
