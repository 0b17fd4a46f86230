/** Bugs planted in the engine itself, without a hook in it: the duels find each within a few seeds. */
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { UlidFactory } from "../../src/common/ids.js";
import type { WritePipeline } from "../../src/db/write-pipeline.js";
import { lastSeqOf, type Queued } from "../../src/flush/flush-plan.js";
import type { L0Entry, SstInfo } from "../../src/format/manifest.js";
import type { WalObject } from "../../src/format/wal-object.js";
import { walParts } from "../../src/format/wal-parts.js";
import { ManifestStore } from "../../src/manifest/manifest-store.js";
import type { RecordSlice } from "../../src/memtable/mem-table.js";
import { parseWalPath } from "../../src/object-store/paths.js";
import type { Replayed } from "../../src/wal/replayed-rows.js";
import { WalIndex } from "../../src/wal/wal-index.js";
import { loadEngine } from "../support/load-engine.js";
import { runDuel } from "./duel.js";
import { bug, type EngineBug, plant } from "./engine-seams.js";
import { firstFailureOf } from "./first-failure.js";

beforeAll(loadEngine);

vi.mock("../../src/wal/write-ahead-log.js", async (original) => {
  const { WriteAheadLog } = await original<typeof import("../../src/wal/write-ahead-log.js")>();
  class Planted extends WriteAheadLog {
    constructor(options: ConstructorParameters<typeof WriteAheadLog>[0]) {
      super({ ...options, store: bug().walStore?.(options.store) ?? options.store });
    }
    override append(
      record: RecordSlice,
      seq: number,
      durable: boolean,
      firstSeq?: number,
    ): Promise<void> | undefined {
      if (bug().forgetsRecord?.()) return undefined;
      const wait = super.append(record, seq, durable, firstSeq);
      if (wait === undefined || !bug().dropsWaiter?.()) return wait;
      wait.catch(() => undefined);
      return new Promise(() => undefined);
    }
  }
  return { WriteAheadLog: Planted };
});

vi.mock("../../src/wal/close-log.js", async (original) => {
  const actual = await original<typeof import("../../src/wal/close-log.js")>();
  const closeLog: typeof actual.closeLog = (options) =>
    (bug().closeLog ?? actual.closeLog)(options);
  return { ...actual, closeLog };
});

vi.mock("../../src/flush/flush-plan.js", async (original) => {
  const actual = await original<typeof import("../../src/flush/flush-plan.js")>();
  const selectBatch: typeof actual.selectBatch = (queue, durableSeq) =>
    bug().selectBatch?.(queue, durableSeq) ?? actual.selectBatch(queue, durableSeq);
  const splitBySeq: typeof actual.splitBySeq = (waiting, below) => {
    // 0: they are told of a failure.
    const early =
      bug().checkpointsEarly && below > 0 && waiting.some((waiter) => "ttlMs" in waiter);
    return actual.splitBySeq(waiting, early ? Number.POSITIVE_INFINITY : below);
  };
  const floorAfter: typeof actual.floorAfter = (queue, retiredCount, reserved, lastMinted) =>
    actual.floorAfter(
      bug().floorIgnoresQueuedLoads
        ? queue.map((queued) => (queued.loaded === undefined ? queued : { loaded: [] }))
        : queue,
      retiredCount,
      bug().floorIgnoresReserved ? [] : reserved,
      lastMinted,
    );
  return { ...actual, selectBatch, splitBySeq, floorAfter };
});

vi.mock("../../src/flush/manifest-writer.js", async (original) => {
  const { ManifestWriter } = await original<typeof import("../../src/flush/manifest-writer.js")>();
  class Planted extends ManifestWriter {
    override whenFlushed(seq: number): Promise<void> {
      const wait = super.whenFlushed(seq);
      if (!bug().dropsFlush?.()) return wait;
      wait.catch(() => undefined);
      return new Promise(() => undefined);
    }
  }
  return { ManifestWriter: Planted };
});

vi.mock("../../src/db/write-pipeline.js", async (original) => {
  const actual = await original<typeof import("../../src/db/write-pipeline.js")>();
  const { encodeLoadRecord } = await import("../../src/format/load-record.js");
  type Options = ConstructorParameters<typeof actual.WritePipeline>[0];
  class Planted extends actual.WritePipeline {
    readonly #options: Options;
    constructor(options: Options) {
      super({ ...options, lastSeq: bug().lastSeq?.(options.lastSeq) ?? options.lastSeq });
      this.#options = options;
    }
    override load(runs: readonly (readonly SstInfo[])[], createdAt: number) {
      if (runs.length === 0) {
        bug().loadBegins?.(this);
        return { seq: 0, durable: Promise.resolve() };
      }
      const seq = bug().seqOfLoad?.(this, runs);
      if (seq === undefined) return super.load(runs, createdAt);
      const { state, flusher, wal } = this.#options;
      const entries = runs.map((ssts) => ({ ssts, seq }));
      const chunk = encodeLoadRecord(entries, createdAt);
      this.freeze();
      state.addLoad(entries);
      flusher.enqueueLoad(entries);
      const record = { chunk, start: 0, end: chunk.length };
      return { seq, durable: wal.append(record, seq, true)! };
    }
  }
  return { ...actual, WritePipeline: Planted };
});

vi.mock("../../src/db/load.js", async (original) => {
  const actual = await original<typeof import("../../src/db/load.js")>();
  class Planted extends actual.Load {
    constructor(parts: ConstructorParameters<typeof actual.Load>[0]) {
      const store = bug().loadStore?.(parts.store) ?? parts.store;
      super({ ...parts, store, commit: bug().commitLoad?.(parts.commit) ?? parts.commit });
      if (bug().loadBegins !== undefined) parts.commit([], 0);
    }
  }
  return { ...actual, Load: Planted };
});

vi.mock("../../src/wal/replayed-rows.js", async (original) => {
  const { ReplayedRows } = await original<typeof import("../../src/wal/replayed-rows.js")>();
  class Planted extends ReplayedRows {
    override apply(object: WalObject): void {
      super.apply(object);
      bug().replayLoads?.(this.queue, object);
    }
  }
  return { ReplayedRows: Planted };
});

vi.mock("../../src/read/candidates.js", async (original) => {
  const actual = await original<typeof import("../../src/read/candidates.js")>();
  const newestLoadSeq: typeof actual.newestLoadSeq = (view) =>
    bug().memoryDecides ? 0 : actual.newestLoadSeq(view);
  return { ...actual, newestLoadSeq };
});

vi.mock("../../src/manifest/transitions.js", async (original) => {
  const actual = await original<typeof import("../../src/manifest/transitions.js")>();
  const claimWriter: typeof actual.claimWriter = (options) => (manifest) => {
    const epoch = bug().epoch?.(manifest);
    const claimed = actual.claimWriter(options)(manifest);
    if (epoch === undefined) return claimed;
    return { ...claimed, writerEpoch: epoch, walChain: manifest.walChain };
  };
  return { ...actual, claimWriter };
});

vi.mock("../../src/wal/wal-follower.js", async (original) => {
  const { WalFollower } = await original<typeof import("../../src/wal/wal-follower.js")>();
  const { readWalObject } = await import("../../src/wal/close-log.js");
  class Planted extends WalFollower {
    readonly #source: ConstructorParameters<typeof WalFollower>;
    #behind = 0;
    constructor(...source: ConstructorParameters<typeof WalFollower>) {
      super(...source);
      this.#source = source;
    }
    override async next(signal?: AbortSignal): Promise<WalObject | undefined> {
      const found = await super.next(signal);
      if (found !== undefined || !bug().skipsGap) return found;
      const [store, { databaseId }] = this.#source;
      const { epoch, id } = this.position;
      const object = await readWalObject({ store, databaseId, epoch, signal }, id + 1);
      if (object === undefined || object.fence || object.lastSeq <= this.#behind) return undefined;
      this.#behind = object.lastSeq;
      return object;
    }
  }
  return { WalFollower: Planted };
});

vi.mock("../../src/object-store/retrying.js", async (original) => {
  const actual = await original<typeof import("../../src/object-store/retrying.js")>();
  const retrying: typeof actual.retrying = (store, options) =>
    actual.retrying(bug().rawStore?.(store) ?? store, options);
  return { ...actual, retrying };
});

const duelsMax = 40;

/** The message of the first duel that fails, which says how to run it again. */
function firstFailure(
  planted: EngineBug = {},
  { from = 1, count = duelsMax }: { from?: number; count?: number } = {},
): Promise<string | undefined> {
  plant(planted);
  return firstFailureOf({ from, count }, runDuel, (message, seed) =>
    expect(message).toContain(`npm run test:sim -- --seed ${seed} `),
  );
}

afterEach(() => {
  plant({});
  vi.restoreAllMocks();
});

const isSameLoad = (queued: Replayed, loaded: readonly L0Entry[]): boolean =>
  Array.isArray(queued) && queued[0].seq === loaded[0]!.seq;

describe("duels find in the engine", () => {
  test("nothing, when nothing is planted", async () => {
    expect(await firstFailure({}, { count: 10 })).toBeUndefined();
  });

  test("an acknowledgement before the PUT is stored", async () => {
    const walStore: EngineBug["walStore"] = (store) => ({
      ...store,
      create: async (...args) => {
        store.create(...args).catch(() => undefined);
        return "created";
      },
    });
    expect(await firstFailure({ walStore })).toMatch(/lacks|must see|superseded|ended after|torn/);
  }, 120_000);

  test("a log that is taken over without a fence", async () => {
    const closeLog: EngineBug["closeLog"] = async ({ store, epoch, fromId, signal }) => {
      const ids = new Set<number>();
      for await (const { key } of store.list({ prefix: "wal/", signal })) {
        const position = parseWalPath(key);
        if (position?.epoch === epoch) ids.add(position.id);
      }
      let endId = fromId;
      while (ids.has(endId)) endId++;
      return { epoch, fromId, endId, objects: new Map() };
    };
    expect(await firstFailure({ closeLog })).toMatch(/lacks|superseded|must see|ended after/);
  }, 120_000);

  const isUploaded = (queued: Queued): boolean =>
    queued.loaded !== undefined || queued.sst !== undefined;

  test("a table that is retired before an older one", async () => {
    const selectBatch: EngineBug["selectBatch"] = (queue, durableSeq) => {
      const tables = queue as typeof queue extends readonly (infer T)[] ? T[] : never;
      const [first, second] = tables;
      if (first === undefined || second === undefined) return;
      if (isUploaded(first) || !isUploaded(second) || lastSeqOf(second) > durableSeq) return;
      tables.splice(0, 2, second, first);
      return [second];
    };
    expect(await firstFailure({ selectBatch })).toMatch(/lacks|must see|is not|L0 is in seq order/);
  }, 120_000);

  test("a write that is never answered", async () => {
    let count = 0;
    const dropsWaiter = () => ++count % 5 === 0;
    expect(await firstFailure({ dropsWaiter })).toMatch(/a promise was forgotten/);
  }, 120_000);

  test("a flush that is never answered", async () => {
    let count = 0;
    const dropsFlush = () => ++count % 5 === 0;
    expect(await firstFailure({ dropsFlush })).toMatch(/a promise was forgotten/);
  }, 120_000);

  test("a manifest number that is used again", async () => {
    vi.spyOn(ManifestStore.prototype, "create").mockImplementation(async function (
      this: ManifestStore,
      number,
      bytes,
      signal,
    ) {
      const key = `manifest/${String(number).padStart(20, "0")}.manifest`;
      await this.store.put(key, bytes, { signal });
      return "created";
    });
    expect(await firstFailure()).toMatch(/superseded|lacks|must see|Two writers|floor/);
  }, 120_000);

  test("a ULID that is given twice", async () => {
    const next = UlidFactory.prototype.next;
    let count = 0;
    vi.spyOn(UlidFactory.prototype, "next").mockImplementation(function (this: UlidFactory) {
      return ++count % 4 === 0 && this.last.length === 26 ? this.last : next.call(this);
    });
    expect(await firstFailure()).toMatch(/named once|damaged|torn|lacks/);
  }, 120_000);

  test("a writer epoch, and with it a log, that is used again", async () => {
    const epoch: EngineBug["epoch"] = (manifest) =>
      manifest.writerEpoch > 0 && manifest.walChain.length > 0 ? manifest.writerEpoch : undefined;
    expect(await firstFailure({ epoch })).toMatch(/Two writers have epoch/);
  }, 120_000);

  test("a group that is sealed again with other bytes when it is sent again", async () => {
    let count = 0;
    const rawStore: EngineBug["rawStore"] = (store) => {
      const sent = new Set<Uint8Array>();
      const create: typeof store.create = (key, bytes, options) => {
        if (!key.includes("wal/") || !sent.has(bytes)) {
          sent.add(bytes);
          return store.create(key, bytes, options);
        }
        count++;
        const resealed = bytes.slice();
        resealed[resealed.length - 1]! ^= 1;
        return store.create(key, resealed, options);
      };
      return Object.setPrototypeOf({ create }, store) as typeof store;
    };
    expect(await firstFailure({ rawStore })).toMatch(/fenced by nobody|is damaged/);
    expect(count).toBeGreaterThan(0);
  }, 120_000);

  test("a reader that skips a gap", async () => {
    expect(await firstFailure({ skipsGap: true })).toMatch(/one before it is not|torn|must see/);
  }, 120_000);

  test("a seq that is given again after a reopen", async () => {
    const lastSeq = (found: number) => Math.max(0, found - 1);
    expect(await firstFailure({ lastSeq })).toMatch(
      /ended after|has seq|must see|lacks|gave seq|in seq order|before it is not/,
    );
  }, 120_000);

  test("a start of replay that is moved too far", async () => {
    vi.spyOn(WalIndex.prototype, "firstAfter").mockImplementation((_seq, next) => next);
    expect(await firstFailure()).toMatch(/lacks|must see|one before it is not|torn|ended after/);
  }, 120_000);

  test("a checkpoint that does not wait for what it covers", async () => {
    expect(await firstFailure({ checkpointsEarly: true })).toMatch(/in checkpoint \w+, sees/);
  }, 120_000);

  test("a load whose record enters the WAL before its SSTs are stored", async () => {
    const loadStore: EngineBug["loadStore"] = (store) =>
      Object.setPrototypeOf(
        {
          put: async (...args: Parameters<typeof store.put>) => {
            store.put(...args).catch(() => undefined);
          },
        },
        store,
      );
    expect(await firstFailure({ loadStore })).toMatch(/names SST \w+, which is not stored/);
  }, 120_000);

  test("a load that takes its seq before its SSTs are stored", async () => {
    let forgets = false;
    /** The seq that the last load of a handle took when it began. */
    const early = new Map<WritePipeline, number>();
    const loadBegins: EngineBug["loadBegins"] = (pipeline) => {
      const seq = pipeline.lastSeq + 1;
      forgets = true;
      void pipeline.writeBatch([], 0, { durable: false, signal: undefined, lifetime: 0 });
      forgets = false;
      if (pipeline.lastSeq === seq) early.set(pipeline, seq);
    };
    const seqOfLoad: EngineBug["seqOfLoad"] = (pipeline, runs) => {
      const seq = early.get(pipeline);
      early.delete(pipeline);
      return runs.length === 1 ? seq : undefined;
    };
    const message = await firstFailure({ loadBegins, seqOfLoad, forgetsRecord: () => forgets });
    expect(message).toMatch(
      /one before it is not|no place between|in seq order|out of order|lacks|must see|above its last/,
    );
  }, 120_000);

  test("a floor that passes the ids of loads under way", async () => {
    const message = await firstFailure({ floorIgnoresReserved: true });
    expect(message).toMatch(/not above the floor/);
  }, 120_000);

  test("a floor that passes loads that wait for their commit, or were replayed", async () => {
    const message = await firstFailure({ floorIgnoresQueuedLoads: true });
    expect(message).toMatch(/not above the floor/);
  }, 120_000);

  test("a replay that passes over loads", async () => {
    const replayLoads: EngineBug["replayLoads"] = (queue) => {
      for (let i = queue.length - 1; i >= 0; i--) if (Array.isArray(queue[i])) queue.splice(i, 1);
    };
    const message = await firstFailure({ replayLoads });
    expect(message).toMatch(/lacks|must see|one before it is not|ended after/);
  }, 120_000);

  test("a replay of loads that are in L0 already", async () => {
    const replayLoads: EngineBug["replayLoads"] = (queue, object) => {
      const name = `${object.epoch}/${object.id}`;
      for (const { loaded } of walParts(object, name)) {
        if (loaded !== undefined && !queue.some((other) => isSameLoad(other, loaded))) {
          queue.push(loaded);
        }
      }
    };
    // It shows only where a newer write of one of its keys is in L0 too: in one duel of about fifty.
    expect(await firstFailure({ replayLoads }, { from: 50, count: 100 })).toMatch(/getMany gives/);
  }, 120_000);

  test("a load that is acknowledged before its WAL object is stored", async () => {
    const commitLoad: EngineBug["commitLoad"] = (commit) => (runs, createdAt) => {
      const { seq, durable } = commit(runs, createdAt);
      durable.catch(() => undefined);
      return { seq, durable: Promise.resolve() };
    };
    expect(await firstFailure({ commitLoad })).toMatch(/lacks|superseded|must see|ended after/);
  }, 120_000);

  test("a row in memory that hides a newer load from get", async () => {
    expect(await firstFailure({ memoryDecides: true }, { from: 50, count: 20 })).toMatch(
      /getMany gives/,
    );
  }, 120_000);
});
