import { expect, test } from "vitest";
import { resolveSources } from "../../../src/compaction/resolve-sources.js";
import type { L0Entry, Manifest, SortedRun, SstInfo } from "../../../src/format/manifest.js";

const sst = (id: string) => ({ id }) as SstInfo;
const entry = (id: string, seq = 0): L0Entry => ({ ssts: [sst(id), sst(`${id}2`)], seq });
const run = (id: string, ids: string[], listBytes = 0) =>
  ({ id, ssts: listBytes === 0 ? ids.map(sst) : [], listBytes }) as unknown as SortedRun;
const manifest = {
  l0: [entry("old"), entry("load", 9), entry("new")],
  runs: [run("r1", ["a", "b", "c"]), run("r2", ["d", "e"], 1000)],
} as unknown as Manifest;
const lists = new Map([["r2", [sst("d"), sst("e")]]]);
const ids = (inputs: Parameters<typeof resolveSources>[2]) =>
  resolveSources(manifest, lists, inputs)?.map(({ ssts, seq }) => [
    ...ssts.map(({ id }) => id),
    seq,
  ]);

test("sources come newest first, with the SSTs of runs that are asked for", () => {
  const runs = [
    { id: "r1", ssts: ["b", "c"] },
    { id: "r2", ssts: [] },
  ];
  expect(ids({ l0: ["old", "load"], runs })).toEqual([
    ["load", "load2", 9],
    ["old", "old2", 0],
    ["b", "c", 0],
    ["d", "e", 0],
  ]);
});

test("inputs that are not there are told apart from empty ones", () => {
  expect(ids({ l0: [], runs: [] })).toEqual([]);
  expect(ids({ l0: ["gone"], runs: [] })).toBe(undefined);
  expect(ids({ l0: ["load2"], runs: [] })).toBe(undefined);
  expect(ids({ l0: [], runs: [{ id: "r3", ssts: [] }] })).toBe(undefined);
  expect(ids({ l0: [], runs: [{ id: "r1", ssts: ["a", "d"] }] })).toBe(undefined);
  expect(resolveSources(manifest, new Map(), { l0: [], runs: [{ id: "r2", ssts: [] }] })).toBe(
    undefined,
  );
});
