/** How much of what is random, or cut at every request, is run: a sample in `npm test`, all of it in `npm run test:sim`. */

interface RunsEnvironment {
  MORAINE_SIM_RUNS?: string;
}

const env: RunsEnvironment = process.env;

/** How many duels there are, by which the simulations measure everything. */
export const duelCount: number = Number(env.MORAINE_SIM_RUNS ?? 60);

export const isLong: boolean = duelCount > 1000;

/** All of the runs of a property, or a third of them. */
export function sampled(all: number): number {
  return isLong ? all : Math.ceil(all / 3);
}

/**
 * For a property that is asked afterwards what has happened in its runs: the same runs each time, as of others so few may be without something. In
 * long runs there are enough of them, and other ones each time.
 */
export function counted(all: number, few: number): { numRuns: number; seed?: number } {
  return isLong ? { numRuns: all } : { numRuns: few, seed: 4 };
}
