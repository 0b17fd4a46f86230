/** A reader in a duel: it follows by hand, and everything that it sees is a prefix that only grows. */
import { isMoraineError } from "../../src/common/errors.js";
import { randomBelow } from "../../src/common/random.js";
import { DbReader } from "../../src/db/db-reader.js";
import type { DuelOracle } from "./duel-oracle.js";
import { scanContent } from "./history.js";
import type { SimulatedProcess } from "./simulated-process.js";

export class DuelReader {
  readonly process: SimulatedProcess;
  readonly #oracle: DuelOracle;
  #size = 0;

  constructor(process: SimulatedProcess, oracle: DuelOracle) {
    this.process = process;
    this.#oracle = oracle;
  }

  async live(): Promise<void> {
    const { clock, random } = this.process;
    for (let life = 0; life < 2; life++) {
      await clock.sleep(randomBelow(random, 500));
      const acknowledged = this.#oracle.durableMarkers();
      const reader = await this.#open();
      if (reader === undefined) continue;
      await this.#look(reader, acknowledged);
      const rounds = 2 + randomBelow(random, 5);
      for (let round = 0; round < rounds; round++) {
        await clock.sleep(randomBelow(random, 200));
        await this.#refresh(reader);
      }
      await reader.close();
    }
  }

  async #open(): Promise<DbReader | undefined> {
    const { store, clock, random } = this.process;
    const exists = this.#oracle.handles.size > 0;
    try {
      return await DbReader.open(
        { store, path: "db" },
        { clock, random, pollIntervalMs: 300, memTableBytes: 40_000 },
      );
    } catch (error) {
      // It may come before the database.
      if (isMoraineError(error, "not-found") && !exists) return undefined;
      if (!isAway(error)) throw error;
      return undefined;
    }
  }

  async #refresh(reader: DbReader): Promise<void> {
    const acknowledged = this.#oracle.durableMarkers();
    try {
      await reader.refresh();
    } catch (error) {
      if (!isAway(error)) throw error;
      return;
    }
    await this.#look(reader, acknowledged);
  }

  async #look(reader: DbReader, acknowledged: readonly string[]): Promise<void> {
    const { name } = this.process;
    try {
      const content = await scanContent(reader);
      const size = this.#oracle.size(this.#oracle.observe(name, content));
      if (size < this.#size) throw new Error(`${name} went back from ${this.#size} to ${size}.`);
      this.#size = size;
      this.#oracle.requireMarkers(name, content, acknowledged);
    } catch (error) {
      if (!isAway(error)) throw error;
    }
  }
}

/** The store was away for a whole deadline. */
function isAway(error: unknown): boolean {
  return isMoraineError(error, "unavailable") || isMoraineError(error, "unknown");
}
