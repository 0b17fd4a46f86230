/** A store that is used through a message port keeps the contract, hands bytes over, and brings aborts and errors across. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { copyBytes } from "../../../src/common/bytes.js";
import {
  CorruptionError,
  MergeError,
  MissingObjectError,
  StoreError,
} from "../../../src/common/errors.js";
import { CompactionFilterError } from "../../../src/compaction/compaction-filter.js";
import { packError, unpackError } from "../../../src/compaction/crossing-errors.js";
import { pieceBytesMax, piecesAhead } from "../../../src/compaction/store-messages.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import type {
  ObjectStore,
  PutSource,
  RequestOptions,
} from "../../../src/object-store/object-store.js";
import { objectStoreSuite } from "../../../src/testing/object-store-suite.js";
import { type Bridged, bridged } from "../../support/bridged.js";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

function bridge(store: ObjectStore): Bridged {
  const both = bridged(store);
  closers.push(both.close);
  return both;
}

/** Messages cross in turns of their own: on a busy machine, in many. */
const soon = (check: () => void): Promise<void> =>
  vi.waitFor(check, { timeout: 20_000, interval: 1 });

describe("the suite of stores", () => {
  objectStoreSuite({ test, makeStore: () => bridge(new MemoryObjectStore()).store });
});

/** A memory whose requests wait until they are let go. */
class HeldStore extends MemoryObjectStore {
  readonly signals: (AbortSignal | undefined)[] = [];
  readonly backgrounds: (boolean | undefined)[] = [];

  override head(_: string, options?: RequestOptions): Promise<undefined> {
    this.signals.push(options?.signal);
    this.backgrounds.push(options?.background);
    return new Promise((_resolve, reject) => {
      options?.signal?.addEventListener("abort", () => reject(options.signal!.reason));
    });
  }
}

describe("requests", () => {
  test("are background requests", async () => {
    const store = new HeldStore();
    const { store: thread } = bridge(store);
    void thread.head("key").catch(() => undefined);
    await soon(() => expect(store.backgrounds).toEqual([true]));
  });

  test("that are aborted in the thread are aborted in the store", async () => {
    const store = new HeldStore();
    const { store: thread, bridge: main } = bridge(store);
    const controller = new AbortController();
    const request = thread.head("key", { signal: controller.signal });
    await soon(() => expect(store.signals.length).toBe(1));
    const reason = new Error("not needed any more");
    controller.abort(reason);
    await expect(request).rejects.toBe(reason);
    await soon(() => expect(main.requestCount).toBe(0));
    expect(store.signals[0]?.aborted).toBe(true);
  });

  test("are aborted when the bridge closes, which waits for the store", async () => {
    const store = new HeldStore();
    const { store: thread, bridge: main } = bridge(store);
    void thread.head("key").catch(() => undefined);
    await soon(() => expect(store.signals.length).toBe(1));
    await main.close();
    expect(store.signals[0]?.aborted).toBe(true);
    expect(main.requestCount).toBe(0);
  });
});

describe("the main thread", () => {
  test("gets no more than a MiB in one turn, and none of it waits for ever", async () => {
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    const turnsOf: number[] = [];
    class WatchedStore extends MemoryObjectStore {
      override get(...args: Parameters<MemoryObjectStore["get"]>): ReturnType<ObjectStore["get"]> {
        turnsOf.push(turns);
        return super.get(...args);
      }
    }
    const { store } = bridge(new WatchedStore());
    await store.put("key", new Uint8Array(pieceBytesMax));
    count();
    const get = (length: number): Promise<unknown> =>
      store.get("key", { range: { offset: 0, length } });
    await Promise.all(Array.from({ length: 8 }, () => get(pieceBytesMax)));
    expect(new Set(turnsOf).size).toBe(8);
    turnsOf.length = 0;
    await Promise.all(Array.from({ length: 8 }, () => get(1_000)));
    expect(new Set(turnsOf).size).toBeLessThan(8);
    isDone = true;
  });
});

describe("bytes", () => {
  test("of a caller in the thread stay the caller's", async () => {
    const { store } = bridge(new MemoryObjectStore());
    const bytes = new Uint8Array([1, 2, 3]);
    await store.put("whole", bytes);
    await store.create("created", bytes.subarray(1));
    expect(bytes).toEqual(new Uint8Array([1, 2, 3]));
    expect((await store.get("created"))?.bytes).toEqual(new Uint8Array([2, 3]));
  });

  test("that are a part of larger memory do not take the rest of it along", async () => {
    const large = new Uint8Array(1000).map((_, i) => i);
    class PooledStore extends MemoryObjectStore {
      override async get(): Promise<{
        bytes: Uint8Array<ArrayBuffer>;
        size: number;
        lastModified: number;
      }> {
        return { bytes: large.subarray(100, 110), size: 10, lastModified: 1 };
      }
    }
    const { store } = bridge(new PooledStore());
    for (let i = 0; i < 2; i++) {
      const object = await store.get("key");
      expect(object?.bytes).toEqual(large.slice(100, 110));
      expect(object?.bytes.buffer.byteLength).toBe(10);
    }
    expect(large.length).toBe(1000);
  });

  test("of no length can be given again and again", async () => {
    const { store } = bridge(new MemoryObjectStore());
    await store.put("empty", new Uint8Array(0));
    await store.put("empty too", async function* () {});
    for (const key of ["empty", "empty too", "empty"]) {
      expect((await store.get(key))?.bytes.length).toBe(0);
    }
  });
});

/** A memory that takes a piece of a put each time it is told to. */
class SlowStore extends MemoryObjectStore {
  taken: Uint8Array[] = [];
  readonly #wakes: (() => void)[] = [];

  take(): void {
    this.#wakes.shift()?.();
  }

  override async put(key: string, source: PutSource, options?: RequestOptions): Promise<void> {
    if (typeof source !== "function") throw new Error("not streamed");
    for await (const piece of source()) {
      this.taken.push(copyBytes(piece));
      await new Promise<void>((resolve) => this.#wakes.push(resolve));
    }
    await super.put(key, new Uint8Array(0), options);
  }
}

describe("a put from a source", () => {
  const counted = (
    chunks: number,
    chunkBytes: number,
  ): { given: () => number; source: () => AsyncIterable<Uint8Array> } => {
    let given = 0;
    return {
      given: () => given,
      source: async function* () {
        for (let i = 0; i < chunks; i++) {
          given++;
          yield new Uint8Array(chunkBytes).fill(i);
        }
      },
    };
  };

  test("is pulled no further than a few pieces ahead of the store", async () => {
    const store = new SlowStore();
    const { store: thread } = bridge(store);
    const { given, source } = counted(20, pieceBytesMax);
    const put = thread.put("key", source);
    for (let taken = 1; taken <= 3; taken++) {
      await soon(() => {
        expect(store.taken.length).toBe(taken);
        expect(given()).toBe(taken + piecesAhead);
      });
      // Nor is it later.
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect(given()).toBe(taken + piecesAhead);
      store.take();
    }
    const timer = setInterval(() => store.take(), 0);
    await put;
    clearInterval(timer);
    expect(store.taken.length).toBe(20);
  });

  test("cuts large chunks and joins small ones, into pieces of their own memory", async () => {
    const store = new SlowStore();
    const { store: thread } = bridge(store);
    const timer = setInterval(() => store.take(), 0);
    await thread.put("small", counted(1000, 5000).source);
    expect(store.taken.map(({ length }) => length)).toEqual([
      ...Array(4).fill(pieceBytesMax),
      5_000_000 - 4 * pieceBytesMax,
    ]);
    expect(store.taken.every((piece) => piece.byteLength === piece.buffer.byteLength)).toBe(true);
    expect(Buffer.concat(store.taken)[4_999_999]).toBe(999 & 255);
    store.taken = [];
    await thread.put("large", counted(1, 3 * pieceBytesMax + 7).source);
    clearInterval(timer);
    expect(store.taken.map(({ length }) => length)).toEqual([...Array(3).fill(pieceBytesMax), 7]);
  });

  test("is sent again from its beginning by a store that begins it again", async () => {
    class TwiceStore extends MemoryObjectStore {
      override async put(key: string, source: PutSource): Promise<void> {
        if (typeof source !== "function") throw new Error("not streamed");
        // The first attempt fails after a piece, as a connection does.
        for await (const _ of source()) break;
        await super.put(key, source);
      }
    }
    const { store } = bridge(new TwiceStore());
    const { given, source } = counted(9, pieceBytesMax / 2);
    await store.put("key", source);
    const object = await store.get("key");
    expect(object?.bytes.length).toBe(4.5 * pieceBytesMax);
    expect(object?.bytes[0]).toBe(0);
    expect(object?.bytes.at(-1)).toBe(8);
    expect(given()).toBeGreaterThan(9);
  });

  test("whose source fails rejects with what the source has thrown", async () => {
    const { store, bridge: main } = bridge(new MemoryObjectStore());
    const failure = new Error("no more rows");
    const put = store.put("key", async function* () {
      yield new Uint8Array(10);
      throw failure;
    });
    await expect(put).rejects.toBe(failure);
    expect(main.requestCount).toBe(0);
    expect(await store.head("key")).toBeUndefined();
  });

  test("that is aborted ends its source, and the store's put", async () => {
    const store = new SlowStore();
    const { store: thread, bridge: main } = bridge(store);
    const controller = new AbortController();
    let isEnded = false;
    const put = thread.put(
      "key",
      async function* () {
        try {
          for (;;) yield new Uint8Array(pieceBytesMax);
        } finally {
          isEnded = true;
        }
      },
      { signal: controller.signal },
    );
    await soon(() => expect(store.taken.length).toBe(1));
    controller.abort(new Error("enough"));
    await expect(put).rejects.toThrow("enough");
    await soon(() => {
      // It may have come to another piece before it was told.
      store.take();
      expect(isEnded).toBe(true);
      expect(main.requestCount).toBe(0);
    });
  });

  test("does not wait for pieces of a thread that is gone", async () => {
    const { store: thread, bridge: main } = bridge(new MemoryObjectStore());
    void thread
      .put("key", async function* () {
        yield new Uint8Array(1);
        await new Promise(() => undefined);
      })
      .catch(() => undefined);
    await soon(() => expect(main.requestCount).toBe(1));
    await main.close();
    expect(main.requestCount).toBe(0);
  });
});

describe("errors", () => {
  test("of the store keep class, kind, reason, object, message and cause", async () => {
    class FailingStore extends MemoryObjectStore {
      override head(): Promise<undefined> {
        throw new StoreError("throttled", "Slow down.", {
          object: "sst/1",
          retryAfterMs: 250,
          cause: new TypeError("inner"),
        });
      }
    }
    const { store } = bridge(new FailingStore());
    const error = await store.head("sst/1").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StoreError);
    const { kind, reason, object, retryAfterMs, message, cause } = error as StoreError;
    expect({ kind, reason, object, retryAfterMs, message }).toEqual({
      ...{ kind: "unavailable", reason: "throttled", object: "sst/1" },
      ...{ retryAfterMs: 250, message: "Slow down." },
    });
    expect(cause).toMatchObject({ name: "TypeError", message: "inner" });
  });

  test("of the format and of operators are told once, with their fields", () => {
    const corruption = new CorruptionError("sst/1", "a checksum differs", { offset: 42 });
    const crossed = unpackError(structuredClone(packError(corruption)));
    expect(crossed).toBeInstanceOf(CorruptionError);
    expect(crossed).toMatchObject({ kind: "corruption", object: "sst/1", offset: 42 });
    expect(crossed.message).toBe(corruption.message);
    expect(crossed.stack).toBe(corruption.stack);

    const missing = unpackError(structuredClone(packError(new MissingObjectError("sst/2"))));
    expect(missing).toBeInstanceOf(MissingObjectError);
    expect(missing).toMatchObject({ name: "CorruptionError", object: "sst/2" });

    const merge = new MergeError("It threw.", { key: new Uint8Array([7]), operator: "sum" });
    const other = unpackError(structuredClone(packError(merge)));
    expect(other).toBeInstanceOf(MergeError);
    expect(other).toMatchObject({ key: new Uint8Array([7]), operator: "sum" });

    const filter = new CompactionFilterError(new Uint8Array([8]), "it threw");
    const third = unpackError(structuredClone(packError(filter)));
    expect(third).toBeInstanceOf(CompactionFilterError);
    expect(third).toMatchObject({ key: new Uint8Array([8]), message: filter.message });
  });

  test("of other kinds keep name, message and code, and what is no error becomes one", () => {
    const odd = Object.assign(new RangeError("too far"), { code: "ERR_ODD", secret: () => 1 });
    const crossed = unpackError(structuredClone(packError(odd)));
    expect(crossed).toMatchObject({ name: "RangeError", message: "too far", code: "ERR_ODD" });
    expect(unpackError(packError("a string")).message).toBe("a string");
    expect(unpackError(packError(undefined)).message).toBe("undefined");
  });
});
