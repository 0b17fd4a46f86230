/** An inspection as plain JSON: bytes as text or base64, times in ms since 1970, names of kinds rather than numbers. */
import type { CompactionJob, JobRange } from "../format/compactions.js";
import {
  type L0Entry,
  type Manifest,
  RetiredKind,
  type SortedRun,
  type SstInfo,
  type TombstoneSpan,
  WalLocation,
} from "../format/manifest.js";
import { rangeDeleteCount } from "../format/tombstone-spans.js";
import { jsonBytes } from "./encoding.js";
import { jobStatusName, outputBytes } from "./inspect-compactions.js";
import type { Inspection } from "./inspect-database.js";

/** Programs rely on the names: add, don't rename. */
export function toJson(inspection: Inspection): Record<string, unknown> {
  const { manifest, manifestBytes, wal, compactions, totals, objects } = inspection;
  return {
    databaseId: manifest.databaseId,
    manifest: manifestJson(manifest, manifestBytes),
    wal: { start: manifest.walStart, chain: manifest.walChain, logs: wal ?? null },
    l0: manifest.l0.map(l0Json),
    runs: manifest.runs.map(runJson),
    checkpoints: manifest.checkpoints,
    externals: manifest.externals,
    retired: manifest.retired.map(({ kind, ...entry }) => ({
      kind: retiredKindName(kind),
      ...entry,
    })),
    compactions: compactions
      ? {
          number: compactions.number,
          compactorEpoch: compactions.compactorEpoch,
          jobs: compactions.jobs.map(jobJson),
        }
      : null,
    totals,
    ...(objects && { objects }),
  };
}

function manifestJson(manifest: Manifest, bytes: number): Record<string, unknown> {
  const { pinned } = manifest;
  return {
    number: manifest.number,
    bytes,
    createdAt: manifest.createdAt,
    destroyed: manifest.destroyed,
    requiredFeatures: manifest.requiredFeatures,
    optionalFeatures: manifest.optionalFeatures,
    writerEpoch: manifest.writerEpoch,
    compactorEpoch: manifest.compactorEpoch,
    lastSeq: manifest.lastSeq,
    lastL0Seq: manifest.lastL0Seq,
    snapshotSeq: manifest.snapshotSeq,
    writerFloor: manifest.writerFloor,
    compactorFloor: manifest.compactorFloor,
    compactedSeq: manifest.compactedSeq,
    rewrittenNumber: manifest.rewrittenNumber,
    firstNumber: manifest.firstNumber,
    sweptAt: manifest.sweptAt,
    pinned: { ...pinned, walLocation: nameOf(WalLocation, pinned.walLocation) },
  };
}

const l0Json = (entry: L0Entry): object => ({ seq: entry.seq, ssts: entry.ssts.map(sstJson) });

function sstJson(sst: SstInfo): Record<string, unknown> {
  const { firstKey, lastKey, rangeDeletes, ...numbers } = sst;
  return {
    ...numbers,
    ...jsonBytes("firstKey", firstKey),
    ...jsonBytes("lastKey", lastKey),
    rangeDeleteCount: rangeDeleteCount(sst),
    rangeDeletes: rangeDeletes.map(spanJson),
  };
}

function spanJson({ start, end, endless, ...numbers }: TombstoneSpan): Record<string, unknown> {
  return { ...jsonBytes("start", start), ...(endless ? {} : jsonBytes("end", end)), ...numbers };
}

function runJson(run: SortedRun): Record<string, unknown> {
  const { firstKey, lastKey, ssts, rangeDeletes, ...numbers } = run;
  return {
    ...numbers,
    ...jsonBytes("firstKey", firstKey),
    ...jsonBytes("lastKey", lastKey),
    rangeDeletes: rangeDeletes.map(spanJson),
    ssts: ssts.map(sstJson),
  };
}

function jobJson(job: CompactionJob): Record<string, unknown> {
  const { ranges, status, ...about } = job;
  return {
    ...about,
    status: jobStatusName(job),
    outputBytes: outputBytes(job),
    ranges: ranges.map(rangeJson),
  };
}

function rangeJson({ start, end, endless, resumeAt, ...about }: JobRange): Record<string, unknown> {
  return {
    ...jsonBytes("start", start),
    ...(endless ? {} : jsonBytes("end", end)),
    ...jsonBytes("resumeAt", resumeAt),
    ...about,
    outputs: about.outputs.map(sstJson),
  };
}

export const retiredKindName = (kind: number): string => nameOf(RetiredKind, kind);

/** The name of a number, or the number itself when a later version gave it. */
function nameOf(names: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(names).find((name) => names[name] === value) ?? String(value);
}
