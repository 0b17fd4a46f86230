/** `LoadWriter`: chunks in, stored SSTs out, whatever comes in and whatever the store does. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes, decodeUtf8, encodeUtf8 } from "../../../src/common/bytes.js";
import { systemClock } from "../../../src/common/clock.js";
import { deferred } from "../../../src/common/deferred.js";
import { LoadChunk } from "../../../src/flush/load-chunk.js";
import { LoadWriter, type LoadWriterOptions } from "../../../src/flush/load-writer.js";
import type { SstInfo } from "../../../src/format/manifest.js";
import { verifySst } from "../../../src/format/verify-sst.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import type { PutSource, RequestOptions } from "../../../src/object-store/object-store.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { ManualClock } from "../../../src/testing/index.js";
import { expectEqual } from "../../support/expect-equal.js";
import { turns } from "../db/support.js";
import { databaseId, ulid } from "../manifest/manifests.js";

/** Counts uploads under way; `gate` is what each waits for. */
class Uploads extends MemoryObjectStore {
  inFlight = 0;
  inFlightMax = 0;
  bytesInFlight = 0;
  bytesInFlightMax = 0;
  gate: (count: number) => Promise<void> = () => turns(1);
  count = 0;

  override async put(key: string, source: PutSource, options?: RequestOptions): Promise<void> {
    const bytes = typeof source === "function" ? 0 : source.length;
    this.inFlightMax = Math.max(this.inFlightMax, ++this.inFlight);
    this.bytesInFlight += bytes;
    this.bytesInFlightMax = Math.max(this.bytesInFlightMax, this.bytesInFlight);
    try {
      await this.gate(++this.count);
      options?.signal?.throwIfAborted();
      await super.put(key, source, options);
    } finally {
      this.inFlight--;
      this.bytesInFlight -= bytes;
    }
  }
}

interface Scene {
  readonly store: Uploads;
  readonly writer: LoadWriter;
  readonly abort: AbortController;
  readonly reserved: string[];
  readonly stored: [rows: number, bytes: number][];
  readonly failures: unknown[];
}

function newScene(over: Partial<LoadWriterOptions> = {}): Scene {
  const store = new Uploads();
  const abort = new AbortController();
  const [reserved, stored, failures]: [string[], [number, number][], unknown[]] = [[], [], []];
  const writer = new LoadWriter({
    ...{ store, clock: new ManualClock(), sst: { databaseId, blockBytes: 200 }, sstBytes: 1000 },
    ...{ uploadsInFlight: 3, createdAt: 7, signal: abort.signal },
    reserve: () => reserved[reserved.push(ulid(reserved.length + 1)) - 1]!,
    onStored: (rows, bytes) => void stored.push([rows, bytes]),
    onFailed: (error) => void failures.push(error),
    ...over,
  });
  return { store, writer, abort, reserved, stored, failures };
}

type Pair = readonly [key: string, value: string];

function chunkOf(rows: readonly Pair[]): LoadChunk {
  const chunk = new LoadChunk();
  for (const [key, value] of rows) chunk.add(encodeUtf8(key), encodeUtf8(value));
  return chunk;
}

const ascending = (count: number, from = 0): Pair[] =>
  Array.from({ length: count }, (_, i) => [`key ${String(from + i).padStart(6, "0")}`, `v ${i}`]);

async function listed(store: MemoryObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list({ prefix: "" })) keys.push(key);
  return keys.sort();
}

/** The rows of an SST, which is what the manifest will say of it to the last byte. */
async function rowsOf(store: MemoryObjectStore, info: SstInfo): Promise<Pair[]> {
  const object = ObjectPaths.sst(info.id);
  const rows: Pair[] = [];
  const { bytes } = (await store.get(object))!;
  const said = verifySst(bytes, {
    ...{ object, databaseId, id: info.id },
    onRow: (row) => {
      expectEqual([row.seq, row.createdAt], [0, 7]);
      rows.push([decodeUtf8(row.key()), decodeUtf8(row.value())]);
    },
  });
  expectEqual(said, info);
  return rows;
}

test("any chunks: runs in the order of arrival, without overlaps, and the last to arrive wins", async () => {
  const pair = fc.tuple(
    fc.nat(40).map(String),
    fc.nat(400).map((n) => "v".repeat(n)),
  );
  const chunks = fc.array(fc.array(pair, { minLength: 1, maxLength: 30 }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(chunks, fc.constantFrom(1, 300, 5000), async (input, sstBytes) => {
      const { store, writer, reserved, stored } = newScene({ sstBytes });
      for (const rows of input) await writer.add(chunkOf(rows));
      const runs = await writer.finish();
      const found = new Map<string, string>();
      for (const ssts of runs) {
        for (const [i, info] of ssts.entries()) {
          if (i > 0) expect(compareBytes(ssts[i - 1]!.lastKey, info.firstKey)).toBeLessThan(0);
          for (const [key, value] of await rowsOf(store, info)) found.set(key, value);
        }
      }
      expectEqual(found, new Map(input.flat()));
      expectEqual(
        runs.flat().map(({ id }) => id),
        reserved,
      );
      expect((await listed(store)).length).toBe(reserved.length);
      const rows = runs.flat().reduce((sum, { rowCount }) => sum + rowCount, 0);
      expect(stored.reduce((sum, [count]) => sum + count, 0)).toBe(rows);
      expect(runs.every((ssts) => ssts.length > 0)).toBe(true);
    }),
    { numRuns: 100 },
  );
});

test("a chunk above the last one continues its run, within its SST; any other begins a new one", async () => {
  const { store, writer } = newScene({ sstBytes: 1_000_000 });
  const sorted = chunkOf(ascending(10));
  expect(writer.isContinuedBy(sorted)).toBe(false);
  await writer.add(sorted);
  for (const rows of [ascending(10, 9), ascending(10, 10).toReversed()]) {
    expect(writer.isContinuedBy(chunkOf(rows))).toBe(false);
  }
  expect(writer.isContinuedBy(chunkOf(ascending(10, 10)))).toBe(true);
  await writer.add(chunkOf(ascending(10, 10)));
  await writer.add(chunkOf(ascending(10, 20).toReversed()));
  await writer.add(chunkOf(ascending(1, 29)));
  const runs = await writer.finish();
  expectEqual(
    runs.map((ssts) => ssts.map(({ rowCount }) => rowCount)),
    [[30], [1]],
  );
  expect((await rowsOf(store, runs[0]![0]!)).length).toBe(30);
});

test("no more than uploadsInFlight SSTs are on their way, and so many are", async () => {
  for (const uploadsInFlight of [1, 3, 8]) {
    const { store, writer } = newScene({ uploadsInFlight });
    store.gate = () => turns(3);
    for (let i = 0; i < 20; i++) await writer.add(chunkOf(ascending(100, i * 100)));
    await writer.finish();
    expect(store.inFlightMax).toBe(uploadsInFlight);
    expect(store.bytesInFlightMax).toBeLessThan(uploadsInFlight * 3000);
    expect(store.inFlight).toBe(0);
  }
});

test.each([
  ["twice its size", 100, 200],
  ["a hundred times its size", 4, 400],
])("SSTs that one row made larger, %s, are fewer on their way", async (_, sstKiB, rowKiB) => {
  const KiB = 1024;
  const uploadsInFlight = 4;
  const { store, writer, stored } = newScene({ uploadsInFlight, sstBytes: sstKiB * KiB });
  store.gate = () => turns(3);
  const value = "v".repeat(rowKiB * KiB);
  for (let i = 0; i < 20; i++) await writer.add(chunkOf([[String(i + 100), value]]));
  const runs = await writer.finish();
  expectEqual([runs.length, runs[0]!.length, stored.length], [1, 20, 20]);
  // Each SST may be over by 64 KiB, and one is on its way whatever its size; 1 % for indexes and filters.
  const bytesMax = Math.max(uploadsInFlight * (sstKiB + 64), rowKiB) * KiB * 1.01;
  expect(store.bytesInFlightMax).toBeLessThan(bytesMax);
  expect(store.bytesInFlightMax).toBeGreaterThan(bytesMax - (rowKiB + 64) * KiB);
  expect(store.inFlight).toBe(0);
});

test("rows that go a little over the size of an SST hold back none of the uploads", async () => {
  const { store, writer } = newScene({ uploadsInFlight: 4, sstBytes: 100_000 });
  store.gate = () => turns(3);
  for (let i = 0; i < 60; i++) {
    await writer.add(chunkOf([[String(i + 100), "v".repeat(60_000)]]));
  }
  await writer.finish();
  expect(store.inFlightMax).toBe(4);
});

test("a store that does not answer holds back what is built", async () => {
  const { store, writer, reserved } = newScene();
  const gate = deferred();
  store.gate = () => gate.promise;
  const adding = writer.add(chunkOf(ascending(2000)));
  await turns();
  // Three on their way, and one that is built and waits.
  expectEqual([store.inFlight, reserved.length], [3, 4]);
  gate.resolve();
  await adding;
  await writer.finish();
});

test("rows of any size give others a turn", async () => {
  let looks = 0;
  // Each look at the clock finds that the slice is over.
  const clock = { ...systemClock, monotonic: () => (looks += 1000) };
  const { writer } = newScene({ clock, sstBytes: 1e9 });
  let ended = 0;
  const large = Array.from({ length: 64 }, (_, i): Pair => [String(i + 100), "v".repeat(50_000)]);
  const adding = writer.add(chunkOf(large)).then(() => ended++);
  await turns(3);
  expect(ended).toBe(0);
  await adding;
  expect(looks).toBeGreaterThan(32_000);
});

test.each([1, 2, 5])(
  "when upload %i fails, that is told at once, and add or finish rejects",
  async (bad) => {
    const { store, writer, failures, reserved, abort } = newScene();
    const error = new Error("refused");
    store.gate = async (count) => {
      await turns(1);
      if (count >= bad) throw error;
    };
    const adding = (async () => {
      for (let i = 0; i < 10; i++) await writer.add(chunkOf(ascending(200, i * 200)));
      await writer.finish();
    })();
    await expect(adding).rejects.toBe(error);
    expectEqual(failures, [error]);
    expect(reserved.length).toBeLessThanOrEqual(bad + 4);
    abort.abort(error);
    await writer.discard();
    expectEqual(await listed(store), []);
  },
);

test("what onStored throws ends the load like an upload that fails", async () => {
  const error = new Error("thrown by onProgress");
  const { writer, failures } = newScene({
    onStored: () => {
      throw error;
    },
  });
  await writer.add(chunkOf(ascending(10)));
  await expect(writer.finish()).rejects.toBe(error);
  expectEqual(failures, [error]);
});

test("an abort anywhere: nothing is stored or reserved after discard", async () => {
  for (let abortAt = 0; abortAt < 40; abortAt++) {
    const { store, writer, reserved, abort } = newScene();
    const reason = new Error("enough");
    let ended: unknown;
    const running = (async () => {
      for (let i = 0; i < 5; i++) await writer.add(chunkOf(ascending(150, i * 150)));
      await writer.finish();
    })().catch((error: unknown) => {
      ended = error;
    });
    for (let i = 0; i < abortAt; i++) await (i % 2 === 0 ? turns(1) : Promise.resolve());
    abort.abort(reason);
    await writer.discard();
    const { length } = reserved;
    await running;
    expect([undefined, reason]).toContain(ended);
    await turns();
    expect(reserved.length).toBe(length);
    expectEqual(await listed(store), []);
  }
});

test("after an abort nothing begins, and what is stored all the same is not counted", async () => {
  const { writer, reserved, abort, store, stored } = newScene();
  class Deaf extends Uploads {
    override put(key: string, source: PutSource): Promise<void> {
      return super.put(key, source);
    }
  }
  const deaf = newScene({ store: new Deaf() });
  await deaf.writer.add(chunkOf(ascending(300)));
  const before = deaf.stored.length;
  const reason = new Error("enough");
  for (const controller of [abort, deaf.abort]) controller.abort(reason);
  await expect(writer.add(chunkOf(ascending(1)))).rejects.toBe(reason);
  await Promise.all([writer.discard(), deaf.writer.discard()]);
  expectEqual([reserved, stored, store.count], [[], [], 0]);
  expect(deaf.reserved.length).toBeGreaterThan(before + 1);
  expect(deaf.stored.length).toBe(before);
});

test("a delete or an upload that fails, or that is never answered, does not hold up whoever waits", async () => {
  const clock = new ManualClock();
  class Stuck extends Uploads {
    override async delete(_keys: readonly string[], options?: RequestOptions): Promise<void> {
      await clock.sleep(3_600_000, options?.signal);
    }
  }
  class Refusing extends Uploads {
    override delete(): Promise<void> {
      return Promise.reject(new Error("no permission"));
    }
  }
  class Deaf extends Uploads {
    override put(): Promise<void> {
      return new Promise(() => undefined);
    }
  }
  for (const store of [new Stuck(), new Refusing(), new Deaf()]) {
    const { writer, abort } = newScene({ store, clock, sstBytes: 4000 });
    await writer.add(chunkOf(ascending(300)));
    abort.abort(new Error("enough"));
    let done = false;
    const discarding = writer.discard().then(() => {
      done = true;
    });
    await clock.advance(6000);
    expect(done).toBe(true);
    await discarding;
    expect(clock.pendingTimers).toBe(0);
  }
});
