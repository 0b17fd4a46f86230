/** A duel: writers that open against each other on one path, readers beside them, and chaos; then peace, and the reckoning. */
import { isMoraineError } from "../../src/common/errors.js";
import { randomBelow } from "../../src/common/random.js";
import type { Db } from "../../src/db/db.js";
import { DbReader } from "../../src/db/db-reader.js";
import type { Manifest } from "../../src/format/manifest.js";
import { decodeManifest } from "../../src/format/manifest-codec.js";
import { DuelFeeder } from "./duel-feeder.js";
import { DuelOracle } from "./duel-oracle.js";
import { DuelPlace } from "./duel-place.js";
import { DuelReader } from "./duel-reader.js";
import { DuelWriter } from "./duel-writer.js";
import type { Fate } from "./fate.js";
import { type FeedCounts, FeedLedger } from "./feed-ledger.js";
import { readContent } from "./history.js";
import { onLoadTick } from "./load-ticks.js";
import { Maintainers, type MaintenanceCounts } from "./maintainers.js";
import { runCase } from "./replay.js";
import type { SimulatedProcess } from "./simulated-process.js";
import { StoredLog } from "./stored-log.js";
import type { MakeObjects } from "./sweep.js";
import { openDb } from "./sweep-workload.js";
import { type Script, World } from "./world.js";

export interface DuelOutcome {
  readonly events: readonly string[];
  readonly requests: number;
  readonly fenced: number;
  readonly handles: number;
  readonly checkpoints: number;
  /** Loads that took their seqs, and what they consisted of. */
  readonly loads: number;
  readonly loadRuns: number;
  readonly loadSsts: number;
  readonly feeds: FeedCounts;
  readonly maintenance: MaintenanceCounts | undefined;
}

export function runDuel(seed: number, makeObjects?: MakeObjects): Promise<DuelOutcome> {
  const world = new World(seed, makeObjects);
  return runCase({ name: String(seed), file: "duels.test.ts", world }, () => new Duel(world).run());
}

/** A duel beside coordinators, workers and collectors, several of each. Logs are collected, so that nobody follows the changes. */
export function runMaintainedDuel(seed: number, makeObjects?: MakeObjects): Promise<DuelOutcome> {
  const world = new World(seed, makeObjects);
  const about = { name: `maintained/${seed}`, file: "maintained-duels.test.ts", world };
  return runCase(about, () => new Duel(world, true).run());
}

const livesMax = 6;
const watchersMax = 3;
const maintainersMax = 9;

class Duel {
  readonly #world: World;
  readonly #oracle = new DuelOracle();
  readonly #place: DuelPlace;
  readonly #ledger = new FeedLedger(this.#oracle);
  /** What consumers of changes there are: they outlive the processes. */
  readonly #ofWriters = new DuelFeeder(this.#oracle, this.#ledger);
  readonly #ofReaders = new DuelFeeder(this.#oracle, this.#ledger);
  readonly #writers: DuelWriter[] = [];
  readonly #scripts: Script[] = [];
  #watcher!: DuelReader;
  #watchers = 0;
  readonly #loads = { loads: 0, loadRuns: 0, loadSsts: 0 };

  readonly #maintainers: Maintainers | undefined;
  readonly #maintaining: SimulatedProcess[] = [];

  constructor(world: World, isMaintained = false) {
    this.#world = world;
    this.#place = new DuelPlace(world.random);
    if (isMaintained) this.#maintainers = new Maintainers(this.#place);
  }

  async run(): Promise<DuelOutcome> {
    const world = this.#world;
    onLoadTick((tick) => {
      world.note(`load ${tick.lastKey} takes ${tick.runs} seqs up to ${tick.seq}`);
      this.#loads.loads++;
      this.#loads.loadRuns += tick.runs;
      this.#loads.loadSsts += tick.ssts;
      this.#oracle.loadTicked(tick);
    });
    const slots = 2 + randomBelow(world.random, 2);
    for (let slot = 0; slot < slots; slot++) this.#spawnWriter();
    const reader = this.#reader("reader");
    this.#scripts.push(world.spawn(reader.process, () => reader.live()));
    const follower = this.#reader("follower");
    this.#scripts.push(world.spawn(follower.process, () => follower.follow()));
    if (this.#maintainers === undefined) this.#spawnWatcher();
    else for (let i = 0; i < 5; i++) this.#spawnMaintainer();
    world.chaos = () => this.#chaos();
    world.fateOf = ({ operation }) => this.#fate(operation === "create");
    await this.#runScripts();

    world.chaos = () => undefined;
    world.fateOf = () => "complete";
    for (const process of world.processes) if (process.state === "paused") world.resume(process);
    await this.#runScripts();
    await this.#runUntil(() => this.#alive().every((writer) => writer.pending === 0));
    await this.#newestIsUsable();
    await this.#olderAreFenced();
    const seqs = await this.#nothingIsLost();
    const caughtUp = world.spawn(follower.process, () => follower.catchUp());
    await this.#runUntil(() => caughtUp.done);
    await this.#checkpointsHold(seqs);
    if (this.#maintainers === undefined) await this.#feedsAreWhole(seqs);
    else await this.#settles(seqs);
    return {
      events: world.log,
      requests: world.processes.reduce((sum, { store }) => sum + store.requestCount, 0),
      fenced: world.log.filter((line) => line.endsWith("is fenced")).length,
      handles: this.#oracle.handles.size,
      checkpoints: this.#oracle.checkpoints.length,
      ...this.#loads,
      feeds: this.#ledger.counts,
      maintenance: this.#maintainers?.counts,
    };
  }

  #spawnWriter(): void {
    const world = this.#world;
    const skewMs = world.chance(0.3) ? (world.random.next() - 0.5) * 7_200_000 : 0;
    const process = world.process(`w${this.#writers.length + 1}`, Math.floor(skewMs));
    const writer = new DuelWriter(
      process,
      this.#oracle,
      this.#place,
      () => newestEpoch(world),
      this.#ofWriters,
      this.#maintainers,
    );
    this.#writers.push(writer);
    this.#scripts.push(world.spawn(process, () => writer.live()));
  }

  #reader(name: string): DuelReader {
    const process = this.#world.process(name);
    return new DuelReader(process, this.#oracle, this.#place, this.#ofReaders, this.#maintainers);
  }

  /** Whoever follows the changes from where the last one was killed. */
  #spawnWatcher(): void {
    const watcher = this.#reader(`watcher ${++this.#watchers}`);
    this.#watcher = watcher;
    this.#scripts.push(this.#world.spawn(watcher.process, () => watcher.feed()));
  }

  /** Two coordinators, then two workers, a collector, and again; with clocks that are off by hours. */
  #spawnMaintainer(): void {
    const world = this.#world;
    const maintainers = this.#maintainers!;
    const number = this.#maintaining.length;
    const skewMs = Math.floor((world.random.next() - 0.5) * 20_000_000);
    const role = (["coordinate", "collect", "work", "coordinate", "collect"] as const)[number % 5]!;
    const process = world.process(`${role} ${number + 1}`, world.chance(0.3) ? skewMs : 0);
    this.#maintaining.push(process);
    this.#scripts.push(world.spawn(process, () => maintainers[role](process)));
  }

  #alive(): DuelWriter[] {
    return this.#writers.filter(({ process }) => process.state !== "dead");
  }

  #chaos(): void {
    const world = this.#world;
    if (this.#oracle.violation !== undefined) throw this.#oracle.violation;
    const running = world.processes.filter(({ state }) => state === "running");
    const paused = world.processes.filter(({ state }) => state === "paused");
    if (running.length > 0 && world.chance(0.012)) world.pause(world.pick(running));
    if (paused.length > 0 && world.chance(0.03)) world.resume(world.pick(paused));
    if (paused.length > 0 && world.chance(0.01)) world.jump(world.pick([500, 61_000, 7_200_000]));
    if (this.#writers.length < livesMax && world.chance(0.006)) {
      // Whoever is killed is replaced, and sometimes somebody comes who has replaced nobody.
      if (world.chance(0.7)) world.kill(world.pick(this.#writers).process);
      this.#spawnWriter();
    }
    if (this.#maintainers !== undefined) {
      if (this.#maintaining.length < maintainersMax && world.chance(0.006)) {
        if (world.chance(0.7)) world.kill(world.pick(this.#maintaining));
        this.#spawnMaintainer();
      }
      return;
    }
    if (this.#watchers < watchersMax && world.chance(0.006)) {
      world.kill(this.#watcher.process);
      this.#spawnWatcher();
    }
  }

  #fate(isCreate: boolean): Fate {
    let left = this.#world.random.next();
    const rates: [Fate, number][] = [
      ["hold", 0.1],
      ["refuse", 0.02],
      ["throttle", 0.01],
      ["lose-reply", 0.03],
      ["late", 0.03],
      ["conflict", isCreate ? 0.03 : 0],
    ];
    for (const [fate, rate] of rates) {
      left -= rate;
      if (left < 0) return fate;
    }
    return "complete";
  }

  #runScripts(): Promise<void> {
    return this.#runUntil(() =>
      this.#scripts.every(({ done, process }) => done || process.state === "dead"),
    );
  }

  async #runUntil(until: () => boolean): Promise<void> {
    await this.#world.run(() => {
      if (this.#oracle.violation !== undefined) throw this.#oracle.violation;
      return until();
    });
  }

  /** Runs a body in a process of its own to its end. */
  async #inProcess(
    name: string,
    body: (process: DuelWriter["process"]) => Promise<void>,
  ): Promise<void> {
    const process = this.#world.process(name);
    const script = this.#world.spawn(process, () => body(process));
    await this.#runUntil(() => script.done);
  }

  /** In peace, whoever has the newest epoch can write, unless it has been told why not. */
  async #newestIsUsable(): Promise<void> {
    const epoch = newestEpoch(this.#world);
    const newest = this.#alive().find(({ handle }) => handle?.epoch === epoch);
    if (newest === undefined) return;
    const { db, handle } = newest;
    let ended = false;
    void db!.closed.then(() => {
      ended = true;
    });
    await this.#runUntil(() => true);
    if (ended) return;
    const script = this.#world.spawn(newest.process, async () => {
      await newest.write(db!, true, true);
      const last = handle!.writes.at(-1)!;
      // A claim that was on its way may have come meanwhile.
      if (!last.durable && newestEpoch(this.#world) === epoch) {
        throw new Error("The newest writer cannot write.");
      }
    });
    await this.#runUntil(() => script.done);
  }

  /** A new writer opens; then nobody else has a write acknowledged, and all are told. */
  async #olderAreFenced(): Promise<void> {
    const world = this.#world;
    await this.#inProcess("umpire", async (process) => {
      const db = await this.#openDb(process);
      const content = await readContent(db, this.#oracle.keys());
      this.#oracle.opened(process.name, db, content);
      this.#oracle.checkFinal(process.name, content);
      await db.close();
    });
    world.releaseLate();
    for (const writer of this.#alive()) {
      const { db, process } = writer;
      if (db === undefined) continue;
      const script = world.spawn(process, async () => {
        const outcome = await db.put("late", "late").then(
          () => "acknowledged",
          (error: unknown) => (isMoraineError(error) ? error.kind : String(error)),
        );
        if (outcome === "acknowledged") {
          throw new Error(`${process.name} was superseded, and yet a write was acknowledged.`);
        }
        const end = await db.closed;
        world.note(`${process.name} is ${outcome}`);
        const expected = end === undefined ? "closed" : end.kind === "fenced" ? "fenced" : "closed";
        if (outcome !== expected) {
          throw new Error(`An older writer is "${outcome}" and has ended with "${end?.kind}".`);
        }
        await writer.feeding;
      });
      await this.#runUntil(() => script.done);
    }
  }

  #openDb(process: DuelWriter["process"]): Promise<Db> {
    return openDb(process, { wal: this.#place.forWriter(process) });
  }

  /** The database has everything that it must, in the order of its seqs, and goes on. Gives the seqs of the markers. */
  async #nothingIsLost(): Promise<Map<string, number>> {
    this.#oracle.checkSeqs();
    const seqs = new Map<string, number>();
    for (const name of ["last", "very last"]) {
      await this.#inProcess(name, async (process) => {
        const db = await this.#openDb(process);
        const content = await readContent(db, this.#oracle.keys());
        this.#oracle.opened(name, db, content);
        this.#oracle.checkFinal(name, content);
        let last = 0;
        for (const [epoch, count] of this.#oracle.prefixesOf(content)) {
          const { writes } = this.#oracle.handles.get(epoch)!;
          for (const { marker, seq: told } of writes.slice(0, count)) {
            const { seq } = (await db.getEntry(marker))!;
            const given = told ?? seq;
            if (seq <= last || seq !== given) {
              throw new Error(`"${marker}" has seq ${seq} after ${last}, and was given ${given}.`);
            }
            seqs.set(marker, seq);
            last = seq;
          }
        }
        if (db.seq < last) throw new Error(`The database goes on from seq ${db.seq}, not ${last}.`);
        await db.close();
      });
      this.#world.releaseLate();
    }
    return seqs;
  }

  /** Every checkpoint that somebody was told of is listed, holds what its seq says, and is what it was. */
  async #checkpointsHold(seqs: ReadonlyMap<string, number>): Promise<void> {
    const listed = newestManifest(this.#world)!.checkpoints;
    for (const { id } of this.#oracle.checkpoints) {
      if (!listed.some((checkpoint) => checkpoint.id === id)) {
        throw new Error(`Checkpoint ${id} was made and is not listed.`);
      }
    }
    const names = listed.map(({ name }) => name).filter((name) => name !== "");
    if (new Set(names).size < names.length) throw new Error(`Names are taken twice: ${names}.`);
    if (listed.length === 0) return;
    await this.#inProcess("checkpoints", async (process) => {
      const { store, clock, random } = process;
      const wal = this.#place.forReader(process);
      for (const { id } of listed) {
        const options = { clock, random, wal, checkpoint: id };
        const reader = await DbReader.open({ store, path: "db" }, options);
        const content = await readContent(reader, this.#oracle.keys());
        this.#oracle.observeCheckpoint(process.name, id, content);
        const made = this.#oracle.checkpoints.find((checkpoint) => checkpoint.id === id);
        for (const [marker, seq] of made === undefined ? [] : seqs) {
          if (content.has(marker) !== seq <= made!.seq) {
            throw new Error(
              `Checkpoint ${id} of seq ${made!.seq} is wrong about ${marker}: ${seq}.`,
            );
          }
        }
        await reader.close();
      }
    });
  }

  /** In peace, all becomes one run, what is superfluous goes, and everything is as it was. */
  async #settles(seqs: Map<string, number>): Promise<void> {
    await this.#inProcess("settles", (process) => this.#maintainers!.settle(process));
    const { l0, runs, retired } = newestManifest(this.#world)!;
    if (l0.length > 0 || runs.length > 1) {
      throw new Error(`${l0.length} L0 entries and ${runs.length} runs are left.`);
    }
    const pinned = newestManifest(this.#world)!.checkpoints.length > 0;
    if (!pinned && retired.length > 0) throw new Error(`${retired.length} retired are left.`);
    const again = await this.#nothingIsLost();
    for (const [marker, seq] of seqs) {
      // What was folded or moved has kept its seq.
      if (again.get(marker) !== seq) throw new Error(`"${marker}" has another seq than ${seq}.`);
    }
    await this.#checkpointsHold(seqs);
  }

  /** What feeds gave is what there is, and feeds from any position still agree, also when a collector has been there. */
  async #feedsAreWhole(seqs: ReadonlyMap<string, number>): Promise<void> {
    const log = new StoredLog(this.#world.objects, this.#place.other ? "log" : "db");
    const survivors = this.#oracle.survivors(seqs, (epoch) => log.hasLog(epoch));
    this.#ledger.check(survivors, log);
    const lastSeq = survivors.at(-1)?.seq ?? 0;
    if (this.#world.chance(0.5)) log.collect(this.#world.random);
    await this.#inProcess("feeds", async (process) => {
      const { store, clock, random } = process;
      const wal = this.#place.forReader(process);
      const at = { store, path: "db" };
      const handle = this.#world.chance(0.5)
        ? await DbReader.open(at, { clock, random, wal })
        : await this.#openDb(process);
      if (handle instanceof DbReader) await handle.waitForSeq(lastSeq);
      const feeder = new DuelFeeder(this.#oracle, this.#ledger);
      await feeder.drain(process, handle, 0, lastSeq);
      await feeder.drain(process, handle, randomBelow(random, lastSeq + 1), lastSeq);
      await handle.close();
    });
    log.refresh();
    this.#ledger.check(survivors, log);
  }
}

/** The writer epoch of the newest manifest in the store. */
function newestEpoch(world: World): number {
  return newestManifest(world)?.writerEpoch ?? 0;
}

function newestManifest(world: World): Manifest | undefined {
  const names = world.objects
    .list("", "db/manifest/")
    .filter(({ key }) => key.endsWith(".manifest"));
  const newest = names.at(-1)?.key;
  if (newest === undefined) return undefined;
  return decodeManifest(world.objects.get("", newest)!.bytes, newest);
}
