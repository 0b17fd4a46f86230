/** `firstFailureOf`: looks for a planted bug, seed after seed. */
import { SimulationFailure, verbose } from "./replay.js";

/** The message of the first of `count` runs, from seed `from`, that fails; undefined when none does. Anything but a failure of a run is thrown. */
export async function firstFailureOf(
  { from = 1, count }: { from?: number; count: number },
  run: (seed: number) => Promise<unknown>,
  check: (message: string, seed: number) => void = () => undefined,
): Promise<string | undefined> {
  for (let seed = from; seed < from + count; seed++) {
    try {
      await run(seed);
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      if (verbose) console.log(seed, error.message.slice(0, 200));
      check(error.message, seed);
      return error.message;
    }
  }
  return undefined;
}
