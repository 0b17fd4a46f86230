/** Random manifests, runs, load entries, states of compactions, lists and claims, with values of every length on the wire. */
import * as fc from "fast-check";
import { type Bytes, compareBytes, emptyBytes, equalBytes } from "../../../src/common/bytes.js";
import { type Ulid, ulidFromBytes } from "../../../src/common/ids.js";
import type { Claim } from "../../../src/format/claim.js";
import { type Compactions, JobStatus } from "../../../src/format/compactions.js";
import {
  CheckpointPurpose,
  type L0Entry,
  type Manifest,
  RetiredKind,
  type RetiredObjects,
  type RunPart,
  type SstInfo,
  type TombstoneSpan,
  WalLocation,
} from "../../../src/format/manifest.js";

const uint64 = fc.oneof(
  fc.constantFrom(0, 127, 128, 2 ** 28, 2 ** 32 - 1, 2 ** 32, 2 ** 35, Number.MAX_SAFE_INTEGER),
  fc.maxSafeNat(),
  fc.nat(300),
);
const uint32 = fc.oneof(fc.constantFrom(0, 127, 128, 2 ** 31, 2 ** 32 - 1), fc.nat());
const bytes = fc.uint8Array({ maxLength: 150 }) as fc.Arbitrary<Bytes>;
const ulid: fc.Arbitrary<Ulid> = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(ulidFromBytes);
const ulidOrNone = fc.option(ulid, { nil: "" });
const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.constantFrom("", "\ufeff", "x".repeat(33), "ü".repeat(100)),
);
const few = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(of, { maxLength: 4 });

/** Spans one after another, some of them endless; their place in the object is what `sstInfo` adds. */
const tombstoneSpans: fc.Arbitrary<TombstoneSpan[]> = fc
  .record({
    keys: fc.uniqueArray(bytes, { maxLength: 7, comparator: equalBytes }),
    isEndless: fc.boolean(),
    counts: fc.array(
      fc.record({ count: uint64.filter((count) => count > 0), seqs: fc.tuple(uint64, uint64) }),
      { minLength: 4, maxLength: 4 },
    ),
  })
  .map(({ keys, isEndless, counts }) => {
    keys.sort(compareBytes);
    const spans: TombstoneSpan[] = [];
    for (let i = 0; i + 1 < keys.length || (isEndless && i < keys.length); i += 2) {
      const { count, seqs } = counts[i / 2]!;
      spans.push({
        ...{ start: keys[i]!, end: keys[i + 1] ?? emptyBytes, endless: i + 1 === keys.length },
        ...{ count, minSeq: Math.min(...seqs), maxSeq: Math.max(...seqs) },
      });
    }
    return spans;
  });

const withSeqsUpTo = (span: TombstoneSpan, seqMax: number): TombstoneSpan => ({
  ...span,
  minSeq: Math.min(span.minSeq, seqMax),
  maxSeq: Math.min(span.maxSeq, seqMax),
});

export const sstInfo: fc.Arbitrary<SstInfo> = fc
  .record({
    id: ulid,
    offsets: fc.tuple(uint64, uint64, uint64, uint64).map((all) => all.sort((a, b) => a - b)),
    keys: fc.tuple(bytes, bytes).map((all) => all.sort(compareBytes)),
    seqs: fc.tuple(uint64, uint64).map((all) => all.sort((a, b) => a - b)),
    counts: fc.record({
      ...{ rowCount: uint64, deleteCount: uint64, maxExpiresAt: uint64 },
      ...{ seq: uint64, shadowedCount: uint64, expiringCount: uint64, owner: ulidOrNone },
    }),
    spans: tombstoneSpans,
  })
  .map(({ id, offsets, keys, seqs, counts, spans }) => {
    const [rangeDeletesOffset, metaOffset, topOffset, size] = offsets;
    const hasSection = spans.length > 0 && rangeDeletesOffset! > 0;
    return {
      ...{ id, size: size!, metaOffset: metaOffset!, topOffset: topOffset! },
      ...{ firstKey: keys[0]!, lastKey: keys[1]!, minSeq: seqs[0]!, maxSeq: seqs[1]! },
      ...counts,
      rangeDeletesOffset: hasSection ? rangeDeletesOffset! : 0,
      rangeDeletes: hasSection ? spans.map((span) => withSeqsUpTo(span, seqs[1]!)) : [],
    };
  });

const l0Entry: fc.Arbitrary<L0Entry> = fc.record({ ssts: few(sstInfo), seq: uint64 });

export const runs: fc.Arbitrary<{ id: Ulid; ssts: SstInfo[] }> = fc.record({
  id: ulid,
  ssts: few(sstInfo),
});

export const loads: fc.Arbitrary<{ entries: L0Entry[] }> = fc.record({ entries: few(l0Entry) });

const retiredObjects = fc.record({
  kind: fc.constantFrom(...Object.values(RetiredKind)),
  ...{ manifestNumber: uint64, ids: few(ulid), epoch: uint64, fromId: uint64, toId: uint64 },
});

export const retiredLists: fc.Arbitrary<{ id: Ulid; retired: RetiredObjects[] }> = fc.record({
  id: ulid,
  retired: few(retiredObjects),
});

export const runIndexes: fc.Arbitrary<{ id: Ulid; parts: RunPart[] }> = fc.record({
  id: ulid,
  parts: few(
    fc.record({
      ...{ start: bytes, offset: uint64, length: uint64, sstCount: uint64 },
      hasRangeDeletes: fc.boolean(),
    }),
  ),
});

const jobRange = fc.record({
  ...{ start: bytes, end: bytes, endless: fc.boolean(), resumeAt: bytes, done: fc.boolean() },
  outputs: few(sstInfo),
});

export const compactions: fc.Arbitrary<Compactions> = fc.record({
  ...{ number: uint64, databaseId: ulid, createdAt: uint64, token: bytes, compactorEpoch: uint64 },
  jobs: few(
    fc.record({
      ...{ id: ulid, reason: text, level: uint32, retainSeq: uint64, expiredAt: uint64 },
      inputs: fc.record({
        l0: few(ulid),
        runs: few(fc.record({ id: ulid, ssts: few(ulid) })),
      }),
      ...{ isBottom: fc.boolean(), sstBytesMax: uint64 },
      status: fc.constantFrom(...Object.values(JobStatus)),
      ...{ claim: ulidOrNone, worker: text, signNumber: uint64, attempts: uint32, failure: text },
      ...{ ranges: few(jobRange), rewrites: fc.boolean(), writerEpoch: uint64 },
    }),
  ),
});

const walRange = fc
  .record({ epoch: uint64, ids: fc.tuple(uint64, uint64) })
  .filter(({ ids }) => ids[0] !== ids[1])
  .map(({ epoch, ids }) => ({ epoch, fromId: Math.min(...ids), toId: Math.max(...ids) }));

export const manifests: fc.Arbitrary<Manifest> = fc.record({
  number: uint64,
  databaseId: ulid,
  createdAt: uint64,
  token: bytes,
  destroyed: fc.boolean(),
  requiredFeatures: fc.array(uint32, { maxLength: 60 }),
  optionalFeatures: few(uint32),
  writerEpoch: uint64,
  compactorEpoch: uint64,
  lastL0Seq: uint64,
  lastSeq: uint64,
  snapshotSeq: uint64,
  walStart: fc.record({ epoch: uint64, id: uint64 }),
  walChain: few(fc.record({ epoch: uint64, putsInFlight: uint32 })),
  l0: few(l0Entry),
  runs: few(
    fc.record({
      ...{ id: ulid, ssts: few(sstInfo), listBytes: uint64, firstKey: bytes, lastKey: bytes },
      ...{ sstCount: uint64, rowCount: uint64, size: uint64, level: uint32 },
      ...{ indexOffset: uint64, owner: ulidOrNone, rangeDeletes: tombstoneSpans },
    }),
  ),
  checkpoints: few(
    fc.record({
      ...{ id: ulid, name: text, manifestNumber: uint64, createdAt: uint64 },
      ...{ ttlMs: uint64, refreshedNumber: uint64, seq: uint64 },
      ...{ base: ulidOrNone, retained: fc.boolean(), isExpired: fc.boolean() },
      ...{ wal: few(walRange), loads: few(ulid), holder: text, holderId: ulidOrNone },
      purpose: fc.constantFrom(...Object.values(CheckpointPurpose)),
    }),
  ),
  externals: few(
    fc.record({ databaseId: ulid, path: text, checkpointId: ulidOrNone, isLeaving: fc.boolean() }),
  ),
  retired: few(retiredObjects),
  writerFloor: ulidOrNone,
  compactorFloor: ulidOrNone,
  pinned: fc.record({
    walLocation: fc.constantFrom(...Object.values(WalLocation)),
    ...{ walStoreId: text, walPath: text, mergeOperators: few(text), encryption: uint32 },
  }),
  compactedSeq: uint64,
  rewrittenNumber: uint64,
  firstNumber: uint64,
  compactorWriterEpoch: uint64,
  compactorLeft: fc.boolean(),
  history: few(fc.record({ seq: uint64, manifestNumber: uint64, at: uint64 })),
  exports: few(fc.record({ checkpointId: ulid, manifestNumber: uint64, at: uint64 })),
  sweptAt: uint64,
});

export const claims: fc.Arbitrary<Claim> = fc.record({
  ...{ number: uint64, id: ulid, databaseId: ulid, checkpointId: ulidOrNone, owner: text },
  ...{ claimedAt: uint64, beat: uint64, ended: fc.boolean() },
});
