/** Collectors and sweeps over a store of their own each, which stop before every request until a test lets them go on. */
import { deferred } from "../../../src/common/deferred.js";
import { Collector, type CollectorOptions } from "../../../src/gc/collector.js";
import { Sweep } from "../../../src/gc/sweep.js";
import { CountingObjectStore, FaultyObjectStore } from "../../../src/testing/index.js";
import { type GcWorld, minute } from "./world.js";

export const retentionMs: number = 30 * 24 * 60 * minute;

export class PausedActor {
  readonly faulty: FaultyObjectStore;
  readonly counting: CountingObjectStore;
  readonly #gates: (() => void)[] = [];
  isOver = false;
  error: unknown;
  result: unknown;

  constructor(
    world: GcWorld,
    run: (store: CountingObjectStore) => Promise<unknown>,
    /** Whether the reply to that request is lost, and it is applied when `release` is called. */
    isLate: (request: { operation: string }) => boolean = () => false,
  ) {
    this.faulty = new FaultyObjectStore(world.store);
    this.faulty.intercept = (request) => {
      if (isLate(request)) return { kind: "late" };
      const gate = deferred();
      this.#gates.push(gate.resolve);
      return { kind: "delay", until: gate.promise };
    };
    this.counting = new CountingObjectStore(this.faulty);
    run(this.counting).then(
      (result) => {
        this.isOver = true;
        this.result = result;
      },
      (error: unknown) => {
        this.isOver = true;
        this.error = error;
      },
    );
  }

  /** Sends the oldest request that waits, and lets everything happen up to the next one. */
  async step(): Promise<void> {
    await turns();
    this.#gates.shift()?.();
    await turns();
  }

  async finish(): Promise<void> {
    for (let i = 0; !this.isOver && i < 2000; i++) await this.step();
    if (!this.isOver) throw new Error("an actor does not end");
  }
}

export async function turns(count = 12): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

export function optionsFor(
  world: GcWorld,
  store: CountingObjectStore | GcWorld["store"],
): CollectorOptions {
  return { store, clock: world.clock, random: world.random, retentionMs };
}

export function collecting(
  world: GcWorld,
  graceMs: number,
  isLate?: (request: { operation: string }) => boolean,
): PausedActor {
  const run = (store: CountingObjectStore) =>
    new Collector(optionsFor(world, store)).runOnce({ graceMs });
  return new PausedActor(world, run, isLate);
}

export function sweeping(
  world: GcWorld,
  isLate?: (request: { operation: string }) => boolean,
): PausedActor {
  const run = (store: CountingObjectStore) => new Sweep(optionsFor(world, store)).runOnce();
  return new PausedActor(world, run, isLate);
}
