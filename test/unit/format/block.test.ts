import fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes } from "../../../src/common/bytes.js";
import { RowKind, RowRef } from "../../../src/common/row.js";
import { Block, BlockFind } from "../../../src/format/block.js";
import { BlockBuilder } from "../../../src/format/block-builder.js";
import { BlockCursor } from "../../../src/format/block-cursor.js";
import { expectEqual } from "../../support/expect-equal.js";
import { sampled } from "../../support/run-counts.js";
import {
  type PlainRow,
  plainRow,
  probeKeys,
  sortedRows,
  toPlain,
  toRef,
} from "../sst/row-model.js";

function buildBlock(rows: PlainRow[], restartInterval: number): Block {
  const builder = new BlockBuilder(restartInterval, 4096);
  rows.forEach((row, i) => {
    const before = rows[i - 1]?.key ?? new Uint8Array(0);
    let shared = 0;
    while (shared < Math.min(row.key.length, before.length) && row.key[shared] === before[shared])
      shared++;
    builder.add(toRef(row), shared);
  });
  return new Block(builder.finish(0, true).copy(), "sst/test.sst", 0);
}

const restartIntervals = fc.constantFrom(1, 2, 3, 16);

test("any walk of steps in both directions and seeks stands where a walk over an array stands", () => {
  const moves = fc.array(
    fc.tuple(fc.constantFrom("next", "previous", "after", "before", "first", "last"), fc.nat()),
    {
      maxLength: 60,
    },
  );
  fc.assert(
    fc.property(sortedRows, restartIntervals, moves, (rows, restartInterval, walk) => {
      const cursor = new BlockCursor();
      cursor.reset(buildBlock(rows, restartInterval));
      const probes = probeKeys(rows);
      let at = -1;
      let stands = false;
      for (const [move, which] of walk) {
        const key = probes[which % probes.length]!;
        let target = -1;
        let moved = false;
        if (move === "next") {
          target = stands ? at + 1 : 0;
          moved = cursor.next();
        } else if (move === "previous") {
          target = stands ? at - 1 : rows.length - 1;
          moved = cursor.previous();
        } else if (move === "after") {
          target = rows.findIndex((row) => compareBytes(row.key, key) >= 0);
          moved = cursor.seekAtOrAfter(key);
        } else if (move === "before") {
          target = rows.findLastIndex((row) => compareBytes(row.key, key) <= 0);
          moved = cursor.seekAtOrBefore(key);
        } else {
          target = move === "first" ? 0 : rows.length - 1;
          moved = move === "first" ? cursor.seekFirst() : cursor.seekLast();
        }
        expect(moved).toBe(target >= 0 && target < rows.length);
        if (moved) {
          at = target;
          stands = true;
          expectEqual(toPlain(cursor.row), rows[at]);
        } else if (move === "after" || move === "before") {
          cursor.reset(buildBlock(rows, restartInterval));
          stands = false;
        }
      }
    }),
    { numRuns: sampled(400) },
  );
});

test("find gives the newest version at or below every seq, or says on which side it looked past it", () => {
  fc.assert(
    fc.property(sortedRows, restartIntervals, (rows, restartInterval) => {
      const block = buildBlock(rows, restartInterval);
      const row = new RowRef();
      const seqs = [
        0,
        Number.MAX_SAFE_INTEGER,
        ...rows.flatMap(({ seq }) => [seq, Math.max(0, seq - 1)]),
      ];
      for (const key of probeKeys(rows)) {
        for (const seq of seqs.slice(0, 40)) {
          const index = rows.findIndex(
            (r) => compareBytes(r.key, key) > 0 || (compareBytes(r.key, key) === 0 && r.seq <= seq),
          );
          const expected = rows[index];
          const found = block.find(key, seq, row);
          if (expected === undefined) expect(found).toBe(BlockFind.after);
          else if (compareBytes(expected.key, key) > 0) expect(found).toBe(BlockFind.miss);
          else {
            expect(found).toBe(BlockFind.hit);
            expectEqual(toPlain(row), expected);
          }
        }
      }
    }),
    { numRuns: sampled(60) },
  );
});

test("the greatest numbers and the longest keys survive", () => {
  const max = Number.MAX_SAFE_INTEGER;
  const rows = [
    plainRow(new Uint8Array(65_534).fill(255), max, {
      createdAt: 0,
      expiresAt: max,
      kind: RowKind.merge,
      operatorId: max,
    }),
    plainRow(new Uint8Array(65_535).fill(255), max, { createdAt: max }),
    plainRow(new Uint8Array(65_535).fill(255), 0, {
      createdAt: 0,
      value: new Uint8Array(300_000).fill(1),
    }),
  ];
  const cursor = new BlockCursor();
  cursor.reset(buildBlock(rows, 16));
  for (const row of rows) {
    expect(cursor.next()).toBe(true);
    expectEqual(toPlain(cursor.row), row);
  }
  expect(cursor.next()).toBe(false);
  expectEqual(cursor.previous() && toPlain(cursor.row), rows[1]);
});

test("bytes that are no block are corruption, never an endless walk or a wrong length", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(3), (noise, restartCount) => {
      const payload = Uint8Array.from([...noise, restartCount, 0, 0, 0]);
      try {
        const cursor = new BlockCursor();
        cursor.reset(new Block(payload, "sst/noise.sst", 0));
        for (let i = 0; cursor.next(); i++) expect(i).toBeLessThan(60);
        cursor.seekLast();
      } catch (error) {
        expect(["CorruptionError", "UnsupportedError"]).toContain((error as Error).name);
      }
    }),
    { numRuns: sampled(2000) },
  );
});
