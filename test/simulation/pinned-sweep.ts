/**
 * The sweep of pinned readers: one run in which a pinned reader is cut, or paused, at one request, beside a writer that compacts and a collector
 * without grace. Its snapshots and scans show the same bytes for the whole run, and what a dead one has pinned goes.
 */
import { decodeUtf8 } from "../../src/common/bytes.js";
import { isMoraineError } from "../../src/common/errors.js";
import { collect } from "../../src/db/collect.js";
import { Db } from "../../src/db/db.js";
import { DbReader } from "../../src/db/db-reader.js";
import type { Snapshot } from "../../src/db/snapshot.js";
import { CheckpointPurpose, type Manifest } from "../../src/format/manifest.js";
import { decodeManifest } from "../../src/format/manifest-codec.js";
import type { Scan } from "../../src/read/scan-cursor.js";
import type { KeyValue } from "../../src/read/scan-shape.js";
import type { Fate } from "./fate.js";
import { type Content, difference, equalContent, scanContent } from "./history.js";
import { runCase } from "./replay.js";
import type { SimulatedProcess } from "./simulated-process.js";
import { type Script, World } from "./world.js";

export interface PinnedCut {
  readonly at: number;
  /** `pause`: it goes on when the others are done. `sleep`: the same, for longer than its pins last. */
  readonly fate: Fate | "pause" | "sleep";
}

export interface PinnedCase {
  readonly seed: number;
  /** What it opens: the newest state, or a checkpoint. */
  readonly opens: "newest" | "checkpoint";
  readonly cut?: PinnedCut | undefined;
}

export interface PinnedOutcome {
  /** Of the reader. */
  readonly requests: number;
  readonly cutHit: boolean;
  /** Looks at snapshots and scans that had been shown before. */
  readonly looks: number;
  /** Those that were told that what they need is gone. */
  readonly gone: number;
  readonly deleted: number;
}

const keys = ["k0", "k1", "k2", "k3"];
const rounds = 3;
const ttlMs = 600_000;

export function runPinnedCase(which: PinnedCase): Promise<PinnedOutcome> {
  const world = new World(which.seed);
  const { cut } = which;
  const name = `pinned/${which.seed}/${which.opens}${cut ? `/${cut.at}:${cut.fate}` : ""}`;
  return runCase({ name, file: "pinned-sweep.test.ts", world }, () =>
    new PinnedSweep(world, which).run(),
  );
}

interface Held {
  readonly name: string;
  readonly snapshot: Snapshot;
  readonly scan: Scan<KeyValue>;
  readonly begun: Content;
  readonly content: Content;
}

class PinnedSweep {
  readonly #world: World;
  readonly #which: PinnedCase;
  readonly #held: Held[] = [];
  #db!: Db;
  #looks = 0;
  #gone = 0;
  #deleted = 0;
  #cutHit = false;

  constructor(world: World, which: PinnedCase) {
    this.#world = world;
    this.#which = which;
  }

  async run(): Promise<PinnedOutcome> {
    const world = this.#world;
    world.lateHeld = true;
    const writer = world.process("writer");
    const collector = world.process("collector");
    const reader = world.process("reader");
    await this.#end(world.spawn(writer, () => this.#open(writer)));
    this.#cut(reader);
    const reading = world.spawn(reader, () => this.#reads(reader));
    const writing = world.spawn(writer, () => this.#writes(writer));
    const isOver = (script: Script): boolean => script.done || script.process.state !== "running";
    const others = [writing, world.spawn(collector, () => this.#collects(collector, writing))];
    await world.run(() => others.every(({ done }) => done) && isOver(reading));
    world.chaos = () => undefined;
    world.fateOf = () => "complete";
    if (this.#which.cut?.fate === "sleep" && reader.state === "paused") {
      world.jump(2 * ttlMs);
      await this.#end(world.spawn(collector, () => this.#passes(collector, 2)));
      // What it saw is needed by nobody now.
      await this.#end(world.spawn(writer, () => this.#rewrites()));
      await this.#end(world.spawn(collector, () => this.#passes(collector, 2)));
    }
    if (reader.state === "paused") world.resume(reader);
    await world.run(() => reading.done || reader.state === "dead");
    world.releaseLate();
    await this.#end(world.spawn(collector, () => this.#nothingIsLeft(collector, reader)));
    const requests = reader.store.requestCount;
    return {
      ...{ requests, cutHit: this.#cutHit, looks: this.#looks },
      ...{ gone: this.#gone, deleted: this.#deleted },
    };
  }

  async #end(script: Script): Promise<void> {
    await this.#world.run(() => script.done);
  }

  #cut(process: SimulatedProcess): void {
    const { cut } = this.#which;
    if (cut === undefined) return;
    const world = this.#world;
    if (cut.fate === "pause" || cut.fate === "sleep") {
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

  async #open({ store, clock, random }: SimulatedProcess): Promise<void> {
    this.#db = await Db.open(
      { store, path: "db" },
      {
        ...{ clock, random, background: false, compactionThreads: 0, gcGraceMs: 0 },
        ...{ sstBytesMax: 8192, flushIntervalMs: 10 },
      },
    );
    await this.#round("0");
    await this.#db.flush({ to: "l0" });
    await this.#db.put("log", "0");
    await this.#db.checkpoint({ scope: "durable", name: "first" });
    // What is shown now, the checkpoint does not keep.
    await this.#rewrites("0");
  }

  /** All of it, or nothing, is in whatever somebody sees. */
  async #round(value: string): Promise<void> {
    const batch = this.#db.batch();
    for (const key of keys) batch.put(key, value.padEnd(600, "."));
    await this.#db.write(batch);
  }

  async #writes({ clock }: SimulatedProcess): Promise<void> {
    for (let round = 1; round <= rounds; round++) {
      await clock.sleep(30);
      await this.#round(`${round}`);
      if (round % 2 === 0) {
        await this.#db.load([
          { key: "load", value: `${round}` },
          { key: "load2", value: `${round}` },
        ]);
      }
      await clock.sleep(20);
      await this.#db.flush({ to: "l0" });
      await this.#db.put("log", `${round}`);
      await this.#db.compact();
    }
  }

  async #rewrites(value = `${rounds}`): Promise<void> {
    await this.#round(value);
    await this.#db.flush({ to: "l0" });
    await this.#db.compact();
  }

  async #collects(process: SimulatedProcess, writing: Script): Promise<void> {
    while (!writing.done) {
      await process.clock.sleep(25);
      await this.#collectsOnce(process);
    }
    await this.#passes(process, 2);
  }

  async #passes(process: SimulatedProcess, count: number): Promise<void> {
    for (let pass = 0; pass < count; pass++) await this.#collectsOnce(process);
  }

  async #collectsOnce({ store, clock, random }: SimulatedProcess): Promise<void> {
    const report = await collect({ store, path: "db" }, { clock, random, graceMs: 0, sweep: true });
    this.#deleted += report.deleted.ssts;
  }

  async #reads(process: SimulatedProcess): Promise<void> {
    const { store, clock, random } = process;
    const { opens, cut } = this.#which;
    const reader = await DbReader.open(
      { store, path: "db" },
      {
        ...{ clock, random, pin: true, blockCacheBytes: 0 },
        ...(opens === "checkpoint" ? { checkpoint: "first" } : { pollIntervalMs: 3_600_000 }),
      },
    );
    for (let round = 0; round < rounds; round++) {
      await this.#hold(reader, `snapshot ${round}`);
      await clock.sleep(35);
      if (opens === "newest") await this.#mayBeGone(() => reader.refresh());
    }
    // Until the others are done, and after them.
    await clock.sleep(400);
    await this.#lookAtAll();
    for (const { name, content, begun, scan } of this.#held) {
      await this.#mayBeGone(async () => {
        for (let row = await scan.next(); row !== undefined; row = await scan.next()) {
          begun.set(decodeUtf8(row.key), decodeUtf8(row.value));
        }
        requireSame(`the scan beside ${name}`, content, begun);
      });
    }
    if (cut?.fate === "sleep" && opens === "newest") {
      // Whatever has become of its snapshots, it goes on; it may have slept in this very look.
      let isShown = false;
      for (let look = 0; look < 3 && !isShown; look++) {
        await reader.refresh();
        await this.#mayBeGone(async () => {
          requireWhole(await scanContent(reader), `${rounds}`);
          isShown = true;
        });
      }
      if (!isShown) throw new Error("The reader does not go on.");
    }
    await reader.close();
    const end = await reader.closed;
    if (end !== undefined) throw end;
  }

  async #hold(reader: DbReader, name: string): Promise<void> {
    await this.#mayBeGone(async () => {
      const snapshot = reader.snapshot();
      const scan = snapshot.scan();
      const content = await scanContent(snapshot);
      requireWhole(content);
      const begun: Content = new Map();
      const row = await scan.next();
      if (row !== undefined) begun.set(decodeUtf8(row.key), decodeUtf8(row.value));
      this.#held.push({ name, snapshot, scan, begun, content });
    });
  }

  async #lookAtAll(): Promise<void> {
    for (const { name, snapshot, content } of this.#held) {
      await this.#mayBeGone(async () => {
        requireSame(name, content, await scanContent(snapshot));
        this.#looks++;
      });
    }
  }

  /** Only of a process that has slept for longer than its pins last. */
  async #mayBeGone(body: () => Promise<void>): Promise<void> {
    try {
      await body();
    } catch (error) {
      const mayBe = this.#which.cut?.fate === "sleep" && this.#cutHit;
      if (!mayBe || !isMoraineError(error, "gone")) throw error;
      this.#gone++;
    }
  }

  /** A reader that has closed has dropped its pins; those of one that died expire. */
  async #nothingIsLeft(process: SimulatedProcess, reader: SimulatedProcess): Promise<void> {
    const world = this.#world;
    if (reader.state === "dead" || this.#cutHit) world.jump(2 * ttlMs);
    await this.#passes(process, 2);
    const { checkpoints } = newestManifest(world);
    const left = checkpoints.filter(({ purpose }) => purpose === CheckpointPurpose.reader);
    if (left.length > 0) throw new Error(`${left.length} pins are left.`);
    const { store, clock, random } = process;
    for (const checkpoint of [undefined, "first"]) {
      const last = await DbReader.open({ store, path: "db" }, { clock, random, checkpoint });
      requireWhole(await scanContent(last), checkpoint === undefined ? `${rounds}` : "0");
      await last.close();
    }
  }
}

function requireSame(name: string, first: Content, then: Content): void {
  if (equalContent(first, then)) return;
  throw new Error(`${name} has changed: ${difference(first, then)}`);
}

/** All keys of one round, or of this one. */
function requireWhole(content: Content, round?: string): void {
  const values = new Set(keys.map((key) => content.get(key)?.replace(/\.+$/, "")));
  if (values.size === 1 && (round === undefined || values.has(round))) return;
  throw new Error(`Of one batch there is ${[...values].join(", ")}, not ${round ?? "one value"}.`);
}

function newestManifest(world: World): Manifest {
  const names = world.objects.list("", "db/manifest/").map(({ key }) => key);
  const newest = names.filter((key) => key.endsWith(".manifest")).at(-1)!;
  return decodeManifest(world.objects.get("", newest)!.bytes, newest);
}
