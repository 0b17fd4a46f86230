/** What is dispatched and what is retired, for every state that a short queue can be in. */
import { expect, test } from "vitest";
import { ulidBefore } from "../../../src/common/ids.js";
import { RowKind } from "../../../src/common/row.js";
import {
  entriesOf,
  firstSeqOf,
  floorAfter,
  flushedBelow,
  lastSeqOf,
  nextToDispatch,
  type Queued,
  selectBatch,
} from "../../../src/flush/flush-plan.js";
import { MemTable } from "../../../src/memtable/mem-table.js";
import { sstOf, ulid } from "../manifest/manifests.js";

/**
 * One letter per table or load, oldest first: a table "w" waits for dispatch, "u" is uploading, "d" is done; "l" is a load
 * of two entries, whose ids are older than those of tables before it.
 */
function queueOf(states: string): Queued[] {
  return [...states].map((state, i) => {
    if (state === "l") {
      return {
        loaded: [
          { ssts: [sstOf(earlyId(i), 0, 0), sstOf(earlyId(i) + 1, 0, 0)], seq: 10 * (i + 1) },
          { ssts: [sstOf(earlyId(i) + 2, 0, 0)], seq: 10 * (i + 1) + 1 },
        ],
      };
    }
    const table = new MemTable();
    // Seqs have gaps: 10 and 11, 20 and 21 and so on.
    for (const seq of [10 * (i + 1), 10 * (i + 1) + 1]) {
      table.applyOne(seq, 0, RowKind.put, Uint8Array.of(1), Uint8Array.of(1), 0);
    }
    table.freeze();
    const id = state === "w" ? undefined : ulid(tableId(i));
    return {
      table,
      id,
      sst: state === "d" ? sstOf(tableId(i), 10 * (i + 1), 10 * (i + 1) + 1) : undefined,
    };
  });
}

/** Of a load at this place in the queue, the first of three ids: the later it began, the later its place. */
const earlyId = (i: number): number => 10 + 3 * (5 - i);
const tableId = (i: number): number => 100 + i;

/** Every id that the queue holds. */
const idsOf = (queue: readonly Queued[]): string[] =>
  queue.flatMap((queued) => {
    if (queued.loaded !== undefined)
      return queued.loaded.flatMap(({ ssts }) => ssts.map((sst) => sst.id));
    return queued.id ?? [];
  });

/** Tables are dispatched in order, so one that waits is behind those that do not. Loads wait for nobody. */
function everyQueue(): string[] {
  const all = [""];
  for (let start = 0, length = 1; length <= 5; length++) {
    const end = all.length;
    for (let i = start; i < end; i++) {
      for (const state of all[i]!.includes("w") ? "wl" : "wudl") all.push(all[i]! + state);
    }
    start = end;
  }
  return all;
}

test("a batch is the longest prefix that is uploaded and durable", () => {
  for (const states of everyQueue()) {
    const queue = queueOf(states);
    for (const durableSeq of [0, 10, 11, 12, 19, 21, 35, 51, 60]) {
      let expected = 0;
      while (/[dl]/.test(states[expected] ?? "") && 10 * (expected + 1) + 1 <= durableSeq)
        expected++;
      expect(selectBatch(queue, durableSeq), `${states} ${durableSeq}`).toEqual(
        queue.slice(0, expected),
      );
    }
  }
});

test("the oldest table without an id is dispatched next", () => {
  for (const states of everyQueue()) {
    const first = states.indexOf("w");
    const queue = queueOf(states);
    expect(nextToDispatch(queue), states).toBe(first < 0 ? undefined : queue[first]);
  }
});

test("the floor rises below every id that is given and not named yet, and as far as it can", () => {
  for (const states of everyQueue()) {
    const queue = queueOf(states);
    const lastMinted = ulid(1000);
    // Ids of a load under way: older than all, between the others, newer than all.
    for (const reserved of [[], [ulid(1)], [ulid(50)], [ulid(999), ulid(27)]]) {
      for (let count = 0; count <= queue.length && isRetirable(states, count); count++) {
        const floor = floorAfter(queue, count, reserved, lastMinted);
        const pending = [...idsOf(queue.slice(count)), ...reserved].sort();
        for (const id of pending) expect(floor < id, states).toBe(true);
        // Nothing fits between the floor and the least of them.
        expect(floor, states).toBe(pending.length === 0 ? lastMinted : ulidBefore(pending[0]!));
      }
    }
  }
});

test("what is retired holds every seq below the first that is left, and nothing above", () => {
  for (const states of everyQueue()) {
    const queue = queueOf(states);
    for (let count = 0; count <= queue.length; count++) {
      const below = flushedBelow(queue, count);
      for (const [i, queued] of queue.entries()) {
        expect(lastSeqOf(queued) < below, states).toBe(i < count);
        expect(firstSeqOf(queued) < below, states).toBe(i < count);
      }
    }
  }
});

test("a batch becomes L0 entries in seq order: one of each table, and those of its loads as they are", () => {
  for (const states of everyQueue()) {
    const queue = queueOf(states);
    for (let count = 0; count <= queue.length && isRetirable(states, count); count++) {
      const entries = entriesOf(queue.slice(0, count));
      const expected = [...states.slice(0, count)].flatMap((state, i) => {
        const first = 10 * (i + 1);
        return state === "l" ? [first, first + 1] : [first];
      });
      expect(entries.map(({ seq, ssts }) => seq || ssts[0]!.minSeq)).toEqual(expected);
      expect(entries.flatMap(({ ssts }) => ssts.map(({ id }) => id))).toEqual(
        idsOf(queue.slice(0, count)),
      );
    }
  }
});

/** Its first `count` are uploaded. */
const isRetirable = (states: string, count: number): boolean =>
  /^[dl]*$/.test(states.slice(0, count));
