/** What may be deleted, as a table. Each entry of SSTs is written with the number of the manifest that retired them. */
import { expect, test } from "vitest";
import { type Manifest, RetiredKind, type RetiredObjects } from "../../../src/format/manifest.js";
import { collectible, namedInside } from "../../../src/gc/collectible.js";
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

test("a WAL object that a state names holds back all that follow it", () => {
  const names = ({ epoch, id }: { epoch: number; id: number }) => epoch === 1 && id === 4;
  const manifest = manifestOf(wal("1:1-3@1 1:3-7@2 2:1-2@3"));
  const found = collectible(manifest, [{ ...stateOf(), wal: names }], always);
  expect(found.retired.map(({ fromId, toId }) => [fromId, toId])).toEqual([
    [1, 3],
    [3, 4],
  ]);
  expect(found.namedCount).toBe(4);
});
