/**
 * A database whose writer and compactor are transitions, applied one after another by whoever holds the test: what they name, hold back and
 * give up is as in DESIGN 2.3 to 2.5. Collectors and sweeps are real, and may be paused at every request meanwhile.
 */
import type { Clock } from "../../../src/common/clock.js";
import { type Ulid, UlidFactory, ulidBefore } from "../../../src/common/ids.js";
import { type Random, seededRandom } from "../../../src/common/random.js";
import {
  type Manifest,
  type RetiredObjects,
  runSstsInManifestMax,
  type SortedRun,
  type SstInfo,
} from "../../../src/format/manifest.js";
import { encodeManifest } from "../../../src/format/manifest-codec.js";
import { encodeRetiredList } from "../../../src/format/retired-list-codec.js";
import { encodeRunList } from "../../../src/format/run-list.js";
import { encodeWalFence } from "../../../src/format/wal-object.js";
import {
  applyCompaction,
  claimCompactor,
  StaleInputsError,
} from "../../../src/manifest/compaction-transitions.js";
import { moveRetiredToList } from "../../../src/manifest/gc-transitions.js";
import { checkManifest } from "../../../src/manifest/invariants.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import { isListable } from "../../../src/manifest/move-long-retired.js";
import {
  claimWriter,
  closeWriter,
  retireBatch,
  type Transition,
} from "../../../src/manifest/transitions.js";
import { ObjectPaths, parseManifestPath } from "../../../src/object-store/paths.js";
import { MemoryObjectStore } from "../../../src/testing/index.js";
import { databaseId, empty } from "../manifest/manifests.js";
import { buildSst, plainRow } from "../sst/row-model.js";
import { writeUint32Key } from "./keys.js";
import { sstsOf } from "./reachable.js";
import { ShiftedClock, StepClock } from "./step-clock.js";
import { walGroup } from "./wal-objects.js";

export const minute = 60_000;

interface Load {
  readonly sst: SstInfo;
  /** Its record is in the log: it will be named. */
  isRecorded: boolean;
}

interface Job {
  readonly id: Ulid;
  readonly l0: readonly Ulid[];
  readonly runs: readonly Ulid[];
  readonly inputs: readonly SstInfo[];
  readonly inputLists: readonly Ulid[];
  readonly outputs: readonly SstInfo[];
  readonly run: SortedRun;
}

export class GcWorld {
  readonly clock: StepClock = new StepClock();
  readonly store: MemoryObjectStore = new MemoryObjectStore({ clock: this.clock });
  readonly random: Random;
  readonly writerIds: UlidFactory;
  readonly compactorIds: UlidFactory;
  #current: Manifest = empty;
  #seq = 0;
  #key = 0;
  #epoch = 0;
  /** The next object of its log. */
  walId = 1;
  /** Objects of logs that were acknowledged and are not flushed, by path. */
  readonly logEnds: Map<number, number> = new Map();
  loads: Load[] = [];
  jobs: Job[] = [];
  #lists: { id: Ulid; moved: readonly RetiredObjects[] }[] = [];
  /** Bodies of WAL objects, to be stored again late. */
  readonly #walBodies: { path: string; bytes: Uint8Array }[] = [];
  readonly fences: Set<string> = new Set();

  constructor(seed: number) {
    this.random = seededRandom(seed);
    // Both clocks are an hour off, in directions that change with the seed.
    const skew = (this.random.next() - 0.5) * 120 * minute;
    this.writerIds = new UlidFactory(new ShiftedClock(this.clock, skew), this.random);
    this.compactorIds = new UlidFactory(new ShiftedClock(this.clock, -skew), this.random);
  }

  static async create(seed = 1): Promise<GcWorld> {
    const world = new GcWorld(seed);
    await world.#claimWriter();
    await world.commit(claimCompactor(0));
    world.#raise(world.compactorIds);
    return world;
  }

  get manifest(): Manifest {
    return this.#current;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Commits, and puts the hint, so that nobody has to list. Steps are not checked: a restore is none that is known yet. */
  async commit(transition: Transition): Promise<Manifest> {
    for (;;) {
      const base = await this.refresh();
      const changed = transition(base);
      if (changed === base) return base;
      const createdAt = this.clock.now();
      const next = { ...changed, number: base.number + 1, createdAt, token: this.random.bytes(16) };
      checkManifest(next);
      const bytes = encodeManifest(next);
      if ((await this.store.create(ObjectPaths.manifest(next.number), bytes)) === "exists")
        continue;
      await this.store.put(ObjectPaths.manifestHint, bytes);
      this.#current = next;
      return next;
    }
  }

  async refresh(): Promise<Manifest> {
    const manifests = new ManifestStore(this.store);
    for (;;) {
      const next = await manifests.get(this.#current.number + 1);
      if (next === undefined) return this.#current;
      this.#current = next.manifest;
    }
  }

  pick(count: number): number {
    return Math.floor(this.random.next() * count);
  }

  #raise(ids: UlidFactory): void {
    const manifest = this.manifest;
    ids.raiseAbove(manifest.writerFloor);
    ids.raiseAbove(manifest.compactorFloor);
    for (const entry of manifest.retired) for (const id of entry.ids) ids.raiseAbove(id);
    for (const { ssts } of [...manifest.l0, ...manifest.runs]) {
      for (const { id } of ssts) ids.raiseAbove(id);
    }
    for (const { id } of manifest.runs) ids.raiseAbove(id);
  }

  async #claimWriter(): Promise<void> {
    const manifest = await this.commit(claimWriter({ putsInFlight: 1 }));
    this.#epoch = manifest.writerEpoch;
    this.walId = 1;
    this.#raise(this.writerIds);
    for (const { sst } of this.loads) this.writerIds.raiseAbove(sst.id);
  }

  // The writer

  async writeWal(count = 1): Promise<void> {
    for (let i = 0; i < count; i++) {
      const path = ObjectPaths.wal(this.#epoch, this.walId);
      const seq = ++this.#seq;
      const bytes = walGroup({ epoch: this.#epoch, id: this.walId, seq, random: this.random });
      this.walId++;
      await this.store.create(path, bytes);
      this.#walBodies.push({ path, bytes });
    }
  }

  async #newSst(ids: UlidFactory): Promise<SstInfo> {
    const id = ids.next();
    const row = plainRow(writeUint32Key(++this.#key), 1);
    const { bytes, info } = buildSst([{ ...row, seq: 1 }], { id });
    await this.store.put(ObjectPaths.sst(id), bytes);
    return info;
  }

  /** The writer's floor: just below the least id that is neither named nor given up. */
  #writerFloor(): Ulid {
    const least = this.loads.map(({ sst }) => sst.id).sort()[0];
    return least === undefined ? this.writerIds.last : ulidBefore(least);
  }

  /** What is in the log is in L0 then, recorded loads too. */
  async flush(): Promise<void> {
    const recorded = this.loads.filter((load) => load.isRecorded);
    const flushed = await this.#newSst(this.writerIds);
    const entries = [...recorded.map(({ sst }) => sst), flushed].map((sst) => {
      const seq = ++this.#seq;
      return { ssts: [{ ...sst, minSeq: seq, maxSeq: seq }], seq: 0 };
    });
    this.loads = this.loads.filter((load) => !load.isRecorded);
    await this.commit(
      retireBatch({
        ...{ epoch: this.#epoch, entries, lastL0Seq: this.#seq, lastSeq: this.#seq },
        ...{ walStart: { epoch: this.#epoch, id: this.walId }, snapshotSeq: 0 },
        ...{ writerFloor: this.#writerFloor(), logEnds: new Map(this.logEnds) },
      }),
    );
  }

  async beginLoad(): Promise<void> {
    this.loads.push({ sst: await this.#newSst(this.writerIds), isRecorded: false });
  }

  async recordLoad(): Promise<void> {
    const load = this.loads[this.pick(this.loads.length)];
    if (load === undefined) return;
    load.isRecorded = true;
    await this.writeWal();
  }

  giveUpLoad(): void {
    const load = this.loads.find(({ isRecorded }) => !isRecorded);
    this.loads = this.loads.filter((other) => other !== load);
  }

  /** The writer dies, and another one closes its log. Loads without a record are lost; the others are replayed. */
  async reopen(): Promise<void> {
    const old = this.#epoch;
    const end = this.walId;
    await this.#claimWriter();
    await this.#fence(old, end);
    this.logEnds.set(old, end);
    this.loads = this.loads.filter(({ isRecorded }) => isRecorded);
  }

  async #fence(epoch: number, id: number): Promise<void> {
    const path = ObjectPaths.wal(epoch, id);
    const token = this.random.bytes(16);
    const fence = encodeWalFence(databaseId, { epoch, id, token, closerEpoch: this.#epoch });
    if ((await this.store.create(path, fence)) === "created") this.fences.add(path);
  }

  async closeAndReopen(): Promise<void> {
    this.loads = this.loads.filter(({ isRecorded }) => isRecorded);
    await this.flush();
    await this.commit(
      closeWriter({
        ...{ epoch: this.#epoch, walStart: { epoch: this.#epoch, id: this.walId } },
        ...{ lastSeq: this.#seq, writerFloor: this.#writerFloor(), logEnds: new Map(this.logEnds) },
      }),
    );
    await this.#claimWriter();
  }

  /** A PUT that was sent long ago lands again, or behind the fence of its log. */
  async lateWal(): Promise<void> {
    const body = this.#walBodies[this.pick(this.#walBodies.length)];
    if (body !== undefined) await this.store.create(body.path, body.bytes);
    const ended = [...this.logEnds];
    const [epoch, end] = ended[this.pick(ended.length)] ?? [];
    if (epoch === undefined) return;
    const id = end! + 1 + this.pick(2);
    const late = walGroup({ epoch, id, seq: this.#seq, random: this.random });
    await this.store.create(ObjectPaths.wal(epoch, id), late);
  }

  async lateWalAt(epoch: number, id: number): Promise<void> {
    const bytes = walGroup({ epoch, id, seq: 1, random: this.random });
    await this.store.create(ObjectPaths.wal(epoch, id), bytes);
  }

  /** An opener that slept closes a log that others have closed and deleted. */
  sleepersFence(epoch: number, id: number): Promise<void> {
    return this.#fence(epoch, id);
  }

  // The compactor

  /** Plans a job and uploads its outputs. Some inputs move as they are; the list of some runs is an object of its own. */
  async planJob(): Promise<void> {
    const { manifest } = this;
    const busy = new Set(this.jobs.flatMap((job) => [...job.runs, ...job.l0]));
    const hasL0Job = this.jobs.some(({ l0 }) => l0.length > 0);
    const l0 = hasL0Job ? [] : manifest.l0.slice(0, this.pick(manifest.l0.length + 1));
    const from = l0.length > 0 ? 0 : this.pick(manifest.runs.length);
    const runs = manifest.runs.slice(from, from + this.pick(3));
    if (runs.some(({ id }) => busy.has(id)) || l0.length + runs.length === 0) return;
    const id = this.compactorIds.next();
    const inputs = l0.flatMap(({ ssts }) => ssts);
    for (const run of runs) inputs.push(...(await sstsOf(this.store, run)));
    const moved = inputs.filter(() => this.pick(4) === 0);
    const outputs = [...moved, await this.#newSst(this.compactorIds)];
    const isLong = this.pick(4) === 0 || outputs.length > runSstsInManifestMax;
    while (isLong && outputs.length <= runSstsInManifestMax) {
      outputs.push(await this.#newSst(this.compactorIds));
    }
    outputs.sort((a, b) => Buffer.compare(a.firstKey, b.firstKey));
    this.jobs.push({
      ...{ id, inputs, outputs, runs: runs.map((run) => run.id) },
      l0: l0.map((entry) => entry.ssts[0]!.id),
      inputLists: runs.filter((run) => run.listBytes > 0).map((run) => run.id),
      run: await this.#newRun(outputs, isLong),
    });
  }

  async #newRun(ssts: readonly SstInfo[], isLong: boolean): Promise<SortedRun> {
    const id = this.compactorIds.next();
    const { bytes, indexOffset } = encodeRunList(databaseId, id, ssts, 1);
    if (isLong) await this.store.put(ObjectPaths.run(id), bytes);
    return {
      ...{ id, ssts: isLong ? [] : ssts, listBytes: isLong ? bytes.length : 0 },
      ...{ firstKey: ssts[0]!.firstKey, lastKey: ssts.at(-1)!.lastKey, sstCount: ssts.length },
      ...{ rowCount: ssts.length, size: 1, level: 0, rangeDeletes: [], owner: "" },
      indexOffset: isLong ? indexOffset : 0,
    };
  }

  async commitJob(): Promise<void> {
    const job = this.jobs[this.pick(this.jobs.length)];
    if (job === undefined) return;
    this.jobs = this.jobs.filter((other) => other !== job);
    const outputs = new Set(job.outputs.map(({ id }) => id));
    const inputs = new Set(job.inputs.map(({ id }) => id));
    const named = [...outputs].filter((id) => !inputs.has(id));
    const least = this.jobs.map(({ id }) => id).sort()[0];
    const floor = least === undefined ? this.compactorIds.last : ulidBefore(least);
    const change = applyCompaction({
      ...{ l0: job.l0, runsFrom: job.runs, runsTo: [job.run], retainSeq: 0, rewrites: false },
      ...{
        named: [...named, job.run.id],
        retiredSsts: [...inputs].filter((id) => !outputs.has(id)),
      },
      ...{ retiredRuns: job.inputLists, floor },
    });
    try {
      await this.commit(change);
    } catch (error) {
      // A restore came first: the job is given up.
      if (!(error instanceof StaleInputsError)) throw error;
    }
  }

  /** One job with all there is, and nothing moved. */
  async compactAll({ isLong = false }: { isLong?: boolean } = {}): Promise<void> {
    const { manifest } = this;
    const inputs = manifest.l0.flatMap(({ ssts }) => ssts);
    for (const run of manifest.runs) inputs.push(...(await sstsOf(this.store, run)));
    const id = this.compactorIds.next();
    const outputs = [await this.#newSst(this.compactorIds)];
    while (isLong && outputs.length <= runSstsInManifestMax) {
      outputs.push(await this.#newSst(this.compactorIds));
    }
    this.jobs = [
      {
        ...{ id, inputs, outputs, runs: manifest.runs.map((run) => run.id) },
        l0: manifest.l0.map((entry) => entry.ssts[0]!.id),
        inputLists: manifest.runs.filter((run) => run.listBytes > 0).map((run) => run.id),
        run: await this.#newRun(outputs, isLong),
      },
    ];
    await this.commitJob();
  }

  giveUpJob(): void {
    this.jobs.splice(this.pick(this.jobs.length), 1);
  }

  /** A list object is uploaded now, and named later, or never. */
  async uploadList(): Promise<void> {
    const moved = this.manifest.retired.filter(isListable);
    if (moved.length === 0) return;
    const id = this.compactorIds.next();
    const bytes = encodeRetiredList(databaseId, id, moved);
    await this.store.put(ObjectPaths.retiredList(id), bytes);
    this.#lists.push({ id, moved });
  }

  async nameList(): Promise<void> {
    const list = this.#lists.pop();
    if (list !== undefined) await this.commit(moveRetiredToList(list.id, list.moved));
  }

  async manifestNumbers(): Promise<number[]> {
    const numbers: number[] = [];
    for (const name of await this.names(ObjectPaths.manifestPrefix)) {
      const number = parseManifestPath(name);
      if (number !== undefined) numbers.push(number);
    }
    return numbers;
  }

  /** The wall clock of a process that is off by so much. */
  shiftedClock(shiftMs: number): Clock {
    return new ShiftedClock(this.clock, shiftMs);
  }

  /** Names of all objects but manifests, the hint and probes. */
  async names(prefix = ""): Promise<string[]> {
    const names: string[] = [];
    for await (const { key } of this.store.list({ prefix })) {
      if (prefix !== "" || !/^(manifest|probe)\//.test(key)) names.push(key);
    }
    return names;
  }
}
