/** `retrying`: what is sent again, how long it waits, and how it recognises its own writes. */
import { describe, expect, test } from "vitest";
import { decodeUtf8, encodeUtf8 } from "../../../src/common/bytes.js";
import { StoreError, UnsupportedStoreError } from "../../../src/common/errors.js";
import { seededRandom } from "../../../src/common/random.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { type Retry, type RetryOptions, retrying } from "../../../src/object-store/retrying.js";
import { CountingObjectStore } from "../../../src/testing/counting-object-store.js";
import type { Fault } from "../../../src/testing/fault.js";
import { FaultyObjectStore } from "../../../src/testing/faulty-object-store.js";
import { ManualClock } from "../../../src/testing/manual-clock.js";

const mine = encodeUtf8("mine");
const theirs = encodeUtf8("theirs");

/** A store whose first requests meet the given faults, and then none. */
function setUp(faults: (Fault | undefined)[], options: Partial<RetryOptions> = {}) {
  const clock = new ManualClock();
  const memory = new MemoryObjectStore({ clock });
  const faulty = new FaultyObjectStore(memory, { intercept: ({ index }) => faults[index] });
  const counting = new CountingObjectStore(faulty);
  const retries: Retry[] = [];
  const store = retrying(counting, {
    clock,
    random: seededRandom(1),
    deadlineMs: 60_000,
    onRetry: (retry) => retries.push(retry),
    ...options,
  });
  return { clock, memory, faulty, counting, retries, store };
}

function failure(reason: StoreError["reason"], retryAfterMs?: number): Fault {
  return { kind: "before", error: new StoreError(reason, reason, { retryAfterMs }) };
}

describe("which failures are retried", () => {
  for (const reason of ["throttled", "unavailable", "conflict", "unknown-outcome"] as const) {
    test(`${reason} is, for every operation`, async () => {
      const { clock, store, memory, retries } = setUp(
        Array.from({ length: 14 }, (_, i) => (i % 2 === 0 ? failure(reason) : undefined)),
      );
      await memory.put("a", theirs);
      const calls = async (): Promise<void> => {
        expect(decodeUtf8((await store.get("a"))!.bytes)).toBe("theirs");
        expect((await store.head("a"))?.size).toBe(6);
        await store.put("b", mine);
        for await (const { key } of store.list({ prefix: "b" })) expect(key).toBe("b");
        await store.delete(["b"]);
        await store.copy!("a", "c");
        expect(await store.create("d", mine)).toBe("created");
      };
      await clock.advanceUntil(calls());
      const operations = ["get", "head", "put", "list", "delete", "copy", "create"];
      expect(retries.map(({ operation }) => operation)).toEqual(operations);
      expect(
        retries.every(({ attempts, error }) => attempts === 1 && error.reason === reason),
      ).toBe(true);
    });
  }

  for (const reason of ["denied", "unsupported", "invalid"] as const) {
    test(`${reason} is not`, async () => {
      const { store, counting } = setUp([failure(reason)]);
      await expect(store.create("a", mine)).rejects.toMatchObject({ reason });
      expect(counting.total).toBe(1);
    });
  }

  test("an error that is no StoreError is not", async () => {
    const error = new UnsupportedStoreError("no hard links");
    const { store, counting } = setUp([{ kind: "before", error }]);
    await expect(store.put("a", mine)).rejects.toBe(error);
    expect(counting.total).toBe(1);
  });
});

describe("own writes", () => {
  test("a create whose reply was lost is recognised by its bytes", async () => {
    const { clock, store, counting } = setUp([{ kind: "after" }]);
    expect(await clock.advanceUntil(store.create("a", mine))).toBe("created");
    expect(counting.requests.map(({ operation }) => operation)).toEqual([
      "create",
      "create",
      "get",
    ]);
  });

  test("a create that was beaten by other bytes while its reply was lost says so", async () => {
    const { clock, store, memory } = setUp([
      { kind: "before", error: new StoreError("unknown-outcome", "lost") },
    ]);
    await memory.create("a", theirs);
    expect(await clock.advanceUntil(store.create("a", mine))).toBe("exists");
  });

  test("a create whose object is gone when it looks was superseded", async () => {
    const { clock, store, memory, faulty } = setUp([]);
    faulty.intercept = ({ operation, index }) => {
      if (operation === "create" && index === 0) return { kind: "after" };
      if (operation === "get") void memory.delete(["a"]);
      return undefined;
    };
    expect(await clock.advanceUntil(store.create("a", mine))).toBe("exists");
  });

  test("a first attempt that finds the object costs no GET", async () => {
    const { store, memory, counting } = setUp([]);
    await memory.create("a", mine);
    expect(await store.create("a", mine)).toBe("exists");
    expect(counting.total).toBe(1);
  });

  test("a late write that arrives between two attempts is recognised", async () => {
    const { clock, store, faulty } = setUp([{ kind: "late" }]);
    const created = store.create("a", mine);
    await clock.settle();
    await faulty.releaseLate();
    expect(await clock.advanceUntil(created)).toBe("created");
  });

  test("a 409 is neither won nor lost: the same create goes again, and wins", async () => {
    const { clock, store, counting } = setUp([failure("conflict"), failure("conflict")]);
    expect(await clock.advanceUntil(store.create("a", mine))).toBe("created");
    expect(counting.counts.create).toBe(3);
  });

  test("a 409 before another's object is not taken for a victory", async () => {
    const { clock, store, memory } = setUp([failure("conflict")]);
    await memory.create("a", theirs);
    expect(await clock.advanceUntil(store.create("a", mine))).toBe("exists");
  });

  test("the GET that decides is retried too", async () => {
    const { clock, store } = setUp([{ kind: "after" }, undefined, failure("unavailable")]);
    expect(await clock.advanceUntil(store.create("a", mine))).toBe("created");
  });
});

describe("giving up", () => {
  const always = (reason: StoreError["reason"]): Fault[] => Array(1_000).fill(failure(reason));

  test("at the deadline the last error is thrown", async () => {
    const { clock, store } = setUp(always("throttled"), { deadlineMs: 10_000 });
    await expect(clock.advanceUntil(store.create("a", mine))).rejects.toMatchObject({
      reason: "throttled",
    });
    expect(clock.monotonic()).toBe(10_000);
  });

  for (const reason of ["unavailable", "unknown-outcome"] as const) {
    test(`a create that may have been applied (${reason}) has an unknown outcome`, async () => {
      const { clock, store } = setUp([failure(reason), ...always("throttled")]);
      const error = await clock.advanceUntil(store.create("a", mine)).catch((error) => error);
      expect(error).toMatchObject({ reason: "unknown-outcome", object: "a" });
      expect(error.cause).toMatchObject({ reason: "throttled" });
    });
  }

  test("a create that may have been applied and is denied afterwards has an unknown outcome", async () => {
    const { clock, store } = setUp([{ kind: "after" }, failure("denied")]);
    await expect(clock.advanceUntil(store.create("a", mine))).rejects.toMatchObject({
      reason: "unknown-outcome",
      cause: { reason: "denied" },
    });
  });

  test("a put that may have been applied throws what the store said: it can be sent again", async () => {
    const { clock, store } = setUp(always("unavailable"));
    await expect(clock.advanceUntil(store.put("a", mine))).rejects.toMatchObject({
      reason: "unavailable",
    });
  });

  test("without a deadline it goes on for hours", async () => {
    const { clock, store } = setUp(always("unavailable"), { deadlineMs: Infinity });
    expect(await clock.advanceUntil(store.create("a", mine), 24 * 3_600_000)).toBe("created");
    expect(clock.monotonic()).toBeGreaterThan(1_800_000);
  });

  test("an abort ends the wait at once, with the signal's reason", async () => {
    const { clock, store, counting } = setUp(always("unavailable"));
    const controller = new AbortController();
    const created = store.create("a", mine, { signal: controller.signal });
    await clock.settle();
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(created).rejects.toBe(reason);
    expect(clock.pendingTimers).toBe(0);
    expect(counting.total).toBe(1);
  });
});

describe("waiting", () => {
  const highest = { next: () => 0.999_999, bytes: seededRandom(1).bytes };

  test("the bound of the random wait doubles up to the maximum", async () => {
    const faults = Array<Fault>(9).fill(failure("unavailable"));
    const { clock, store, retries } = setUp(faults, { random: highest });
    await clock.advanceUntil(store.put("a", mine));
    const bounds = retries.map(({ delayMs }) => Math.round(delayMs));
    expect(bounds).toEqual([50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  });

  test("the wait is random from 0: two clients do not come back together", async () => {
    const faults = Array<Fault>(50).fill(failure("unavailable"));
    const { clock, store, retries } = setUp(faults, { maxDelayMs: 50, deadlineMs: Infinity });
    await clock.advanceUntil(store.put("a", mine));
    const delays = retries.map(({ delayMs }) => delayMs);
    expect(Math.min(...delays)).toBeLessThan(10);
    expect(Math.max(...delays)).toBeGreaterThan(40);
  });

  test("a store that throttles is spared longer", async () => {
    const { clock, store, retries } = setUp([failure("throttled")], { random: highest });
    await clock.advanceUntil(store.get("a"));
    expect(Math.round(retries[0]!.delayMs)).toBe(500);
  });

  test("what the store asks for is kept, above the maximum too", async () => {
    const { clock, store, retries } = setUp([failure("throttled", 20_000)]);
    await clock.advanceUntil(store.get("a"));
    expect(retries[0]!.delayMs).toBe(20_000);
  });

  test("a store that asks for more than is left is not waited for", async () => {
    const { clock, store } = setUp([failure("throttled", 90_000)]);
    await expect(store.get("a")).rejects.toMatchObject({ reason: "throttled" });
    expect(clock.monotonic()).toBe(0);
  });
});

describe("listings", () => {
  async function keysOf(objects: AsyncIterable<{ key: string }>): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of objects) keys.push(key);
    return keys;
  }

  async function filled(faults: (Fault | undefined)[]) {
    const parts = setUp(faults);
    for (let i = 0; i < 8; i++) await parts.memory.put(`k/${i}`, mine);
    return parts;
  }
  const all = Array.from({ length: 8 }, (_, i) => `k/${i}`);

  test("one that breaks off in the middle is begun again, and no key comes twice", async () => {
    const { clock, store, counting } = await filled([{ kind: "after" }, { kind: "after" }]);
    expect(await clock.advanceUntil(keysOf(store.list({ prefix: "k/" })))).toEqual(all);
    expect(counting.counts.list).toBe(3);
  });

  test("the limit counts over all attempts", async () => {
    const { clock, store } = await filled([{ kind: "after" }]);
    const keys = await clock.advanceUntil(keysOf(store.list({ prefix: "k/", limit: 6 })));
    expect(keys).toEqual(all.slice(0, 6));
  });

  test("one that never gets further gives up at the deadline", async () => {
    const { clock, store } = await filled(Array(1_000).fill({ kind: "after" }));
    await expect(clock.advanceUntil(keysOf(store.list({ prefix: "k/" })))).rejects.toMatchObject({
      reason: "unavailable",
    });
    expect(clock.monotonic()).toBe(60_000);
  });

  test("the limit holds when the second attempt comes in another order", async () => {
    const { clock, store, counting } = await filled([]);
    let attempt = 0;
    counting.list = async function* ({ limit }) {
      const keys = attempt++ === 0 ? all : [...all].reverse();
      for (const [i, key] of keys.slice(0, limit).entries()) {
        if (attempt === 1 && i === 2) throw new StoreError("unavailable", "broken off");
        yield { key, size: 1, lastModified: 0 };
      }
    };
    const keys = await clock.advanceUntil(keysOf(store.list({ prefix: "k/", limit: 7 })));
    expect(keys).toHaveLength(7);
    expect(new Set(keys).size).toBe(7);
  });

  test("a failure after news has a deadline of its own, and thinking is not counted", async () => {
    const { clock, store, counting } = await filled([]);
    let attempt = 0;
    counting.list = async function* () {
      attempt++;
      for (const [i, key] of all.entries()) {
        if (i === attempt * 3) throw new StoreError("unavailable", "broken off");
        yield { key, size: 1, lastModified: 0 };
      }
    };
    const slowly = async (): Promise<string[]> => {
      const keys: string[] = [];
      for await (const { key } of store.list({ prefix: "k/" })) {
        keys.push(key);
        await clock.sleep(50_000);
      }
      return keys;
    };
    expect(await clock.advanceUntil(slowly())).toEqual(all);
    expect(attempt).toBe(3);
  });
});
