/**
 * The crash sweep of maintenance: one run in which a process that compacts or collects is cut, or paused, at one request; another one then
 * does the work, and everything must be as it was.
 */
import { decodeUtf8 } from "../../src/common/bytes.js";
import { isMoraineError } from "../../src/common/errors.js";
import { collect } from "../../src/db/collect.js";
import { Compactor, type CompactorOptions } from "../../src/db/compactor.js";
import type { Db } from "../../src/db/db.js";
import { DbReader } from "../../src/db/db-reader.js";
import type { Reads } from "../../src/db/reads.js";
import type { Snapshot } from "../../src/db/snapshot.js";
import type { Manifest } from "../../src/format/manifest.js";
import { decodeManifest } from "../../src/format/manifest-codec.js";
import { bytesAppend } from "../../src/merge/byte-strings.js";
import type { Fate } from "./fate.js";
import { type Content, difference, equalContent, scanContent } from "./history.js";
import { plansOnly } from "./plans-only.js";
import { runCase } from "./replay.js";
import type { SimulatedProcess } from "./simulated-process.js";
import type { MakeObjects } from "./sweep.js";
import { openDb } from "./sweep-workload.js";
import { type Script, World } from "./world.js";

/** Whose request is cut: of one that compacts alone, of a coordinator beside a worker, of that worker, or of a collector. */
export const victims = ["compacts", "coordinates", "works", "collects"] as const;
export type Victim = (typeof victims)[number];

export interface MaintenanceCut {
  readonly at: number;
  /** `pause`: it goes on when its successor has done everything. */
  readonly fate: Fate | "pause";
}

export interface MaintenanceCase {
  readonly victim: Victim;
  readonly seed: number;
  readonly cut?: MaintenanceCut | undefined;
}

export interface MaintenanceOutcome {
  /** Of the victim. */
  readonly requests: number;
  readonly cutHit: boolean;
  /** Carried out by the victim, or by its companion, where that is a worker. */
  readonly jobs: number;
  readonly deleted: number;
  readonly events: readonly string[];
}

const prefix = "maintenance/";

export function maintenanceCaseName({ victim, seed, cut }: MaintenanceCase): string {
  const at = cut === undefined ? "" : `/${cut.at}:${cut.fate}`;
  return `${prefix}${victim}/${seed}${at}`;
}

/** The inverse of `maintenanceCaseName`. */
export function parseMaintenanceCase(name: string): MaintenanceCase {
  const [victim, seed, cut] = name.slice(prefix.length).split("/");
  const [at, fate] = cut?.split(":") ?? [];
  return {
    victim: victim as Victim,
    seed: Number(seed),
    cut: cut === undefined ? undefined : { at: Number(at), fate: fate as Fate },
  };
}

export function runMaintenanceCase(
  which: MaintenanceCase,
  makeObjects?: MakeObjects,
): Promise<MaintenanceOutcome> {
  const world = new World(which.seed, makeObjects);
  const about = { name: maintenanceCaseName(which), file: "maintenance-sweep.test.ts", world };
  return runCase(about, () => new MaintenanceSweep(world, which).run());
}

const at = (process: SimulatedProcess): { store: typeof process.store; path: string } => ({
  store: process.store,
  path: "db",
});

/** What a reader was shown before anything was compacted. */
interface Known {
  readonly reads: Reads;
  readonly name: string;
  /** It is opened anew for each look. */
  readonly checkpoint?: string | undefined;
  readonly content: Content;
}

class MaintenanceSweep {
  readonly #world: World;
  readonly #which: MaintenanceCase;
  readonly #operators = { log: bytesAppend };
  #db!: Db;
  #known: Known[] = [];
  #keys = new Set<string>();
  #jobs = 0;
  #deleted = 0;
  #cutHit = false;

  constructor(world: World, which: MaintenanceCase) {
    this.#world = world;
    this.#which = which;
  }

  async run(): Promise<MaintenanceOutcome> {
    const world = this.#world;
    const { victim } = this.#which;
    // A late request comes at its worst when a successor has done its work.
    world.lateHeld = true;
    const writer = world.process("writer");
    await this.#end(world.spawn(writer, () => this.#write(writer)));
    if (victim === "collects") {
      const before = world.process("before");
      await this.#end(world.spawn(before, () => this.#compacts(before)));
    }
    const process = world.process(victim);
    const companion = world.process("companion");
    this.#cut(process);
    const scripts = [world.spawn(process, () => this.#expected(this.#does(victim, process)))];
    if (victim === "works") {
      scripts.push(
        world.spawn(companion, () => this.#expected(this.#does("coordinates", companion))),
      );
    }
    if (victim === "coordinates") {
      scripts.push(world.spawn(companion, () => this.#expected(this.#does("works", companion))));
    }
    await world.run(() => scripts.every((script) => isOver(script)));
    world.chaos = () => undefined;
    world.fateOf = () => "complete";
    await this.#end(world.spawn(writer, () => this.#writesAgain()));
    const successor = world.process("successor", -3_600_000);
    await this.#end(world.spawn(successor, () => this.#finish(successor)));
    const checker = world.process("checker");
    await this.#end(world.spawn(checker, () => this.#check(checker)));
    if (process.state === "paused") world.resume(process);
    await world.run(() =>
      scripts.every(({ done, process: { state } }) => done || state === "dead"),
    );
    world.releaseLate();
    await this.#end(world.spawn(checker, () => this.#check(checker)));
    const last = world.process("last");
    await this.#end(world.spawn(last, () => this.#nothingIsLeft(last)));
    await this.#end(world.spawn(checker, () => this.#check(checker)));
    return {
      ...{ requests: process.store.requestCount, cutHit: this.#cutHit },
      ...{ jobs: this.#jobs, deleted: this.#deleted, events: world.log },
    };
  }

  async #end(script: Script): Promise<void> {
    await this.#world.run(() => script.done);
  }

  #cut(process: SimulatedProcess): void {
    const { cut } = this.#which;
    if (cut === undefined) return;
    const world = this.#world;
    if (cut.fate === "pause") {
      world.chaos = () => {
        if (this.#cutHit || process.store.requestCount <= cut.at) return;
        this.#cutHit = true;
        world.pause(process);
      };
      return;
    }
    const { fate } = cut;
    world.fateOf = (request) => {
      if (request.process !== process || request.index !== cut.at) return "complete";
      this.#cutHit = true;
      return fate;
    };
  }

  /** L0 entries of every kind, above a run where the seed is odd; what an open snapshot and a checkpoint see. */
  async #write(process: SimulatedProcess): Promise<void> {
    const { clock } = process;
    // What it reads later it has to ask for, so that it finds out what is gone.
    const options = { blockCacheBytes: 0, mergeOperators: this.#operators };
    const db = await openDb(process, options);
    this.#db = db;
    const soft = { durable: false };
    const put = (key: string, value: string, options = {}): void => {
      this.#keys.add(key);
      void db.put(key, value, { ...soft, ...options });
    };
    let checkpoint = "";
    let durable = "";
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 8; i++)
        put(`key${(i * 5 + round) % 12}`, `${round}.${i}`.padEnd(700, "."));
      put(`round${round}`, "here");
      put("short", `${round}`, { ttlMs: 5 });
      put("long", `${round}`, { ttlMs: 36_000_000 });
      this.#keys.add("log");
      void db.merge("log", `${round};`, { operator: "log", ...soft });
      if (round > 0) void db.delete(`key${round}`, soft);
      if (round > 0) void db.delete(`key${round + 5}`, soft);
      if (round === 1) void db.deleteRange({ gte: "key3", lt: "key6" }, soft);
      if (round === 3) void db.deleteRange({ gte: "round1", lt: "round2" }, soft);
      if (round === 2 || round === 3) {
        // The log is collected later, from in front of what it names and from behind it, and the first expires, its base.
        await db.put("key1", `${round} in the log`);
        const given = round === 2 ? { ttlMs: 10 } : { base: durable };
        durable = (await db.checkpoint({ scope: "durable", ...given })).id;
      }
      if (round === 2) {
        const rows = ["key10", "key7", "loaded", "round0"].map((key) => ({ key, value: `load` }));
        for (const { key } of rows) this.#keys.add(key);
        await db.load(rows.sort((a, b) => (a.key < b.key ? -1 : 1)));
      }
      await db.flush({ to: "l0" });
      if (round === 1) checkpoint = (await db.checkpoint()).id;
      if (round < 2 && this.#which.seed % 2 === 1) await this.#compacts(process);
      await clock.sleep(20);
      // The next flush says that it is open; no checkpoint has what it sees.
      if (round === 3) await this.#knows("the open snapshot", db.snapshot());
    }
    // What has a short life has expired.
    await clock.sleep(20);
    await this.#knows("the writer", db);
    for (const [name, id] of [
      ["the checkpoint", checkpoint],
      ["the durable checkpoint", durable],
    ] as const) {
      const reader = await this.#reader(process, id);
      await this.#knows(name, reader, id);
      await reader.close();
    }
  }

  /** Another L0 entry, with nothing new in it. */
  async #writesAgain(): Promise<void> {
    await this.#db.put("round4", "here");
    await this.#db.flush({ to: "l0" });
  }

  #reader({ store, clock, random }: SimulatedProcess, checkpoint: string): Promise<DbReader> {
    const mergeOperators = this.#operators;
    const options = { clock, random, mergeOperators, checkpoint };
    return DbReader.open({ store, path: "db" }, options);
  }

  async #knows(name: string, reads: Db | DbReader | Snapshot, checkpoint?: string): Promise<void> {
    this.#known.push({ name, reads, checkpoint, content: await this.#contentOf(reads) });
  }

  async #contentOf(reads: Reads): Promise<Content> {
    const keys = [...this.#keys];
    const [content, values] = [await scanContent(reads), await reads.getMany(keys)];
    for (const [i, key] of keys.entries()) {
      const value = values[i] && decodeUtf8(values[i]);
      if (value !== content.get(key)) throw new Error(`getMany gives another "${key}" than scan.`);
    }
    return content;
  }

  #does(what: Victim, process: SimulatedProcess): Promise<void> {
    if (what === "compacts") return this.#compacts(process);
    if (what === "collects") return this.#collects(process);
    const isWorker = what === "works";
    const role = isWorker ? { worker: true } : { workerJobsMax: 3, name: plansOnly };
    return this.#opened(process, role, async (one) => {
      for (let round = 0; round < 8; round++) {
        const jobs = await one.runOnce();
        if (isWorker) this.#jobs += jobs;
        await process.clock.sleep(40);
      }
    });
  }

  #compacts(process: SimulatedProcess): Promise<void> {
    return this.#opened(process, {}, async (one) => {
      this.#jobs += await one.runOnce();
    });
  }

  /** What others have begun is waited for: until it is theirs no longer. */
  async #compactAll(process: SimulatedProcess, one: Compactor): Promise<void> {
    const abort = new AbortController();
    const timer = process.clock.after(600_000, () => abort.abort(new Error("It takes too long.")));
    await one.compact(undefined, { signal: abort.signal });
    timer.cancel();
  }

  async #opened(
    process: SimulatedProcess,
    options: CompactorOptions,
    body: (one: Compactor) => Promise<void>,
  ): Promise<void> {
    const { clock, random } = process;
    const one = await Compactor.open(at(process), {
      ...{ clock, random, compactionThreads: 0, mergeOperators: this.#operators },
      ...{ compactionL0Trigger: 1, sstBytesMax: 8192, ...options },
    });
    try {
      await body(one);
    } finally {
      await one.close();
    }
  }

  async #collects(process: SimulatedProcess): Promise<void> {
    const { clock, random } = process;
    for (let pass = 0; pass < 2; pass++) {
      const report = await collect(at(process), { clock, random, graceMs: 0, sweep: true });
      this.#deleted += report.deleted.ssts;
    }
  }

  /** Another process took over meanwhile, or the fate of the request was told. */
  async #expected(body: Promise<void>): Promise<void> {
    const kinds = ["fenced", "closed", "unknown", "unavailable"];
    await body.catch((error: unknown) => {
      const isCut = this.#cutHit && isMoraineError(error) && kinds.includes(error.kind);
      if (!isCut) throw error;
    });
  }

  async #finish(process: SimulatedProcess): Promise<void> {
    await this.#opened(process, {}, (one) => this.#compactAll(process, one));
    await this.#collects(process);
  }

  async #check(process: SimulatedProcess): Promise<void> {
    for (const { name, reads, checkpoint, content } of this.#known) {
      const reader = checkpoint === undefined ? undefined : await this.#reader(process, checkpoint);
      const found = await this.#contentOf(reader ?? reads);
      await reader?.close();
      if (!equalContent(content, found)) {
        throw new Error(`${name} has changed: ${difference(content, found)}`);
      }
    }
  }

  /** Once both floors have passed all that was begun, nothing is stored that nothing names. */
  async #nothingIsLeft(process: SimulatedProcess): Promise<void> {
    await this.#writesAgain();
    await this.#finish(process);
    const newest = newestManifest(this.#world);
    if (newest.l0.length > 0 || newest.runs.length !== 1) {
      throw new Error(`${newest.l0.length} L0 entries and ${newest.runs.length} runs are left.`);
    }
    const pinned = newest.checkpoints.map(({ manifestNumber }) =>
      manifestOf(this.#world, manifestNumber),
    );
    const loads = newest.checkpoints.flatMap((checkpoint) => checkpoint.loads);
    const named = new Set(
      [newest, ...pinned].flatMap(({ l0, runs }) =>
        [...l0, ...runs].flatMap(({ ssts }) => ssts.map(({ id }) => id)),
      ),
    );
    for (const id of loads) named.add(id);
    const stored = this.#world.objects.list("", "db/sst/").map(({ key }) => key);
    const orphans = stored.filter((key) => !named.has(key.slice(-30, -4)));
    if (orphans.length > 0) throw new Error(`Nothing names ${orphans.join(", ")}.`);
  }
}

/** Also one that is paused is: it goes on later. */
function isOver({ done, process }: Script): boolean {
  return done || process.state !== "running";
}

function manifestOf(world: World, number: number): Manifest {
  const key = `db/manifest/${String(number).padStart(20, "0")}.manifest`;
  return decodeManifest(world.objects.get("", key)!.bytes, key);
}

function newestManifest(world: World): Manifest {
  const names = world.objects.list("", "db/manifest/").map(({ key }) => key);
  const newest = names.filter((key) => key.endsWith(".manifest")).at(-1)!;
  return decodeManifest(world.objects.get("", newest)!.bytes, newest);
}
