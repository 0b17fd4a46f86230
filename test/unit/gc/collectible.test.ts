/** What may be deleted, as a table. Each entry of SSTs is written with the number of the manifest that retired them. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Manifest, RetiredKind, type RetiredObjects } from "../../../src/format/manifest.js";
import { collectible, namedInside } from "../../../src/gc/collectible.js";
import { plainCheckpoint } from "../../../src/manifest/plain-checkpoint.js";
import { walRange } from "../../../src/manifest/retired-wal.js";
import { empty, entryOf, ulid } from "../manifest/manifests.js";

const ssts = (manifestNumber: number, ...ids: number[]): RetiredObjects => ({
  ...{ kind: RetiredKind.sst, manifestNumber, ids: ids.map(ulid), epoch: 0, fromId: 0, toId: 0 },
});
const of = (kind: number, manifestNumber: number, ...ids: number[]): RetiredObjects => ({
  ...ssts(manifestNumber, ...ids),
  kind: kind as RetiredKind,
});
const manifestOf = (
  retired: readonly RetiredObjects[],
  over: Partial<Manifest> = {},
): Manifest => ({
  ...{ ...empty, number: 100, walStart: { epoch: 9, id: 1 }, retired },
  ...over,
});
const stateOf = (...ids: number[]) => ({ ssts: new Set(ids.map(ulid)), runs: new Set<string>() });
const always = () => true;
const checkpointOf = (id: number) => ({
  ...{ ...plainCheckpoint, id: ulid(id), name: "", manifestNumber: 1 },
  ...{ createdAt: 0, ttlMs: 0, refreshedNumber: 1 },
});

/** "1 2" for SSTs 1 and 2. */
const idsOf = (entries: readonly RetiredObjects[]): string =>
  entries.flatMap(({ ids }) => ids.map((id) => Number(id.slice(2)))).join(" ");

test.each<[string, RetiredObjects[], number[], number, string, [young: number, named: number]]>([
  ["nothing is retired", [], [], 99, "", [0, 0]],
  ["all that is old goes", [ssts(3, 1, 2), ssts(5, 3)], [], 5, "1 2 3", [0, 0]],
  ["what is young stays", [ssts(3, 1), ssts(5, 2, 3)], [], 4, "1", [2, 0]],
  ["what a checkpoint names stays", [ssts(3, 1, 2, 3)], [2], 9, "1 3", [0, 1]],
  ["an entry that is named whole stays", [ssts(3, 1), ssts(4, 2)], [1], 9, "2", [0, 1]],
  ["named and young is counted as named", [ssts(3, 1, 2)], [1], 0, "", [1, 1]],
  ["the oldest go first", [ssts(7, 3), ssts(2, 1), ssts(4, 2)], [], 9, "1 2 3", [0, 0]],
  ["blobs and later kinds stay", [of(3, 1, 1), of(77, 1, 2)], [], 9, "", [0, 0]],
])("%s", (_, retired, named, lastOld, gone, [young, namedCount]) => {
  const found = collectible(manifestOf(retired), [stateOf(...named)], (n) => n <= lastOld);
  expect(idsOf(found.retired)).toBe(gone);
  expect([found.youngCount, found.namedCount]).toEqual([young, namedCount]);
});

test("what the manifest itself names stays: in L0, in a run, and a run's own object", () => {
  const run = { ...{ id: ulid(8), ssts: entryOf(7, 1, 1).ssts }, listBytes: 0 } as never;
  const manifest = manifestOf([ssts(1, 6, 7, 8), of(RetiredKind.run, 1, 7, 8)], {
    ...{ l0: [entryOf(6, 1, 1)], runs: [run] },
  });
  const found = collectible(manifest, [], always);
  expect(idsOf(found.retired.filter(({ kind }) => kind === RetiredKind.sst))).toBe("8");
  expect(idsOf(found.retired.filter(({ kind }) => kind === RetiredKind.run))).toBe("7");
  expect(namedInside(manifest).ssts.has(ulid(7))).toBe(true);
});

test("of a list some may go, and what is left of it is told", () => {
  const list = of(RetiredKind.list, 50, 60);
  const lists = new Map([[ulid(60), [ssts(3, 1, 2), ssts(9, 3), ssts(4, 4)]]]);
  const found = collectible(manifestOf([list]), [stateOf(2)], (n) => n <= 5, lists);
  expect(found.retired).toEqual([]);
  expect(found.lists).toHaveLength(1);
  expect([idsOf(found.lists[0]!.gone), idsOf(found.lists[0]!.left)]).toEqual(["1 4", "2 3"]);
  expect(collectible(manifestOf([list]), [], always).lists).toEqual([]);
  expect(collectible(manifestOf([list]), [], () => false, lists).lists).toEqual([]);
});

const wal = (text: string): RetiredObjects[] =>
  text.split(" ").map((piece) => {
    const [, epoch, from, to, number] = /^(\d+):(\d+)-(\d+)@(\d+)$/.exec(piece)!.map(Number);
    return walRange(epoch!, from!, to!, number!);
  });

test.each([
  ["in log order, whatever their order on the list", "2:1-4@3 1:1-9@5", 9, "1:1-9 2:1-4"],
  ["none before an older one that is young", "1:1-9@7 2:1-4@3", 5, ""],
  ["up to the first that is young", "1:1-3@2 1:3-6@4 1:6-9@7 2:1-2@3", 5, "1:1-3 1:3-6"],
  ["none that replay may read", "9:1-2@1", 9, ""],
  ["up to where replay starts", "8:1-4@1 9:1-3@1", 9, "8:1-4"],
])("WAL ranges go %s", (_, retired, lastOld, gone) => {
  const found = collectible(manifestOf(wal(retired)), [], (n) => n <= lastOld);
  const text = found.retired.map(({ epoch, fromId, toId }) => `${epoch}:${fromId}-${toId}`);
  expect(text.join(" ")).toBe(gone);
});

const rangesOf = (entries: readonly RetiredObjects[]): string =>
  entries.map(({ epoch, fromId, toId }) => `${epoch}:${fromId}-${toId}`).join(" ");

test("WAL objects that a checkpoint names stay, and what is behind them goes", () => {
  const wal1 = { epoch: 1, fromId: 4, toId: 5 };
  const wal3 = { epoch: 3, fromId: 1, toId: 9 };
  const checkpoint = { ...checkpointOf(90), wal: [wal1, wal3], isExpired: true };
  const retired = wal("1:1-3@1 1:3-7@2 2:1-2@3 3:1-4@3 4:1-2@9");
  const manifest = manifestOf(retired, { checkpoints: [checkpoint] });
  const found = collectible(manifest, [], (n) => n <= 5);
  expect(rangesOf(found.retired)).toBe("1:1-3 1:3-4 1:5-7 2:1-2");
  expect([found.youngCount, found.namedCount]).toEqual([1, 4]);
});

test("loads that a checkpoint names stay", () => {
  const checkpoint = { ...checkpointOf(90), loads: [ulid(2)] };
  const manifest = manifestOf([ssts(1, 1, 2, 3)], { checkpoints: [checkpoint] });
  expect(idsOf(collectible(manifest, [], always).retired)).toBe("1 3");
});

test("remnants go as other WAL does", () => {
  const [piece] = wal("1:1-3@1");
  const manifest = manifestOf([{ ...piece!, kind: RetiredKind.walRemnant }]);
  expect(rangesOf(collectible(manifest, [], always).retired)).toBe("1:1-3");
});

test("what stays, for any pins, is what is named, young, or behind what is young", () => {
  const pieces = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.boolean()), { maxLength: 8 });
  const pins = fc.array(fc.tuple(fc.nat(20), fc.nat(6)), { maxLength: 4 });
  void fc.assert(
    fc.property(pieces, pins, (counts, named) => {
      let id = 1;
      let number = 1;
      const retired = counts.map(([count, isYoung]) => {
        number += isYoung ? 10 : 1;
        id += count;
        return walRange(1, id - count, id, number);
      });
      const walOf = named.map(([from, count]) => ({ epoch: 1, fromId: from, toId: from + count }));
      const checkpoints = walOf.map((range) => ({ ...checkpointOf(90), wal: [range] }));
      const found = collectible(manifestOf(retired, { checkpoints }), [], (n) => n <= 12);
      const gone = new Set<number>();
      for (const { fromId, toId } of found.retired) for (let i = fromId; i < toId; i++) gone.add(i);
      for (const { fromId, toId, manifestNumber } of retired) {
        for (let i = fromId; i < toId; i++) {
          const isNamed = walOf.some((range) => range.fromId <= i && i < range.toId);
          expect(gone.has(i), `${i}`).toBe(manifestNumber <= 12 && !isNamed);
        }
      }
      expect(found.youngCount + found.namedCount + gone.size).toBe(id - 1);
    }),
  );
});
