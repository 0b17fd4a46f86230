/** Jobs over SSTs with as many rows as a test wants, which a compaction thread has to itself. */
import { concatBytes, encodeUtf8 } from "../../src/common/bytes.js";
import { RowKind, RowRef } from "../../src/common/row.js";
import type { JobSource, JobTask } from "../../src/compaction/job.js";
import type { CompactionJob, JobRange } from "../../src/format/compactions.js";
import { JobStatus } from "../../src/format/compactions.js";
import type { SstInfo } from "../../src/format/manifest.js";
import { SstBuilder } from "../../src/format/sst-builder.js";
import { verifySst } from "../../src/format/verify-sst.js";
import { packOperands } from "../../src/merge/packed-operands.js";
import type { ObjectStore } from "../../src/object-store/object-store.js";
import { ObjectPaths } from "../../src/object-store/paths.js";

const databaseId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const jobId = "01JZZZZZZZ0000000000000000";

export interface TaskSizes {
  /** L0 entries of one SST each, which all have the same keys. */
  readonly entries: number;
  /** Of each. */
  readonly rows: number;
  readonly valueBytes: number;
  /** Rows are merges of operator 1, each operand one byte: the number of its entry. */
  readonly merges?: boolean;
}

/** Stores inputs; all seqs may be dropped, and nothing lies beneath. */
export async function storeTask(
  store: ObjectStore,
  { entries, rows, valueBytes, merges = false }: TaskSizes,
  over: Partial<CompactionJob> = {},
): Promise<JobTask> {
  const sources: JobSource[] = [];
  for (let entry = 0; entry < entries; entry++) {
    const id = `01AAAAAAAA${String(entry).padStart(16, "0")}`;
    const builder = new SstBuilder({ id, databaseId });
    const row = new RowRef();
    for (let i = 0; i < rows; i++) {
      row.keyBytes = encodeUtf8(`key${String(i).padStart(8, "0")}`);
      row.keyEnd = row.keyBytes.length;
      row.seq = entry + 1;
      row.kind = merges ? RowKind.merge : RowKind.put;
      row.operatorId = merges ? 1 : 0;
      const value = new Uint8Array(valueBytes).fill(entry + i);
      row.valueBytes = merges ? packOperands([new Uint8Array([entry])]) : value;
      row.valueEnd = row.valueBytes.length;
      builder.add(row);
    }
    const { chunks, info } = builder.finish();
    await store.put(ObjectPaths.sst(id), concatBytes(chunks));
    sources.unshift({ ssts: [info], seq: 0 });
  }
  const l0 = sources.flatMap(({ ssts }) => ssts.map(({ id }) => id)).reverse();
  return {
    ...{ databaseId, sources },
    job: {
      ...{ id: jobId, reason: "test", inputs: { l0, runs: [] }, level: 0 },
      ...{ retainSeq: entries, expiredAt: 0, isBottom: true, sstBytesMax: 256 * 1024 },
      ...{ status: JobStatus.open, claim: "", worker: "", signNumber: 0, attempts: 0 },
      ...{ failure: "", ranges: [], rewrites: false, writerEpoch: 0, ...over },
    },
    build: {
      ...{ blockBytes: 4096, filter: "bloom", filterBitsPerKey: 10 },
      ...{ unfilteredSstBytesMax: 0, compression: undefined },
    },
  };
}

/** Key, kind, seq and value of each row of the outputs, in key order; outputs that are not sound throw. */
export async function rowsOf(
  store: ObjectStore,
  ranges: readonly JobRange[],
): Promise<readonly string[]> {
  const rows: string[] = [];
  for (const { id } of outputsOf(ranges)) {
    const object = ObjectPaths.sst(id);
    const { bytes } = (await store.get(object))!;
    verifySst(bytes, {
      ...{ object, databaseId, id },
      onRow: (row) => {
        const key = Buffer.from(row.key()).toString();
        rows.push(`${key} ${row.kind} ${row.seq} ${Buffer.from(row.value()).toString("hex")}`);
      },
    });
  }
  return rows;
}

export function outputsOf(ranges: readonly JobRange[]): readonly SstInfo[] {
  return ranges.flatMap(({ outputs }) => outputs);
}
