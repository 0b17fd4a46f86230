import { beforeAll, expect, test } from "vitest";
import { equalBytes } from "../../../src/common/bytes.js";
import { systemClock } from "../../../src/common/clock.js";
import { CorruptionError, StoreError } from "../../../src/common/errors.js";
import { systemRandom } from "../../../src/common/random.js";
import { RowKind } from "../../../src/common/row.js";
import { CompactionFilterError } from "../../../src/compaction/compaction-filter.js";
import type { JobSource } from "../../../src/compaction/job.js";
import { SliceRunner } from "../../../src/compaction/slice-runner.js";
import type { JobRange } from "../../../src/format/compactions.js";
import { packOperands, unpackOperands } from "../../../src/merge/packed-operands.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import type {
  GetOptions,
  PutSource,
  RequestOptions,
} from "../../../src/object-store/object-store.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { retrying } from "../../../src/object-store/retrying.js";
import { loadEngine } from "../../support/load-engine.js";
import { type PlainRow, plainRow } from "../sst/row-model.js";
import {
  decodeOutputs,
  type ModelSource,
  newTask,
  now,
  runTask,
  storeSources,
} from "./job-model.js";

beforeAll(loadEngine);

const sizes = { blockBytes: 4096, indexPartitionBytes: 4096, sstBytesMax: 1_000_000 };
const bottom = { isBottom: true, retainSeq: 1_000_000 };

function source(rows: readonly PlainRow[], over: Partial<ModelSource> = {}): ModelSource {
  return { rows, rangeDeletes: [], seq: 0, cuts: [], ...over };
}

function keyAt(n: number): string {
  return `key ${String(n).padStart(6, "0")}`;
}

/** Two sources of so many rows with keys in turn, each value of so many bytes. */
function interleaved(count: number, valueBytes: number): ModelSource[] {
  return [1, 0].map((odd) =>
    source(
      Array.from({ length: count }, (_, i) => {
        const value = new Uint8Array(valueBytes).map((_byte, at) => (i * 31 + at * 7) & 255);
        return plainRow(keyAt(2 * i + odd), 1 + 2 * i + odd, { value });
      }),
    ),
  );
}

async function allRows(store: MemoryObjectStore, ranges: readonly JobRange[]): Promise<PlainRow[]> {
  return (await decodeOutputs(store, ranges)).flatMap(({ rows }) => rows);
}

/** Fails puts of streams after some pieces, for as long as it is told to. */
class BreakingStore extends MemoryObjectStore {
  breaks = 0;
  streams = 0;
  wholes = 0;
  held: number[] = [];

  override async put(key: string, body: PutSource, options?: RequestOptions): Promise<void> {
    if (!key.startsWith("sst/") || typeof body !== "function") {
      this.wholes++;
      return super.put(key, body, options);
    }
    this.streams++;
    if (this.breaks-- > 0) {
      let pieces = 0;
      for await (const _ of body()) if (++pieces === 3) break;
      throw new StoreError("unavailable", "broken off", { object: key });
    }
    return super.put(
      key,
      async function* (this: BreakingStore) {
        for await (const piece of body()) {
          this.held.push(piece.length);
          yield piece;
        }
      }.bind(this),
      options,
    );
  }
}

test("a large output is sent while it is built, and built again for a request that is sent again", async () => {
  const store = new BreakingStore();
  const sources = await storeSources(store, interleaved(6000, 2000), sizes);
  store.wholes = 0;
  const task = newTask(bottom, sources, { ...sizes, sstBytesMax: 100_000_000 });
  const random = { ...systemRandom, next: () => 0 };
  const patient = retrying(store, { clock: systemClock, random, deadlineMs: 60_000 });
  const [whole] = await decodeOutputs(store, await runTask(store, task));
  expect([store.streams, store.wholes]).toEqual([1, 0]);
  // The first piece is what was built before the request began.
  expect(Math.max(...store.held)).toBeLessThan(10 * 1024 * 1024);
  store.breaks = 2;
  const ranges = await runTask(store, task, { store: patient });
  expect(store.streams).toBe(4);
  const [again] = await decodeOutputs(store, ranges);
  expect(again!.rows.length).toBe(12_000);
  expect(equalBytes(again!.bytes, whole!.bytes)).toBe(true);
});

test("a small output is one request", async () => {
  const store = new BreakingStore();
  const sources = await storeSources(store, interleaved(50, 10), sizes);
  store.wholes = 0;
  await runTask(store, newTask(bottom, sources, sizes));
  expect([store.streams, store.wholes]).toEqual([0, 1]);
});

test("an output that cannot be stored is a StoreError, and what was stored before is reported", async () => {
  const store = new MemoryObjectStore();
  const sources = await storeSources(store, interleaved(300, 100), sizes);
  const small = newTask(bottom, sources, { ...sizes, sstBytesMax: 10_000 });
  let puts = 0;
  const put = store.put.bind(store);
  store.put = (key, body, options) => {
    if (++puts === 3) return Promise.reject(new StoreError("denied", "no", { object: key }));
    return put(key, body, options);
  };
  let reached: readonly JobRange[] = [];
  const progress = (ranges: readonly JobRange[]): void => {
    reached = ranges;
  };
  await expect(runTask(store, small, { progress })).rejects.toMatchObject({ reason: "denied" });
  expect(reached[0]!.outputs.length).toBe(2);
  const resumed = await runTask(
    store,
    newTask(bottom, sources, { ...sizes, sstBytesMax: 10_000 }, { ranges: reached }),
  );
  expect((await allRows(store, resumed)).length).toBe(600);
});

test("a damaged or missing input fails the job with its name, also while an output is being sent", async () => {
  const store = new MemoryObjectStore();
  const sources = await storeSources(store, interleaved(6000, 2000), sizes);
  const task = newTask(bottom, sources, { ...sizes, sstBytesMax: 100_000_000 });
  const { id, metaOffset } = sources[1]!.ssts[0]!;
  const path = ObjectPaths.sst(id);
  const { bytes } = (await store.get(path))!;
  bytes[metaOffset - 50_000]! ^= 1;
  await store.put(path, bytes);
  const random = { ...systemRandom, next: () => 0 };
  const patient = retrying(store, { clock: systemClock, random, deadlineMs: 60_000 });
  await expect(runTask(store, task, { store: patient })).rejects.toMatchObject({
    kind: "corruption",
    object: path,
  });
  await store.delete([path]);
  await expect(runTask(store, task)).rejects.toThrow(CorruptionError);
  await expect(runTask(store, task)).rejects.toThrow(path);
});

test("damage in a partition that is copied is found", async () => {
  const store = new MemoryObjectStore();
  const rows = (from: number) =>
    Array.from({ length: 4000 }, (_, i) =>
      plainRow(keyAt(from + i), 1 + i, { value: new Uint8Array(90) }),
    );
  const sources = await storeSources(store, [source(rows(10_000)), source(rows(50_000))], sizes);
  const task = newTask(bottom, sources, { ...sizes, sstBytesMax: 3_000_000 });
  const [output] = await decodeOutputs(store, await runTask(store, task));
  expect(output!.copiedBlockCount).toBeGreaterThan(100);
  const path = ObjectPaths.sst(sources[0]!.ssts[0]!.id);
  const { bytes } = (await store.get(path))!;
  bytes[200_000]! ^= 1;
  await store.put(path, bytes);
  await expect(runTask(store, task)).rejects.toMatchObject({ kind: "corruption", object: path });
});

test("an abort and a close end a job, with their reasons", async () => {
  const store = new MemoryObjectStore();
  const sources = await storeSources(store, interleaved(3000, 500), sizes);
  const task = newTask(bottom, sources, { ...sizes, sstBytesMax: 50_000 });
  const stop = new AbortController();
  const progress = (ranges: readonly JobRange[]) => {
    if (ranges[0]!.outputs.length === 2) stop.abort(new Error("enough"));
  };
  await expect(runTask(store, task, { progress, signal: stop.signal })).rejects.toThrow("enough");
  const runner = new SliceRunner({ store, clock: systemClock, random: systemRandom });
  const running = runner.run(task, { progress: () => undefined }, new AbortController().signal);
  const failed = expect(running).rejects.toMatchObject({ kind: "closed" });
  await runner.close();
  await failed;
});

test("what is written is taken from the throttle", async () => {
  const store = new MemoryObjectStore();
  const sources = await storeSources(store, interleaved(300, 100), sizes);
  let taken = 0;
  const throttle = {
    take: async (bytes: number) => {
      taken += bytes;
    },
  };
  const ranges = await runTask(store, newTask(bottom, sources, sizes), { throttle });
  expect(taken).toBe(ranges[0]!.outputs.reduce((sum, { size }) => sum + size, 0));
});

test("merges stay as they are where the operator is not at hand or fails", async () => {
  const operand = (text: string) => packOperands([new TextEncoder().encode(text)]);
  const merge = (key: string, seq: number, text: string) =>
    plainRow(key, seq, { kind: RowKind.merge, operatorId: 1, value: operand(text) });
  const rows = [
    merge("a", 5, "x"),
    plainRow("a", 2),
    merge("b", 6, "y"),
    merge("b", 3, "!"),
    plainRow("b", 1),
  ];
  const run = async (over: Parameters<typeof runTask>[2]) => {
    const store = new MemoryObjectStore();
    const sources = await storeSources(
      store,
      [source(rows.slice(2)), source(rows.slice(0, 2))],
      sizes,
    );
    return (await allRows(store, await runTask(store, newTask(bottom, sources, sizes), over))).map(
      ({ key, seq, kind }) => [new TextDecoder().decode(key), seq, kind],
    );
  };
  const { put, merge: merged } = RowKind;
  expect(await run({})).toEqual([
    ["a", 5, put],
    ["b", 6, merged],
    ["b", 1, put],
  ]);
  const kept = [
    ["a", 5, merged],
    ["a", 2, put],
    ["b", 6, merged],
    ["b", 3, merged],
    ["b", 1, put],
  ];
  expect(await run({ operators: undefined })).toEqual(kept);
});

test("very many merges of one key are joined on the way, in order", async () => {
  const count = 3000;
  const rows = Array.from({ length: count }, (_, i) =>
    plainRow("key", count - i, {
      ...{ kind: RowKind.merge, operatorId: 1, expiresAt: now + 1 + count - i },
      value: packOperands([Uint8Array.of(97 + ((count - i) % 26))]),
    }),
  );
  const store = new MemoryObjectStore();
  const steady = rows.map((row) => ({ ...row, expiresAt: 0 }));
  const keep = { isBottom: false, retainSeq: count };
  const joined = async (all: PlainRow[]) => {
    const sources = await storeSources(store, [source(all)], { ...sizes, blockBytes: 500 });
    const small = { ...sizes, blockBytes: 500 };
    return allRows(store, await runTask(store, newTask(keep, sources, small)));
  };
  const [one, ...others] = await joined(steady);
  expect(others).toEqual([]);
  const letters = unpackOperands(one!.value, "test").flatMap((operand) => [...operand]);
  expect(letters).toEqual(steady.map(({ value }) => value[1]!).reverse());
  // What expires earlier cannot be taken in by what does later.
  expect((await joined(rows)).length).toBe(count);
});

test("a filter keeps, drops and changes the newest values, and nothing else", async () => {
  const rows = ["drop", "keep", "change"]
    .map((key, i) => plainRow(key, 10 + i))
    .sort((a, b) => (new TextDecoder().decode(a.key) < new TextDecoder().decode(b.key) ? -1 : 1));
  const newer = [plainRow("drop", 100)];
  const asked: string[] = [];
  const filter = ({ key }: { key: Uint8Array }) => {
    const name = new TextDecoder().decode(key);
    asked.push(name);
    return name === "change" ? { value: "changed" } : (name as "drop" | "keep");
  };
  const store = new MemoryObjectStore();
  const sources = await storeSources(store, [source(newer), source(rows)], sizes);
  const run = async (isBottom: boolean, rewrites = true) => {
    const task = newTask({ isBottom, retainSeq: 50 }, sources, sizes, { rewrites });
    return (await allRows(store, await runTask(store, task, { filter }))).map(
      ({ key, seq, kind, value, createdAt }) => [
        ...[
          new TextDecoder().decode(key),
          seq,
          kind,
          new TextDecoder().decode(value),
          createdAt - 1_700_000_000_000,
        ],
      ],
    );
  };
  const { put, delete: gone } = RowKind;
  const kept = [
    ["change", 12, put, "changed", 12],
    ["drop", 100, put, "value 100", 100],
    ["keep", 11, put, "value 11", 11],
  ];
  expect(await run(true)).toEqual(kept);
  expect(asked).toEqual(["change", "drop", "keep"]);
  expect(await run(false)).toEqual([...kept.slice(0, 2), ["drop", 10, gone, "", 10], kept[2]]);
  asked.length = 0;
  expect((await run(true, false))[0]).toEqual(["change", 12, put, "value 12", 12]);
  expect(asked).toEqual([]);
});

test("a filter that throws or answers nonsense fails the job and names the key", async () => {
  const store = new MemoryObjectStore();
  const sources = await storeSources(store, [source([plainRow("mine", 1)])], sizes);
  const task = newTask(bottom, sources, sizes, { rewrites: true });
  const failing = (filter: () => never) => runTask(store, task, { filter });
  await expect(
    failing(() => {
      throw new Error("my fault");
    }),
  ).rejects.toThrow(/"mine".*my fault/);
  await expect(failing(() => 7 as never)).rejects.toThrow(CompactionFilterError);
  await expect(failing(() => ({ value: 7 }) as never)).rejects.toMatchObject({ kind: "invalid" });
});

test("range deletes alone become SSTs without rows, and at the bottom nothing", async () => {
  const store = new MemoryObjectStore();
  const range = { start: Uint8Array.of(98), end: undefined, seq: 9 };
  const all = [source([], { rangeDeletes: [range] }), source([plainRow("c", 3), plainRow("d", 4)])];
  const sources = await storeSources(store, all, sizes);
  const above = await runTask(store, newTask({ isBottom: false, retainSeq: 20 }, sources, sizes));
  expect(await decodeOutputs(store, above)).toMatchObject([{ rows: [], rangeDeletes: [range] }]);
  const done = await runTask(store, newTask({ isBottom: true, retainSeq: 20 }, sources, sizes));
  expect(done).toMatchObject([{ done: true, outputs: [] }]);
});

test("a large job is cut into ranges that are merged at once", async () => {
  const store = new MemoryObjectStore();
  const sources: JobSource[] = await storeSources(store, interleaved(4000, 200), {
    ...sizes,
    indexPartitionBytes: 60,
  });
  const steps: number[] = [];
  const small = { ...sizes, sstBytesMax: 40_000 };
  const ranges = await runTask(store, newTask(bottom, sources, small), {
    rangesInFlight: 3,
    progress: (at) => void steps.push(at.length),
  });
  expect(ranges.length).toBe(8);
  expect(new Set(steps)).toEqual(new Set([8]));
  const bytes = ranges.map(({ outputs }) => outputs.reduce((sum, { size }) => sum + size, 0));
  expect(Math.min(...bytes)).toBeGreaterThan(Math.max(...bytes) / 2);
  const rows = await allRows(store, ranges);
  expect(rows.map(({ key }) => new TextDecoder().decode(key))).toEqual(
    Array.from({ length: 8000 }, (_, i) => keyAt(i)),
  );
});

test("inputs are read in large windows, in the background and past the cache", async () => {
  const requests: { length: number; background: boolean | undefined }[] = [];
  class Watched extends MemoryObjectStore {
    override get(key: string, options?: GetOptions) {
      const range = options?.range;
      const length = range !== undefined && "length" in range ? range.length : 0;
      requests.push({ length, background: options?.background });
      return super.get(key, options);
    }
  }
  const store = new Watched();
  const sources = await storeSources(store, interleaved(6000, 1000), sizes);
  requests.length = 0;
  await runTask(store, newTask(bottom, sources, { ...sizes, sstBytesMax: 4_000_000 }));
  expect(requests.every(({ background }) => background === true)).toBe(true);
  expect(requests.filter(({ length }) => length > 1_900_000).length).toBe(6);
  expect(requests.length).toBeLessThan(12);
});
