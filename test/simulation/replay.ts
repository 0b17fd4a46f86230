/** Running one case of a simulation, so that a failure says which it was, how to run it again, and what happened last. */
import { duelCount } from "../support/run-counts.js";
import type { World } from "./world.js";

interface SimulationEnvironment {
  MORAINE_SIM_SEED?: string;
  MORAINE_SIM_VERBOSE?: string;
}

const env: SimulationEnvironment = process.env;

/** Whether to say how many runs there were. */
export const verbose: boolean = env.MORAINE_SIM_VERBOSE !== undefined;

/** The case to replay, when one was asked for: `MORAINE_SIM_SEED`. */
export const replayed: string | undefined = env.MORAINE_SIM_SEED;

/** A run that is looked at again is told of from its beginning. */
const lastEvents = replayed === undefined ? 40 : 60_000;

/** The seeds of a sweep, in proportion. */
export const sweepSeedCount: number = Math.max(1, Math.floor(duelCount / 60));

/** How many histories of transactions with crashes, at each level. */
export const isolationSeedCount: number = Math.max(3, Math.floor(duelCount / 5));

export class SimulationFailure extends Error {
  constructor(name: string, file: string, world: World, cause: unknown) {
    const what = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    super(
      `Run ${name} failed: ${what}\n\nReplay it: npm run test:sim -- --seed ${name}   (test/simulation/${file})\n\nThe last events (step, time, what):\n${world.log.slice(-lastEvents).join("\n")}`,
      { cause },
    );
    this.name = "SimulationFailure";
  }
}

/** Runs a case in its world. */
export async function runCase<T>(
  about: { name: string; file: string; world: World },
  body: (world: World) => Promise<T>,
): Promise<T> {
  try {
    return await body(about.world);
  } catch (error) {
    throw new SimulationFailure(about.name, about.file, about.world, error);
  }
}
