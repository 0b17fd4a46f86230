/** What is dispatched and what is retired, for every state that a short queue can be in. */
import { expect, test } from "vitest";
import { RowKind } from "../../../src/common/row.js";
import {
  floorAfter,
  nextToDispatch,
  type QueuedTable,
  selectBatch,
} from "../../../src/flush/flush-plan.js";
import { MemTable } from "../../../src/memtable/mem-table.js";
import { sstOf, ulid } from "../manifest/manifests.js";

/** One letter per table, oldest first: "w" waits for dispatch, "u" is uploading, "d" is done. */
function queueOf(states: string): QueuedTable[] {
  return [...states].map((state, i) => {
    const table = new MemTable();
    // Seqs have gaps: 10 and 11, 20 and 21 and so on.
    for (const seq of [10 * (i + 1), 10 * (i + 1) + 1]) {
      table.applyOne(seq, 0, RowKind.put, Uint8Array.of(1), Uint8Array.of(1), 0);
    }
    table.freeze();
    const id = state === "w" ? undefined : ulid(i + 1);
    return {
      table,
      id,
      sst: state === "d" ? sstOf(i + 1, 10 * (i + 1), 10 * (i + 1) + 1) : undefined,
    };
  });
}

/** Dispatch is in order, so what waits is behind what does not. */
function everyQueue(): string[] {
  const all = [""];
  for (let start = 0, length = 1; length <= 5; length++) {
    const end = all.length;
    for (let i = start; i < end; i++) {
      for (const state of all[i]!.endsWith("w") ? "w" : "wud") all.push(all[i]! + state);
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
      while (states[expected] === "d" && 10 * (expected + 1) + 1 <= durableSeq) expected++;
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
    const minted = queue.filter(({ id }) => id !== undefined).length;
    const lastMinted = ulid(minted);
    for (let count = 1; count <= queue.length && states[count - 1] === "d"; count++) {
      const floor = floorAfter(queue, count, [], lastMinted);
      const pending = queue.slice(count).flatMap(({ id }) => (id === undefined ? [] : [id]));
      for (const id of pending) expect(floor < id, states).toBe(true);
      expect(floor >= queue[count - 1]!.id!).toBe(true);
      if (pending.length === 0) expect(floor).toBe(lastMinted);
    }
  }
});
