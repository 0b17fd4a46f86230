/** What a MemTable holds is what its SST holds: rows, and range deletes, in whatever order they were written. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { concatBytes } from "../../../src/common/bytes.js";
import { systemClock } from "../../../src/common/clock.js";
import type { FragmentedTombstones } from "../../../src/common/fragmented-tombstones.js";
import type { RangeTombstone } from "../../../src/common/range-tombstone.js";
import { OperationKind } from "../../../src/common/row.js";
import { buildSst } from "../../../src/flush/build-sst.js";
import { encodeRangeEnd } from "../../../src/format/range-delete-operation.js";
import { verifySst } from "../../../src/format/verify-sst.js";
import { MemTable } from "../../../src/memtable/mem-table.js";
import { ManualClock } from "../../../src/testing/index.js";
import { asTombstones, rangeDeletes, sortedTombstones } from "../format/tombstone-model.js";
import { databaseId, sstId, toPlain } from "../sst/row-model.js";

const options = { id: sstId, databaseId };
const never = new AbortController().signal;

function rangeDelete(table: MemTable, seq: number, { start, end }: RangeTombstone): void {
  table.applyOne(seq, 1000 + seq, OperationKind.rangeDelete, start, encodeRangeEnd(end), 0);
}

test("every row and every range delete is in the SST, also without rows", async () => {
  const writes = fc.array(fc.oneof(fc.uint8Array({ maxLength: 3 }), rangeDeletes), {
    ...{ minLength: 1, maxLength: 12 },
  });
  await fc.assert(
    fc.asyncProperty(writes, fc.boolean(), async (all, isRead) => {
      const table = new MemTable();
      const expected: RangeTombstone[] = [];
      const puts: Uint8Array[] = [];
      let seq = 0;
      for (const write of all) {
        if (write instanceof Uint8Array) {
          puts.push(write);
          table.applyOne(++seq, 1000 + seq, OperationKind.put, write, write, 0);
          continue;
        }
        for (const each of write) {
          rangeDelete(table, ++seq, each);
          expected.push({ ...each, seq });
        }
      }
      if (isRead) table.rangeDeletes?.fragmented();
      table.freeze();
      const { chunks, info } = await buildSst(table, options, systemClock, never);
      let found: FragmentedTombstones | undefined;
      const rows: Uint8Array[] = [];
      const verified = verifySst(concatBytes(chunks), {
        ...{ object: "o", databaseId, id: sstId },
        onRow: (row) => void rows.push(toPlain(row).key),
        onRangeDeletes: (ranges) => {
          found = ranges;
        },
      });
      expect(verified).toEqual(info);
      expect(info).toMatchObject({ minSeq: 1, maxSeq: seq, rowCount: puts.length });
      expect(rows).toHaveLength(puts.length);
      expect(found === undefined ? [] : asTombstones(found)).toEqual(sortedTombstones(expected));
    }),
    { numRuns: 100 },
  );
});

/** Each look at it comes after its slice has ended. */
class LateClock extends ManualClock {
  turns = 0;
  onTurn: () => void = () => undefined;
  #now = 0;
  override monotonic(): number {
    this.#now += 5;
    return this.#now;
  }
  override endOfTurn(callback: () => void): void {
    this.turns++;
    this.onTurn();
    setImmediate(callback);
  }
}

test("many range deletes are worked on in slices, any of which an abort ends", async () => {
  const count = 40_000;
  const table = new MemTable();
  const expected: RangeTombstone[] = [];
  for (let i = 0; i < count; i++) {
    const at = (i * 7919) % count;
    const start = Uint8Array.of(1, at >> 8, at & 255);
    const end = i % 3 === 0 ? Uint8Array.of(1, at >> 8, at & 255, 0) : Uint8Array.of(2, i & 15);
    rangeDelete(table, i + 1, { start, end, seq: 0 });
    expected.push({ start, end, seq: i + 1 });
  }
  table.freeze();
  const clock = new LateClock();
  const { info, chunks } = await buildSst(table, options, clock, never);
  // A step is a portion to cut, or some thousand boundaries to join or write.
  expect(clock.turns).toBeGreaterThan(94);
  let found: string[] = [];
  const verified = verifySst(concatBytes(chunks), {
    ...{ object: "o", databaseId, id: sstId },
    onRangeDeletes: (all) => {
      found = asTombstones(all);
    },
  });
  expect(verified).toEqual(info);
  expect(found).toEqual(sortedTombstones(expected));
  for (const endAt of [1, 10, clock.turns]) {
    const controller = new AbortController();
    const other = new LateClock();
    other.onTurn = () => {
      if (other.turns === endAt) controller.abort(new Error("enough"));
    };
    await expect(buildSst(table, options, other, controller.signal)).rejects.toThrow("enough");
    expect(other.turns).toBe(endAt);
  }
});
