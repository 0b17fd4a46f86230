/** Checkpoints are attached, copied, refreshed and retained; and what a durable one names of every small state of logs. */
import { expect, test } from "vitest";
import { ExistsError, NotFoundError } from "../../../src/common/errors.js";
import type { Checkpoint, Manifest } from "../../../src/format/manifest.js";
import { durableContent } from "../../../src/manifest/checkpoint-content.js";
import { endCheckpoints } from "../../../src/manifest/checkpoint-expiry.js";
import { toCheckpointInfo } from "../../../src/manifest/checkpoint-info.js";
import { sizesOf } from "../../../src/manifest/checkpoint-sizes.js";
import {
  attachCheckpoint,
  findCheckpoint,
  refreshCheckpoint,
  setRetained,
} from "../../../src/manifest/checkpoint-transitions.js";
import { checkpointOf, choices, listing } from "./checkpoint-lists.js";
import { entryOf, ulid } from "./manifests.js";

const added = { id: ulid(50), createdAt: 4000 };
const last = (manifest: Manifest): Checkpoint => manifest.checkpoints.at(-1)!;

test("it pins the commit that adds it, and is added once", () => {
  const once = attachCheckpoint({ ...added, name: "a", ttlMs: 7 })(listing([], { lastL0Seq: 3 }));
  const numbers = { manifestNumber: 101, refreshedNumber: 101, seq: 3 };
  expect(once.checkpoints).toEqual([
    checkpointOf(50, { ...numbers, createdAt: 4000, name: "a", ttlMs: 7 }),
  ]);
  expect(attachCheckpoint({ ...added, name: "a" })(once)).toBe(once);
});

test("a name is taken by what is listed, not by what lingers", () => {
  const list = [checkpointOf(0, { name: "a" }), checkpointOf(1, { base: ulid(0) })];
  const attach = attachCheckpoint({ ...added, name: "a" });
  expect(() => attach(listing(list))).toThrow(ExistsError);
  const lingering = endCheckpoints([ulid(0)])(listing(list));
  expect(findCheckpoint(lingering, "a")).toBeUndefined();
  expect(findCheckpoint(lingering, ulid(0))).toBeUndefined();
  expect(last(attach(lingering)).name).toBe("a");
});

test("a base, and a source, is found by id or by name among what is listed", () => {
  const base = { seq: 9, loads: [ulid(7)], wal: [{ epoch: 1, fromId: 2, toId: 4 }] };
  const list = [checkpointOf(0, { name: "a", ...base }), checkpointOf(1, { base: ulid(0) })];
  for (const wanted of ["a", ulid(0)]) {
    expect(last(attachCheckpoint({ ...added, base: wanted })(listing(list))).base).toBe(ulid(0));
    expect(last(attachCheckpoint({ ...added, source: wanted })(listing(list)))).toMatchObject({
      ...{ ...base, manifestNumber: 0, refreshedNumber: 101, name: "", createdAt: 4000 },
    });
    const lingering = endCheckpoints([ulid(0)])(listing(list));
    for (const role of ["base", "source"]) {
      const attach = attachCheckpoint({ ...added, [role]: wanted });
      expect(() => attach(lingering)).toThrow(NotFoundError);
      expect(() => attach(listing([]))).toThrow(/There is no checkpoint/);
    }
  }
});

test("nothing is added to a database that was destroyed", () => {
  expect(() => attachCheckpoint(added)(listing([], { destroyed: true }))).toThrow(NotFoundError);
});

test("a refresh counts from its own commit, with another ttl or none; one that has ended does not come back", () => {
  const manifest = listing([checkpointOf(0, { ttlMs: 5 }), checkpointOf(1, { base: ulid(0) })]);
  for (const [ttlMs, expected] of [
    [undefined, 5],
    [9, 9],
    [0, 0],
  ] as const) {
    const [one, other] = refreshCheckpoint(ulid(0), ttlMs)(manifest).checkpoints;
    expect(one).toEqual(checkpointOf(0, { ttlMs: expected, refreshedNumber: 101 }));
    expect(other).toBe(manifest.checkpoints[1]);
  }
  const lingering = endCheckpoints([ulid(0)])(manifest);
  expect(() => refreshCheckpoint(ulid(0))(lingering)).toThrow(NotFoundError);
});

test("retaining twice is one change; what is not listed is none", () => {
  const manifest = listing([checkpointOf(0)]);
  const retained = setRetained(ulid(0), true)(manifest);
  expect(last(retained).retained).toBe(true);
  expect(setRetained(ulid(0), true)(retained)).toBe(retained);
  expect(setRetained(ulid(0), false)(retained)).toEqual(manifest);
  expect(setRetained(ulid(1), true)(manifest)).toBe(manifest);
});

test("what is told of a checkpoint leaves out what it has not", () => {
  expect(toCheckpointInfo(checkpointOf(3))).toEqual({
    ...{ id: ulid(3), seq: 0, manifestNumber: 3, createdAt: 1003, retained: false },
    ...{ purpose: "user", isExpired: false },
  });
  expect(toCheckpointInfo(checkpointOf(3, { purpose: 99 as 1 })).purpose).toBe("other");
});

test("a durable one names exactly what is stored from the start of replay on, for every start and every end of two logs", () => {
  const starts = [1, 2].flatMap((epoch) => [1, 2, 3].map((id) => ({ epoch, id })));
  for (const walStart of starts) {
    for (const [end1, end2] of choices([
      [undefined, 1, 2, 3, 4],
      [undefined, 1, 2, 3, 4],
    ])) {
      const walChain = [1, 2]
        .filter((epoch) => epoch >= walStart.epoch)
        .map((epoch) => ({ epoch, putsInFlight: 2 }));
      const ends = new Map<number, number>();
      if (end1 !== undefined) ends.set(1, end1);
      if (end2 !== undefined) ends.set(2, end2);
      const manifest = listing([], { walStart, walChain, writerEpoch: 2, lastL0Seq: 5 });
      const { wal } = durableContent(manifest, { ends, lastSeq: 9, loads: [] });
      const named = wal.flatMap(({ epoch, fromId, toId }) =>
        Array.from({ length: toId - fromId }, (_, i) => `${epoch}/${fromId + i}`),
      );
      const expected: string[] = [];
      for (const epoch of [1, 2]) {
        for (let id = 1; id < (ends.get(epoch) ?? 0); id++) {
          const isReplayed =
            epoch > walStart.epoch || (epoch === walStart.epoch && id >= walStart.id);
          if (isReplayed) expected.push(`${epoch}/${id}`);
        }
      }
      expect(named).toEqual(expected);
      for (const { fromId, toId } of wal) expect(fromId).toBeLessThan(toId);
    }
  }
});

test("it names the loads between the last L0 seq and the last that is stored", () => {
  const loads = [3, 4, 5, 6].map((seq) => ({ ...entryOf(seq, 0, 0), seq }));
  for (const lastL0Seq of [0, 3, 4, 5, 6, 7]) {
    for (const lastSeq of [0, 3, 4, 5, 6, 7]) {
      const content = durableContent(listing([], { lastL0Seq }), {
        ends: new Map(),
        lastSeq,
        loads,
      });
      const expected = [3, 4, 5, 6].filter((seq) => seq > lastL0Seq && seq <= lastSeq);
      expect(content.loads).toEqual(expected.map(ulid));
      expect(content.seq).toBe(Math.max(lastL0Seq, lastSeq));
    }
  }
});

test("sizes: the sum of all that only one keeps, for every way in which 3 objects are shared by two checkpoints and the newest state", () => {
  const sizes = new Map([
    ["a", 1],
    ["b", 10],
    ["c", 100],
  ]);
  const sets = [...choices([...sizes.keys()].map((key) => ["", key]))];
  const objects = (keys: readonly string[]) =>
    new Map(
      keys
        .filter((key) => key !== "")
        .map((key) => [key, { bytes: sizes.get(key)!, isOwn: key !== "c" }]),
    );
  const sum = (keys: readonly string[]): number =>
    keys.reduce((total, key) => total + (sizes.get(key) ?? 0), 0);
  for (const [newest, one, two] of choices([sets, sets, sets])) {
    const [first, second] = sizesOf(objects(newest!), [
      { id: ulid(1), base: "", names: objects(one!) },
      { id: ulid(2), base: ulid(1), names: objects(two!) },
    ]);
    const only = (mine: string[], others: string[][]): number =>
      sum(mine.filter((key) => key !== "c" && !others.some((keys) => keys.includes(key))));
    expect(first).toEqual({
      ...{ objectCount: objects(one!).size, totalBytes: sum(one!), addedBytes: undefined },
      exclusiveBytes: only(one!, [newest!, two!]),
    });
    expect(second).toEqual({
      ...{ objectCount: objects(two!).size, totalBytes: sum(two!) },
      addedBytes: sum(two!.filter((key) => !one!.includes(key))),
      exclusiveBytes: only(two!, [newest!, one!]),
    });
  }
});
