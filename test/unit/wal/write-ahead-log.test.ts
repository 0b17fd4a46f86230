/** Group commit, the order of acknowledgements, and what ends a log. */
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/common/random.js";
import { RowKind } from "../../../src/common/row.js";
import { decodeWalObject, encodeWalFence, type WalObject } from "../../../src/format/wal-object.js";
import { MemTable } from "../../../src/memtable/mem-table.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import {
  CountingObjectStore,
  FaultyObjectStore,
  ManualClock,
  MemoryObjectStore,
} from "../../../src/testing/index.js";
import { TokenBucket } from "../../../src/wal/token-bucket.js";
import { WalIndex } from "../../../src/wal/wal-index.js";
import { WriteAheadLog, type WriteAheadLogOptions } from "../../../src/wal/write-ahead-log.js";
import { HeldRequests } from "../../support/held-requests.js";

const databaseId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

class Fixture {
  readonly clock = new ManualClock();
  readonly inner = new MemoryObjectStore();
  readonly faulty = new FaultyObjectStore(this.inner);
  readonly store = new CountingObjectStore(this.faulty);
  readonly index = new WalIndex();
  readonly failures: Error[] = [];
  /** The durable seq at each call of `onDurable`. */
  readonly durable: number[] = [];
  readonly log: WriteAheadLog;
  seq = 0;
  proofs = 0;
  readonly #table = new MemTable();

  constructor(over: Partial<WriteAheadLogOptions> = {}) {
    this.log = new WriteAheadLog({
      ...{ store: this.store, databaseId, epoch: 3, clock: this.clock, random: seededRandom(1) },
      ...{ putsInFlight: 4, putsPerSecond: Number.POSITIVE_INFINITY, putsBurst: 1 },
      ...{ flushIntervalMs: 100, index: this.index, durableSeq: 0 },
      signal: new AbortController().signal,
      proveEpoch: async () => void this.proofs++,
      onDurable: () => void this.durable.push(this.log.durableSeq),
      onFailed: (error) => void this.failures.push(error),
      ...over,
    });
  }

  append(durable: boolean, valueBytes = 1): Promise<void> | undefined {
    const seq = ++this.seq;
    const value = new Uint8Array(valueBytes);
    const record = this.#table.applyOne(seq, 0, RowKind.put, Uint8Array.of(seq & 255), value, 0);
    return this.log.append(record, seq, durable);
  }

  async object(id: number): Promise<WalObject | undefined> {
    const path = ObjectPaths.wal(3, id);
    const stored = await this.inner.get(path);
    return stored && decodeWalObject(stored.bytes, path, databaseId, { epoch: 3, id });
  }

  hold(): HeldRequests {
    return new HeldRequests(this.faulty, ({ operation }) => operation === "create");
  }
}

async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

test("an idle log sends at the end of the turn, with everything that was written in it", async () => {
  const log = new Fixture();
  void log.append(false);
  const durable = log.append(true);
  void log.append(false);
  expect(log.store.total).toBe(0);
  await durable;
  expect(log.store.counts.create).toBe(1);
  expect(await log.object(1)).toMatchObject({
    firstSeq: 1,
    lastSeq: 3,
    recordCount: 3,
    fence: false,
  });
  expect(log.log.durableSeq).toBe(3);
});

test("what nobody waits for is sent after the interval, in one object", async () => {
  const log = new Fixture();
  for (let i = 0; i < 10; i++) void log.append(false);
  await log.clock.advance(99);
  expect(log.store.total).toBe(0);
  await log.clock.advance(1);
  expect(await log.object(1)).toMatchObject({ firstSeq: 1, lastSeq: 10 });
  await log.clock.advance(10_000);
  expect([log.store.total, log.clock.pendingTimers]).toEqual([1, 0]);
});

test("what is much is sent though nobody waits for it", async () => {
  const log = new Fixture();
  void log.append(false, 8 * 1024 * 1024);
  await turns();
  expect(log.log.durableSeq).toBe(1);
});

test("several are in flight at once, no more than allowed, and groups grow behind a full pipe", async () => {
  const log = new Fixture();
  const held = log.hold();
  for (let i = 0; i < 20; i++) {
    void log.append(true);
    await turns(2);
  }
  expect(held.count).toBe(4);
  held.release();
  await turns();
  expect(log.store.counts.create).toBe(5);
  expect(await log.object(5)).toMatchObject({ firstSeq: 5, lastSeq: 20, recordCount: 16 });
});

test("acknowledgements go out in id order, whatever order the store answers in", async () => {
  const log = new Fixture();
  const held = log.hold();
  const order: number[] = [];
  for (let i = 1; i <= 4; i++) {
    void log.append(true)!.then(() => order.push(i));
    await turns(2);
  }
  for (const id of [3, 2, 4]) {
    held.releaseOnly(`${id}.wal`);
    await turns();
    expect([order, log.log.durableSeq]).toEqual([[], 0]);
  }
  held.release();
  await turns();
  expect(order).toEqual([1, 2, 3, 4]);
  expect(log.durable).toEqual([4]);
});

test("the budget holds a busy log back, and an idle one has saved up", async () => {
  const log = new Fixture({ putsPerSecond: 10, putsBurst: 3 });
  for (let i = 0; i < 3; i++) await log.append(true);
  void log.append(true);
  await turns();
  expect(log.store.counts.create).toBe(3);
  await log.clock.advance(99);
  expect(log.store.counts.create).toBe(3);
  await log.clock.advance(1);
  expect(log.store.counts.create).toBe(4);
  await log.clock.advance(10_000);
  for (let i = 0; i < 3; i++) await log.append(true);
  expect(log.store.counts.create).toBe(7);
});

test("a token bucket gives its rate over any time, and never more than its burst at once", () => {
  const bucket = new TokenBucket({ perSecond: 20, burst: 5, now: 0 });
  let taken = 0;
  for (let now = 0; now <= 10_000; now++) while (bucket.take(now) === 0) taken++;
  expect(taken).toBe(5 + 200);
  expect(bucket.take(10_000)).toBeCloseTo(50);
  // A clock that goes back gives nothing for nothing.
  expect(bucket.take(0)).toBeGreaterThan(0);
  let burst = 0;
  while (bucket.take(1_000_000) === 0) burst++;
  expect(burst).toBe(5);
});

test("an object that is there already with the same bytes is its own", async () => {
  const log = new Fixture();
  log.faulty.intercept = ({ operation, key }) => {
    if (operation === "create") log.faulty.intercept = undefined;
    expect(key).toBe(ObjectPaths.wal(3, 1));
    return undefined;
  };
  // The store applies it and says "exists", as after a lost reply that a proxy repeated.
  const create = log.inner.create.bind(log.inner);
  log.inner.create = async (...args) => {
    await create(...args);
    return "exists";
  };
  await log.append(true);
  expect([log.log.durableSeq, log.failures.length]).toEqual([1, 0]);
});

test.each<[string, "fence" | "group" | "gone"]>([
  ["a fence", "fence"],
  ["another's object", "group"],
  ["nothing any more", "gone"],
])(
  "its own id taken, and %s there: fenced, and nothing in flight is acknowledged",
  async (_, what) => {
    const log = new Fixture();
    const token = new Uint8Array(16);
    const path = ObjectPaths.wal(3, 1);
    if (what !== "group") {
      await log.inner.create(
        path,
        encodeWalFence(databaseId, { epoch: 3, id: 1, token, closerEpoch: 4 }),
      );
    } else {
      const other = new Fixture({ random: seededRandom(2), store: log.inner });
      await other.append(true);
    }
    if (what === "gone") {
      const get = log.inner.get.bind(log.inner);
      log.inner.get = async (key, options) => (key === path ? undefined : get(key, options));
    }
    const held = new HeldRequests(log.faulty, ({ key }) => key === path);
    const writes: Promise<unknown>[] = [];
    for (let i = 0; i < 3; i++) {
      writes.push(log.append(true)!.catch((error: unknown) => error));
      await turns(2);
    }
    expect(log.store.counts.create).toBe(3);
    held.release();
    const outcomes = await Promise.all(writes);
    for (const outcome of outcomes) expect(outcome).toMatchObject({ kind: "fenced", ownEpoch: 3 });
    if (what === "fence") expect(outcomes[0]).toMatchObject({ seenEpoch: 4 });
    expect([log.log.durableSeq, log.durable, log.failures.length]).toEqual([0, [], 1]);
    await expect(log.log.whenDurable(1)).rejects.toMatchObject({ kind: "fenced" });
  },
);

test("after 60 s of silence by either clock the epoch is proved beside the PUT, and both are waited for", async () => {
  for (const silence of ["both", "wall"]) {
    const log = new Fixture();
    await log.append(true);
    if (silence === "both") await log.clock.advance(60_001);
    else log.clock.setWall(log.clock.now() + 60_001);
    await log.append(true);
    expect(log.proofs).toBe(1);
    await log.append(true);
    expect(log.proofs).toBe(1);
  }
});

test("an epoch that is not proved acknowledges nothing, though the PUT succeeded", async () => {
  const log = new Fixture({ proveEpoch: () => Promise.reject(new Error("newer")) });
  await log.clock.advance(60_001);
  await expect(log.append(true)).rejects.toMatchObject({ kind: "unknown" });
  expect(log.log.durableSeq).toBe(0);
  expect(log.failures.length).toBe(1);
});

test("the index answers where replay starts once L0 holds a seq", async () => {
  const log = new Fixture();
  const start = (seq: number) => log.log.positionAfter(seq).id;
  expect(start(0)).toBe(1);
  void log.append(false);
  await log.append(true);
  await log.append(true);
  expect([0, 1, 2, 3].map(start)).toEqual([1, 1, 2, 3]);
  log.index.forget(2);
  expect([2, 3].map(start)).toEqual([2, 3]);
  void log.append(false);
  expect(start(3)).toBe(3);
});
