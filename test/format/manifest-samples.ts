/** Manifests, a state of compactions and a list of SSTs with values in every field. */

import { type Bytes, encodeUtf8 } from "../../src/common/bytes.js";
import type { Ulid } from "../../src/common/ids.js";
import type { Claim } from "../../src/format/claim.js";
import { type Compactions, JobStatus } from "../../src/format/compactions.js";
import {
  Feature,
  type Manifest,
  RetiredKind,
  type SstInfo,
  type TombstoneSpan,
  WalLocation,
} from "../../src/format/manifest.js";
import { plainCheckpoint } from "../../src/manifest/plain-checkpoint.js";

export const databaseId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
export const otherDatabaseId = "01BX5ZZKBKACTAV9WEVGEMMVRZ";
export const ids: readonly [Ulid, Ulid, Ulid] = [
  "01CX5ZZKBKACTAV9WEVGEMMVS0",
  "01CX5ZZKBKACTAV9WEVGEMMVS1",
  "01CX5ZZKBKACTAV9WEVGEMMVS2",
];
export const token: Bytes = Uint8Array.from({ length: 16 }, (_, i) => i + 1);

export const sst = (id: string, seq: number): SstInfo => ({
  ...{ id, size: 5_000_000_000, metaOffset: 4_999_000_000, topOffset: 4_999_900_000 },
  ...{ firstKey: encodeUtf8("a"), lastKey: Uint8Array.of(255, 0), minSeq: seq, maxSeq: seq + 9 },
  ...{ rowCount: 10, deleteCount: 2, maxExpiresAt: 1_800_000_000_000 },
  ...{
    rangeDeletesOffset: 0,
    rangeDeletes: [],
    seq: 0,
    shadowedCount: 0,
    expiringCount: 0,
    owner: "",
  },
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
        owner: "",
        rangeDeletes: [],
      },
    },
  ],
  checkpoints: [
    {
      id: ids[0],
      name: "día",
      manifestNumber: 3,
      createdAt: 1,
      ttlMs: 60_000,
      refreshedNumber: 4,
      ...plainCheckpoint,
    },
  ],
  externals: [
    { databaseId: otherDatabaseId, path: "other/path", checkpointId: ids[1], isLeaving: false },
  ],
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
  compactorWriterEpoch: 0,
  compactorLeft: false,
  history: [],
  exports: [],
  sweptAt: 0,
};

/** What came with compaction: in the manifest, in SSTs, and a run whose list stands elsewhere. */
export const compacted: Manifest = {
  ...withoutRuns(manifest),
  runs: [
    {
      ...{ id: ids[2], ssts: [], listBytes: 300_000, indexOffset: 299_000, owner: "" },
      ...{ firstKey: encodeUtf8("a"), lastKey: encodeUtf8("z"), sstCount: 2500, rowCount: 1e9 },
      ...{ size: 160_000_000_000, level: 0 },
      rangeDeletes: [span(encodeUtf8("m"), undefined, { count: 70, minSeq: 0, maxSeq: 33 })],
    },
    {
      ...{ id: ids[0], listBytes: 0, indexOffset: 0, owner: "", rangeDeletes: [], level: 0 },
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
  return { ...sst(id, 0), maxSeq: 0, seq: 17, shadowedCount: 3, expiringCount: 200, owner: "" };
}

/** The second of a target, as its heartbeat has it. */
export const claim: Claim = {
  ...{ number: 2, id: ids[1], databaseId, checkpointId: ids[0], owner: "host ü 7" },
  ...{ claimedAt: 1_700_000_000_000, beat: 3, ended: true },
};

/** A job that nobody has yet, one under way in two ranges, and one that failed. */
export const compactions: Compactions = {
  ...{ number: 12, databaseId, createdAt: 1_700_000_000_000, token, compactorEpoch: 3 },
  jobs: [
    {
      ...{ id: ids[0], reason: "size-tiered: 2 L0 entries", level: 0, retainSeq: 39 },
      ...{ inputs: { l0: [ids[1], ids[2]], runs: [{ id: ids[0], ssts: [] }] } },
      ...{ expiredAt: 1_700_000_000_001, isBottom: true, sstBytesMax: 67_108_864 },
      ...{ status: JobStatus.open, claim: "", worker: "", signNumber: 0, attempts: 0 },
      ...{ failure: "", ranges: [], rewrites: false, writerEpoch: 0 },
    },
    {
      ...{ id: ids[1], reason: "leveled: level 2 is too large", level: 3, retainSeq: 12 },
      ...{ inputs: { l0: [], runs: [{ id: ids[2], ssts: [ids[0], ids[1]] }] } },
      ...{ expiredAt: 7, isBottom: false, sstBytesMax: 1 },
      ...{ status: JobStatus.done, claim: ids[2], worker: "host ü", signNumber: 11, attempts: 2 },
      ...{ failure: "", rewrites: true, writerEpoch: 0 },
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
      rewrites: false,
      writerEpoch: 0,
      failure: 'Object "sst/x.sst" is damaged',
    },
  ],
};

/** An SST without rows, one with both, and in a run one with more range deletes than spans. */
export const withRangeDeletes: Manifest = {
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

/** Of a list that is cut anywhere. */
export const runSsts: SstInfo[] = Array.from({ length: 5 }, (_, i) => ({
  ...sst(ids[i % 3]!, 1),
  ...{ firstKey: encodeUtf8(`${i}a`), lastKey: encodeUtf8(`${i}z`) },
  ...(i === 3 && {
    rangeDeletesOffset: 4_000_000_000,
    rangeDeletes: [span(encodeUtf8("3"), encodeUtf8("4"), { count: 1, minSeq: 8, maxSeq: 8 })],
  }),
}));
