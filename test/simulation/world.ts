/**
 * `World`: processes, one shared store, and the scheduler that decides what happens next. Every choice is drawn from one
 * seeded generator, and nothing else in a run is random or timed: the same seed gives the same log.
 *
 * A step lets every promise settle, then does one thing: decides the fate of one held request, lets a late one happen, or,
 * when nothing else can go on, moves the time to the next timer.
 */
import { type Random, randomBelow, seededRandom } from "../../src/common/random.js";
import { errorOf, type Fate } from "./fate.js";
import { ObjectAudit } from "./object-audit.js";
import { SimulatedObjects } from "./simulated-objects.js";
import { SimulatedProcess, type SimulatedTimer } from "./simulated-process.js";
import type { HeldRequest } from "./simulated-store.js";

export interface Script {
  readonly process: SimulatedProcess;
  done: boolean;
}

/** More steps than any run needs: something goes round in circles. */
const stepsMax = 60_000;
/** More turns of the event loop than anything needs between two steps. */
const turnsMax = 1_000;

export class World {
  readonly random: Random;
  readonly objects: SimulatedObjects;
  readonly log: string[] = [];
  readonly processes: SimulatedProcess[] = [];
  timeMs = 0;
  /** What is to become of a request that comes up. */
  fateOf: (request: HeldRequest) => Fate = () => "complete";
  /** Called before each step: pauses, kills and the like. */
  chaos: () => void = () => undefined;
  /** Late requests stay where they are until `releaseLate`. */
  lateHeld = false;
  readonly #seed: number;
  #held: HeldRequest[] = [];
  #late: HeldRequest[] = [];
  #violation: Error | undefined;
  #steps = 0;

  constructor(
    seed: number,
    makeObjects: (now: () => number) => SimulatedObjects = (now) => new SimulatedObjects(now),
  ) {
    this.#seed = seed;
    this.random = seededRandom(seed);
    this.objects = makeObjects(() => this.timeMs);
    this.objects.audit = new ObjectAudit();
  }

  /** Whether requests of the process are under way. */
  isBusy(process: SimulatedProcess): boolean {
    return this.#held.some((request) => request.process === process);
  }

  chance(probability: number): boolean {
    return this.random.next() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[randomBelow(this.random, choices.length)]!;
  }

  process(name: string, wallOffsetMs = 0): SimulatedProcess {
    const process = new SimulatedProcess({
      ...{ name, wallOffsetMs, objects: this.objects },
      random: seededRandom(this.#seed * 7919 + this.processes.length + 1),
      timeMs: () => this.timeMs,
      hold: (request) => {
        if (process.state !== "dead") this.#held.push(request);
      },
    });
    this.processes.push(process);
    return process;
  }

  /** Runs a script in a process. An error that it throws fails the run. */
  spawn(process: SimulatedProcess, body: () => Promise<void>): Script {
    const script: Script = { process, done: false };
    body().then(
      () => {
        script.done = true;
      },
      (error: unknown) => {
        this.#violation ??= error instanceof Error ? error : new Error(String(error));
      },
    );
    return script;
  }

  note(text: string): void {
    this.log.push(`${this.#steps} ${Math.round(this.timeMs)}ms ${text}`);
  }

  kill(process: SimulatedProcess): void {
    if (process.state === "dead") return;
    process.state = "dead";
    this.note(`${process.name} is killed`);
    process.clock.timers = [];
    process.clock.turns = [];
    const inFlight = this.#held.filter((request) => request.process === process);
    this.#held = this.#held.filter((request) => request.process !== process);
    for (const request of inFlight) {
      if (request.applied || !request.writes) continue;
      const fate = this.pick(["drop", "apply", "late"] as const);
      this.note(`${request}: ${fate} after the kill`);
      if (fate === "apply") request.apply();
      if (fate === "late") this.#late.push(request);
    }
    this.objects.died(process.name);
  }

  pause(process: SimulatedProcess): void {
    process.state = "paused";
    this.note(`${process.name} is paused`);
  }

  resume(process: SimulatedProcess): void {
    process.state = "running";
    this.note(`${process.name} goes on`);
  }

  jump(ms: number): void {
    this.timeMs += ms;
    this.note(`time jumps by ${ms} ms`);
  }

  /** Requests that are late are applied now, all of them. */
  releaseLate(): void {
    for (const request of this.#late.splice(0)) this.#applyLate(request);
  }

  /** Steps until `until` holds. Throws when a script fails, or when nothing can go on. */
  async run(until: () => boolean): Promise<void> {
    for (;;) {
      await this.#settle();
      if (this.#violation !== undefined) throw this.#violation;
      for (const request of this.#held.filter((held) => held.abandoned)) this.#abandon(request);
      if (until()) return;
      if (++this.#steps > stepsMax) throw new Error(`The run does not end in ${stepsMax} steps.`);
      this.chaos();
      if (!this.#step() && !this.#advance()) this.#unblock();
    }
  }

  /** Nothing can go on: either the only ones who could are paused, or somebody waits for nothing. */
  #unblock(): void {
    if (this.processes.some((process) => process.clock.turns.length > 0 && running(process)))
      return;
    const paused = this.processes.filter((process) => process.state === "paused");
    if (paused.length === 0) {
      throw new Error("Somebody waits, and nothing is under way: a promise was forgotten.");
    }
    this.resume(this.pick(paused));
  }

  /** Lets everything run that is ready. What waits for the end of the turn runs behind it. */
  async #settle(): Promise<void> {
    for (let turns = 0; ; turns++) {
      if (turns > turnsMax) throw new Error(`After ${turnsMax} turns there is always one more.`);
      // Before it calls back, every promise that can settle has: nothing here waits for real I/O.
      await new Promise<void>((resolve) => setImmediate(resolve));
      let ran = false;
      for (const process of this.processes) {
        if (!running(process) || process.clock.turns.length === 0) continue;
        ran = true;
        for (const callback of process.clock.turns.splice(0)) callback();
      }
      if (!ran) return;
    }
  }

  #step(): boolean {
    const ready = this.#held.filter(
      (request) =>
        running(request.process) || (!request.applied && request.process.state === "paused"),
    );
    const late = this.lateHeld ? 0 : this.#late.length;
    // Late ones alone do not keep a run going: some are late for ever.
    if (ready.length === 0) return false;
    const index = randomBelow(this.random, ready.length + late);
    if (index >= ready.length) {
      const [request] = this.#late.splice(index - ready.length, 1);
      if (this.chance(0.7)) this.#applyLate(request!);
      return true;
    }
    this.#decide(ready[index]!);
    return true;
  }

  /** Nobody waits for it any more, but it was sent. */
  #abandon(request: HeldRequest): void {
    this.#forget(request);
    if (request.applied || request.process.state === "dead") return;
    const fate = this.fateOf(request);
    this.note(`${request}: given up by its caller, ${fate}`);
    if (fate.startsWith("kill")) this.#meet(request, fate);
    else if (request.writes) this.#late.push(request);
  }

  #applyLate(request: HeldRequest): void {
    this.note(`${request}: applied late`);
    request.apply();
  }

  #decide(request: HeldRequest): void {
    if (request.applied) {
      this.note(`${request}: replied to`);
      this.#forget(request);
      request.reply();
      return;
    }
    if (!running(request.process)) {
      this.note(`${request}: applied while its process is paused`);
      request.apply();
      return;
    }
    const fate = this.fateOf(request);
    this.note(`${request}: ${fate}`);
    if (fate === "hold") {
      request.apply();
      return;
    }
    this.#forget(request);
    this.#meet(request, fate);
  }

  #meet(request: HeldRequest, fate: Fate): void {
    const { process, key } = request;
    if (fate === "late" || fate === "kill-late") {
      if (request.writes) this.#late.push(request);
    } else if (fate === "lose-reply" || fate === "kill-after" || fate === "complete") {
      request.apply();
    }
    if (fate.startsWith("kill")) this.kill(process);
    else if (fate === "complete") request.reply();
    else request.fail(errorOf(fate, key));
  }

  #forget(request: HeldRequest): void {
    this.#held.splice(this.#held.indexOf(request), 1);
  }

  /** Fires the next timer of a running process. Idle timers fire on the way to others only. */
  #advance(): boolean {
    let next: { process: SimulatedProcess; timer: SimulatedTimer } | undefined;
    let busy = false;
    for (const process of this.processes) {
      if (!running(process)) continue;
      const { timers } = process.clock;
      busy ||= timers.some((timer) => !timer.idle);
      const timer = timers[0];
      if (timer !== undefined && (next === undefined || timer.dueMs < next.timer.dueMs)) {
        next = { process, timer };
      }
    }
    if (next === undefined || !busy) return false;
    next.process.clock.timers.shift();
    this.timeMs = Math.max(this.timeMs, next.timer.dueMs);
    this.note(`${next.process.name}: a timer fires`);
    next.timer.callback();
    return true;
  }
}

function running(process: SimulatedProcess): boolean {
  return process.state === "running";
}
