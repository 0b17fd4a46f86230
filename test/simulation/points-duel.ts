/**
 * A points duel: writers, readers, compactors and collectors without grace on a database and its clones, while administrators make checkpoints,
 * restore, clone, detach, export and destroy, under pauses, kills, lost replies and late requests; then peace, and the reckoning.
 */
import { Admin } from "../../src/admin/admin.js";
import { isMoraineError } from "../../src/common/errors.js";
import { randomBelow } from "../../src/common/random.js";
import { collect } from "../../src/db/collect.js";
import { DbReader } from "../../src/db/db-reader.js";
import { CheckpointPurpose } from "../../src/format/manifest.js";
import type { Fate } from "./fate.js";
import { scanContent } from "./history.js";
import { Maintainers, type MaintenanceCounts } from "./maintainers.js";
import {
  clonePlaces,
  exportPlaces,
  locationOf,
  noOperations,
  type Operation,
  type OperationCounts,
  PointsAdmin,
  requireNoProblems,
} from "./points-admin.js";
import { PointsAudit } from "./points-audit.js";
import { PointsOracle } from "./points-oracle.js";
import { PointsReader } from "./points-reader.js";
import { PointsWriter } from "./points-writer.js";
import { runCase } from "./replay.js";
import type { SimulatedProcess } from "./simulated-process.js";
import { type Script, World } from "./world.js";

export interface PointsOutcome {
  readonly events: readonly string[];
  readonly requests: number;
  readonly operations: OperationCounts;
  readonly maintenance: MaintenanceCounts;
}

export function runPointsDuel(seed: number): Promise<PointsOutcome> {
  const world = new World(seed);
  const about = { name: `points/${seed}`, file: "points-duels.test.ts", world };
  return runCase(about, () => new PointsDuel(world).run());
}

const writersMax = 7;
const adminsMax = 6;

class PointsDuel {
  readonly #world: World;
  readonly #oracle = new PointsOracle();
  readonly #audit = new PointsAudit();
  readonly #maintainers = new Maintainers({ forReader: () => undefined });
  readonly #operations = noOperations();
  /** Clones and exports that were begun. */
  readonly #begun: Operation[] = [];
  readonly #writers: PointsWriter[] = [];
  readonly #admins: PointsAdmin[] = [];
  readonly #scripts: Script[] = [];
  #names = 0;

  constructor(world: World) {
    this.#world = world;
    world.objects.audit = this.#audit;
    this.#audit.onManifest = (...about) => this.#oracle.stored(...about);
  }

  async run(): Promise<PointsOutcome> {
    const world = this.#world;
    this.#spawnWriter("db");
    if (world.chance(0.5)) this.#spawnWriter("db");
    for (let i = 0; i < 2; i++) this.#spawnAdmin();
    for (let i = 0; i < 2; i++) this.#spawnReader();
    for (let i = 0; i < 2; i++) this.#spawnCollector();
    const coordinator = this.#process("coordinator");
    this.#scripts.push(world.spawn(coordinator, () => this.#maintainers.coordinate(coordinator)));
    world.chaos = () => this.#chaos();
    world.fateOf = ({ operation }) => this.#fate(operation === "create");
    await this.#runScripts();

    world.chaos = () => undefined;
    world.fateOf = () => "complete";
    for (const process of world.processes) if (process.state === "paused") world.resume(process);
    await this.#runScripts();
    await this.#runUntil(() =>
      this.#writers.every(({ pending, process }) => pending === 0 || process.state === "dead"),
    );
    world.releaseLate();
    await this.#finishes();
    await this.#allIsWell();
    await this.#clonesLetGo();
    await this.#allIsWell();
    return {
      events: world.log,
      requests: world.processes.reduce((sum, { store }) => sum + store.requestCount, 0),
      operations: this.#operations,
      maintenance: this.#maintainers.counts,
    };
  }

  #process(role: string): SimulatedProcess {
    const world = this.#world;
    const skewMs = world.chance(0.2) ? Math.floor((world.random.next() - 0.5) * 7_200_000) : 0;
    return world.process(`${role} ${++this.#names}`, skewMs);
  }

  #spawnWriter(place: string): void {
    const process = this.#process(`writer of ${place}`);
    const writer = new PointsWriter(process, place, this.#oracle, this.#maintainers);
    this.#writers.push(writer);
    this.#scripts.push(this.#world.spawn(process, () => writer.live()));
  }

  /** Goes on with what the one that was killed had under way. */
  #spawnAdmin(killed?: PointsAdmin): void {
    const process = this.#process("admin");
    const admin = this.#admin(process);
    this.#admins.push(admin);
    this.#scripts.push(this.#world.spawn(process, () => admin.live(killed?.current)));
  }

  #admin(process: SimulatedProcess): PointsAdmin {
    return new PointsAdmin(process, this.#oracle, this.#operations, this.#begun, (text) =>
      this.#world.note(text),
    );
  }

  #spawnReader(): void {
    const process = this.#process("reader");
    const reader = new PointsReader(process, this.#oracle, this.#maintainers.counts);
    this.#scripts.push(this.#world.spawn(process, () => reader.live()));
  }

  #spawnCollector(): void {
    const process = this.#process("collector");
    this.#scripts.push(
      this.#world.spawn(process, async () => {
        for (let round = 0; round < 12; round++) {
          await process.clock.sleep(randomBelow(process.random, 250));
          const places = this.#oracle.places().filter((place) => !exportPlaces.includes(place));
          const place = places[randomBelow(process.random, places.length)];
          if (place !== undefined) await this.#collect(process, place);
        }
      }),
    );
  }

  async #collect(process: SimulatedProcess, place: string): Promise<void> {
    const { clock, random } = process;
    const sweep = randomBelow(random, 2) === 0;
    try {
      const options = { clock, random, graceMs: 0, sweep };
      const { deleted } = await collect(locationOf(process, place), options);
      this.#maintainers.counts.passes++;
      this.#maintainers.counts.deleted += deleted.ssts;
    } catch (error) {
      const kinds = ["unknown", "unavailable", "not-found", "fenced"];
      if (!isMoraineError(error) || !kinds.includes(error.kind)) throw error;
    }
  }

  #chaos(): void {
    const world = this.#world;
    if (this.#oracle.violation !== undefined) throw this.#oracle.violation;
    const running = world.processes.filter(({ state }) => state === "running");
    const paused = world.processes.filter(({ state }) => state === "paused");
    if (running.length > 0 && world.chance(0.012)) world.pause(world.pick(running));
    if (paused.length > 0 && world.chance(0.03)) world.resume(world.pick(paused));
    if (paused.length > 0 && world.chance(0.01)) world.jump(world.pick([500, 61_000, 7_200_000]));
    if (this.#writers.length < writersMax && world.chance(0.006)) {
      if (world.chance(0.5)) world.kill(world.pick(this.#writers).process);
      const places = this.#oracle.places().filter((place) => !exportPlaces.includes(place));
      this.#spawnWriter(world.pick(["db", ...places]));
    }
    const busy = this.#admins.filter(
      ({ current, process }) => current !== undefined && process.state !== "dead",
    );
    if (busy.length > 0 && this.#admins.length < adminsMax && world.chance(0.008)) {
      const killed = world.pick(busy);
      world.kill(killed.process);
      this.#spawnAdmin(killed);
    }
  }

  #fate(isCreate: boolean): Fate {
    let left = this.#world.random.next();
    const rates: [Fate, number][] = [
      ["hold", 0.1],
      ["refuse", 0.01],
      ["throttle", 0.01],
      ["lose-reply", 0.02],
      ["late", 0.02],
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
    try {
      await this.#world.run(() => {
        if (this.#oracle.violation !== undefined) throw this.#oracle.violation;
        return until();
      });
    } finally {
      const waiting = this.#scripts.filter(
        ({ done, process }) => !done && process.state !== "dead",
      );
      this.#world.note(
        `not at their ends: ${waiting.map(({ process }) => process.name).join(", ")}`,
      );
    }
  }

  /** Runs a body in a process of its own to its end. */
  async #inProcess(
    name: string,
    body: (process: SimulatedProcess) => Promise<void>,
  ): Promise<void> {
    const process = this.#world.process(`${name} ${++this.#names}`);
    const script = this.#world.spawn(process, () => body(process));
    await this.#runUntil(() => script.done);
  }

  /** What died in the midst of a clone or an export is called again, by somebody else, long after. */
  async #finishes(): Promise<void> {
    this.#world.jump(1_200_000);
    const isOpen = (target: string): boolean =>
      !this.#oracle.lines.has(target) && this.#isHeld(target);
    for (const operation of [...this.#begun]) {
      // Of several that were begun there, one can go on: what it was begun from decides.
      if (!isOpen(operation.target!)) continue;
      await this.#inProcess("later admin", async (process) => {
        await this.#admin(process).attempt(operation);
      });
    }
    // What the export of a database has left that was destroyed since is for its owner to delete.
    const canGoOn = (target: string): boolean =>
      this.#begun.every(
        (one) => one.target !== target || this.#oracle.line(one.from) !== undefined,
      );
    const left = this.#begun
      .map(({ target }) => target!)
      .find((one) => isOpen(one) && canGoOn(one));
    if (left !== undefined) throw new Error(`${left} could not be finished.`);
  }

  /** Something lies there, or is kept for it. */
  #isHeld(target: string): boolean {
    const isPinned = this.#oracle.places().some((place) => this.#pins(place).has(target));
    return isPinned || this.#world.objects.list("", `${target}/`).length > 0;
  }

  /** Every database, every checkpoint of it, and each object. */
  async #allIsWell(): Promise<void> {
    for (const place of this.#oracle.places()) {
      const isExport = exportPlaces.includes(place);
      const line = this.#oracle.line(place)!;
      if (!isExport) {
        await this.#inProcess(`last writer of ${place}`, async (process) => {
          await new PointsWriter(process, place, this.#oracle, this.#maintainers).finish();
          for (let i = 0; i < 2; i++) await this.#collect(process, place);
        });
      }
      await this.#inProcess(`last reader of ${place}`, async (process) => {
        const { clock, random } = process;
        const location = locationOf(process, place);
        await using reader = await DbReader.open(location, { clock, random });
        this.#oracle.checkNewest(process.name, line, await scanContent(reader));
        await using admin = await Admin.open(location, { clock, random });
        for (const { id } of await admin.checkpoints()) {
          await using at = await DbReader.open(location, { clock, random, checkpoint: id });
          const content = await scanContent(at);
          this.#oracle.see(`${process.name} at ${id}`, content);
          line.point(id).see(process.name, content);
        }
        requireNoProblems(place, (await admin.verify({ deep: true })).problems);
      });
    }
  }

  /** The newest first: each is detached, or destroyed. Then nothing is held for them any more. */
  async #clonesLetGo(): Promise<void> {
    // A destroy that was cut off is called again.
    for (const place of clonePlaces.filter((one) => this.#audit.newest(one)?.destroyed)) {
      await this.#inProcess(`end of ${place}`, async (process) => {
        const { clock, random } = process;
        await using admin = await Admin.open(locationOf(process, place), { clock, random });
        await admin.destroy({ confirm: place });
      });
    }
    const clones = this.#oracle.places().filter((place) => clonePlaces.includes(place));
    const newestFirst = clones.sort(
      (a, b) => this.#oracle.line(b)!.index - this.#oracle.line(a)!.index,
    );
    for (const place of newestFirst) {
      await this.#inProcess(`end of ${place}`, async (process) => {
        const { clock, random } = process;
        await using admin = await Admin.open(locationOf(process, place), { clock, random });
        const isHeld = (await admin.checkpoints({ all: true })).some(
          ({ purpose }) => purpose === "clone",
        );
        if (isHeld || this.#world.chance(0.6)) await admin.detach();
        else await admin.destroy({ confirm: place });
      });
    }
    for (const place of this.#oracle.places()) {
      if (exportPlaces.includes(place)) continue;
      await this.#inProcess(`collector of ${place}`, async (process) => {
        await this.#expiresByHand(process, place);
        await this.#collect(process, place);
      });
      const left = [...this.#pins(place)];
      if (left.length > 0) throw new Error(`${place} is still held for ${left.join(", ")}.`);
    }
  }

  /** What an attempt has left that died, and at whose target there is another database by now. */
  async #expiresByHand(process: SimulatedProcess, place: string): Promise<void> {
    const { clock, random } = process;
    await using admin = await Admin.open(locationOf(process, place), { clock, random });
    for (const { id, purpose, holder, holderId } of this.#audit.newest(place)!.checkpoints) {
      if (purpose !== CheckpointPurpose.clone) continue;
      if (this.#audit.newest(holder)?.databaseId === holderId) continue;
      await admin.expireCheckpoint(id, { force: true });
    }
  }

  /** For whom it keeps what it has. */
  #pins(place: string): ReadonlySet<string> {
    const { checkpoints = [] } = this.#audit.newest(place) ?? {};
    const pins = checkpoints.filter(({ purpose }) => purpose === CheckpointPurpose.clone);
    return new Set(pins.map(({ holder }) => holder));
  }
}
