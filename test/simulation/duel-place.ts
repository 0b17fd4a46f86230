/** Where the logs of one duel are: at a place of their own, on which all must agree, or on and off as each opener likes. */
import { type Random, randomBelow } from "../../src/common/random.js";
import type { WalOption } from "../../src/db/wal-place.js";
import type { SimulatedProcess } from "./simulated-process.js";

export class DuelPlace {
  /** The logs are under a path of their own. */
  readonly other: boolean;

  constructor(random: Random) {
    this.other = randomBelow(random, 4) === 0;
  }

  /** What one opener asks for. */
  forWriter({ store, random }: SimulatedProcess): WalOption | undefined {
    if (this.other) return { store, path: "log" };
    return ([true, true, false, false, undefined] as const)[randomBelow(random, 5)];
  }

  /** A reader takes what is there. */
  forReader({ store }: SimulatedProcess): WalOption | undefined {
    return this.other ? { store, path: "log" } : undefined;
  }
}
