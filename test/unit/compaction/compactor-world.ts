/** A database of manifests alone, compactors on it, and a job runner that makes one SST of whatever it is given. */
import { compareBytes } from "../../../src/common/bytes.js";
import { type Ulid, UlidFactory } from "../../../src/common/ids.js";
import { seededRandom } from "../../../src/common/random.js";
import {
  CompactorRole,
  type CompactorRoleOptions,
  type CoordinatorSettings,
  type CompactorRole as Role,
} from "../../../src/compaction/compactor.js";
import type { JobEvents, JobRunner, JobTask } from "../../../src/compaction/job.js";
import type { CompactionPick, CompactionStrategy } from "../../../src/compaction/strategy.js";
import type { Compactions, JobRange } from "../../../src/format/compactions.js";
import { decodeCompactions } from "../../../src/format/compactions-codec.js";
import type { L0Entry, Manifest, SstInfo } from "../../../src/format/manifest.js";
import { decodeManifest } from "../../../src/format/manifest-codec.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import { StoredManifest } from "../../../src/manifest/stored-manifest.js";
import { retireBatch } from "../../../src/manifest/transitions.js";
import type { ObjectStore } from "../../../src/object-store/object-store.js";
import {
  ObjectPaths,
  parseCompactionsPath,
  parseManifestPath,
} from "../../../src/object-store/paths.js";
import {
  CountingObjectStore,
  FaultyObjectStore,
  ManualClock,
  MemoryObjectStore,
} from "../../../src/testing/index.js";
import { day, putManifest, sstOf } from "../manifest/manifests.js";

export const retentionMs: number = 30 * day;
export const key = (number: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.of(number >> 8, number & 255);

let seeds = 0;

/** Merges all of L0 into the newest run once there are two entries; then runs, once there are three. */
export const byTwos: CompactionStrategy = {
  name: "by twos",
  pick(manifest, running): readonly CompactionPick[] {
    const picks: CompactionPick[] = [];
    const busy = new Set(running.flatMap(({ runs }) => runs.map(({ id }) => id)));
    if (manifest.l0.length >= 2 && !running.some(({ l0 }) => l0.length > 0)) {
      const l0 = manifest.l0.map(({ ssts }) => ssts[0]!.id);
      picks.push({ inputs: { l0, runs: [] }, level: 0, drops: false, reason: "L0" });
    }
    const runs = manifest.runs.filter(({ id }) => !busy.has(id));
    if (runs.length >= 3 && busy.size === 0) {
      const inputs = { l0: [], runs: runs.map(({ id }) => ({ id, ssts: [] })) };
      picks.push({ inputs, level: 0, drops: false, reason: "runs" });
    }
    return picks;
  },
};

/** One range, and one SST for each two inputs, a step of the given time apart. */
export class PlainRunner implements JobRunner {
  readonly #ids: UlidFactory;
  readonly #world: World;
  readonly #store: ObjectStore;
  /** ms that each output takes. */
  stepMs = 0;
  /** The same, of some jobs. */
  stepMsOf: ((task: JobTask) => number) | undefined;
  /** Thrown instead of an output. */
  failure: ((task: JobTask) => Error | undefined) | undefined;
  readonly tasks: JobTask[] = [];
  isClosed = false;

  constructor(world: World, store: ObjectStore) {
    this.#world = world;
    this.#store = store;
    this.#ids = new UlidFactory(world.clock, seededRandom(++seeds));
  }

  async run(task: JobTask, events: JobEvents, signal: AbortSignal): Promise<readonly JobRange[]> {
    this.tasks.push(task);
    const { job } = task;
    this.#ids.raiseAbove(job.id);
    const inputs = task.sources
      .flatMap(({ ssts }) => ssts)
      .sort((a, b) => compareBytes(a.firstKey, b.firstKey));
    const outputs: SstInfo[] = [...(job.ranges[0]?.outputs ?? [])];
    const rangeOf = (done: boolean): JobRange => ({
      ...{ start: new Uint8Array(0), end: new Uint8Array(0), endless: true, done },
      ...{ resumeAt: outputs.at(-1)?.lastKey ?? new Uint8Array(0), outputs: [...outputs] },
    });
    events.progress([rangeOf(false)]);
    while (2 * outputs.length < inputs.length) {
      const stepMs = this.stepMsOf?.(task) ?? this.stepMs;
      if (stepMs > 0) await this.#world.clock.sleep(stepMs, signal);
      signal.throwIfAborted();
      const error = this.failure?.(task);
      if (error !== undefined) throw error;
      const group = inputs.slice(2 * outputs.length, 2 * outputs.length + 2);
      const id = this.#ids.next();
      await this.#store.put(ObjectPaths.sst(id), Uint8Array.of(1), { signal });
      outputs.push({
        ...group[0]!,
        ...{ id, lastKey: group.at(-1)!.lastKey, rowCount: group.length },
        minSeq: Math.min(...group.map(({ minSeq }) => minSeq)),
        maxSeq: Math.max(...group.map(({ maxSeq }) => maxSeq)),
      });
      events.progress([rangeOf(false)]);
    }
    return [rangeOf(true)];
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

export interface RoleOptions extends Partial<Omit<CompactorRoleOptions, "coordinator">> {
  readonly coordinator?: Partial<CoordinatorSettings> | false;
}

/** One process that compacts. */
export class Process {
  readonly faulty: FaultyObjectStore;
  readonly counting: CountingObjectStore;
  readonly stored: StoredManifest;
  readonly runner: PlainRunner;
  readonly role: Role;
  readonly failures: Error[] = [];
  readonly jobFailures: Error[] = [];

  constructor(world: World, options: RoleOptions = {}) {
    const { inner } = world;
    const clock = options.clock ?? world.clock;
    this.faulty = new FaultyObjectStore(inner, { clock });
    this.counting = new CountingObjectStore(this.faulty);
    const random = seededRandom(++seeds);
    const manifests = new ManifestStore(this.counting);
    this.stored = new StoredManifest(manifests, world.writer.current, {
      clock,
      random,
      retentionMs,
    });
    this.runner = new PlainRunner(world, this.counting);
    const { coordinator, ...others } = options;
    this.role = new CompactorRole({
      ...{ clock, random, retentionMs, store: this.counting, storedManifest: this.stored },
      ...{ runner: this.runner, name: `process ${seeds}`, build },
      coordinator:
        coordinator === false
          ? undefined
          : {
              ...{ strategy: byTwos, sstBytesMax: 1000, l0SoftMax: 8, claims: "at-once" },
              writerEpoch: 0,
              ...coordinator,
            },
      onFailed: (error) => this.failures.push(error),
      onJobFailed: (_, error) => this.jobFailures.push(error),
      ...others,
    });
  }

  /** The requests since the last call. */
  taken(): string[] {
    const requests = this.counting.requests.map(
      ({ operation, key: name }) => `${operation} ${name.split("/")[0]}`,
    );
    this.counting.reset();
    return requests;
  }
}

const build = {
  ...{ blockBytes: 4096, filter: undefined, filterBitsPerKey: 0 },
  ...{ unfilteredSstBytesMax: 0, compression: undefined },
};

export class World {
  readonly clock: ManualClock;
  readonly inner: MemoryObjectStore;
  readonly writer: StoredManifest;
  readonly #ids: UlidFactory;
  #seq = 0;

  private constructor(inner: MemoryObjectStore, clock: ManualClock, first: Manifest) {
    this.inner = inner;
    this.clock = clock;
    this.#ids = new UlidFactory(clock, seededRandom(++seeds));
    const random = seededRandom(++seeds);
    const manifests = new ManifestStore(inner);
    this.writer = new StoredManifest(manifests, first, { clock, random, retentionMs });
  }

  static async open(): Promise<World> {
    const clock = new ManualClock();
    const inner = new MemoryObjectStore({ clock });
    return new World(inner, clock, await putManifest(inner, 1, { createdAt: clock.now() }));
  }

  /** What a writer adds to L0: entries of one SST, each behind the keys of the last. */
  async flush(count = 1, stored: StoredManifest = this.writer): Promise<void> {
    for (let i = 0; i < count; i++) {
      const seq = ++this.#seq;
      const id = this.#ids.next();
      const sst = { ...sstOf(0, seq, seq), id, firstKey: key(seq), lastKey: key(seq) };
      await this.inner.put(ObjectPaths.sst(id), Uint8Array.of(1));
      const entry: L0Entry = { ssts: [sst], seq: 0 };
      const retire = retireBatch({
        ...{
          epoch: 1,
          entries: [entry],
          walStart: { epoch: 1, id: 1 },
          lastL0Seq: seq,
          lastSeq: seq,
        },
        ...{ snapshotSeq: 0, writerFloor: id, logEnds: new Map() },
      });
      await this.until(stored.commit(retire));
    }
  }

  until<T>(promise: Promise<T>): Promise<T> {
    return this.clock.advanceUntil(promise);
  }

  async manifests(): Promise<Manifest[]> {
    const found: Manifest[] = [];
    for await (const { key: path } of this.inner.list({ prefix: "manifest/" })) {
      const number = parseManifestPath(path);
      if (number === undefined) continue;
      found.push(decodeManifest((await this.inner.get(path))!.bytes, path, number));
    }
    return found.sort((a, b) => a.number - b.number);
  }

  async manifest(): Promise<Manifest> {
    return (await this.manifests()).at(-1)!;
  }

  /** All states, oldest first. */
  async states(): Promise<Compactions[]> {
    const found: Compactions[] = [];
    for await (const { key: path } of this.inner.list({ prefix: "compactions/" })) {
      const number = parseCompactionsPath(path)!;
      found.push(decodeCompactions((await this.inner.get(path))!.bytes, path, number));
    }
    return found.sort((a, b) => a.number - b.number);
  }

  async state(): Promise<Compactions | undefined> {
    return (await this.states()).at(-1);
  }

  /** The seqs of what the manifest names, each once if nothing was lost or named twice: an SST holds a row for each of its seqs. */
  async rows(): Promise<number> {
    const { l0, runs } = await this.manifest();
    const ssts = [...l0.flatMap((entry) => entry.ssts), ...runs.flatMap((run) => run.ssts)];
    for (const { id } of ssts) {
      if ((await this.inner.head(ObjectPaths.sst(id))) === undefined)
        throw new Error(`no SST ${id}`);
    }
    return ssts.reduce((sum, { minSeq, maxSeq }) => sum + maxSeq - minSeq + 1, 0);
  }

  /** What was ever retired, and is named all the same. */
  async namedAndRetired(): Promise<Ulid[]> {
    const { l0, runs, retired } = await this.manifest();
    const named = new Set(
      [...l0.flatMap(({ ssts }) => ssts), ...runs.flatMap(({ ssts }) => ssts)].map(({ id }) => id),
    );
    return retired.flatMap(({ ids }) => ids).filter((id) => named.has(id));
  }
}
