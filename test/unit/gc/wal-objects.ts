/** WAL objects with one record, made as a writer makes them. */
import type { Random } from "../../../src/common/random.js";
import { RowKind } from "../../../src/common/row.js";
import { encodeWalGroup } from "../../../src/format/wal-object.js";
import { MemTable } from "../../../src/memtable/mem-table.js";
import { databaseId } from "../manifest/manifests.js";

export function walGroup(group: {
  epoch: number;
  id: number;
  seq: number;
  random: Random;
}): Uint8Array {
  const { epoch, id, seq, random } = group;
  const key = Uint8Array.of(1);
  const record = new MemTable().applyOne(seq, 0, RowKind.put, key, key, 0);
  return encodeWalGroup(databaseId, {
    ...{ epoch, id, token: random.bytes(16), firstSeq: seq, lastSeq: seq, recordCount: 1 },
    records: [record.chunk.subarray(record.start, record.end)],
  });
}
