/** A reader in a points duel: of any of the databases, newest or at a checkpoint, pinned or not; what it holds open stays what it was. */

import { Admin } from "../../src/admin/admin.js";
import { isMoraineError } from "../../src/common/errors.js";
import { randomBelow } from "../../src/common/random.js";
import { DbReader } from "../../src/db/db-reader.js";
import type { CheckpointInfo } from "../../src/manifest/checkpoint-info.js";
import { type Content, scanContent } from "./history.js";
import type { MaintenanceCounts } from "./maintainers.js";
import { locationOf } from "./points-admin.js";
import type { Line, Moment, PointsOracle } from "./points-oracle.js";
import type { SimulatedProcess } from "./simulated-process.js";
import { holdSnapshots } from "./snapshot-holder.js";

/** What is not pinned may be gone, and so may what was pinned by one that slept. */
const expectedKinds: ReadonlySet<string> = new Set([
  ...["unknown", "unavailable", "not-found", "gone", "closed"],
]);

export class PointsReader {
  readonly process: SimulatedProcess;
  readonly #oracle: PointsOracle;
  readonly #counts: MaintenanceCounts;

  constructor(process: SimulatedProcess, oracle: PointsOracle, counts: MaintenanceCounts) {
    this.process = process;
    this.#oracle = oracle;
    this.#counts = counts;
  }

  async live(): Promise<void> {
    const { clock } = this.process;
    for (let life = 0; life < 4; life++) {
      await clock.sleep(this.#below(300));
      const places = this.#oracle.places();
      const place = places[this.#below(places.length)];
      if (place === undefined) continue;
      try {
        await this.#look(this.#oracle.line(place)!);
      } catch (error) {
        if (!isMoraineError(error) || !expectedKinds.has(error.kind)) throw error;
      }
    }
  }

  async #look(line: Line): Promise<void> {
    const { clock, random } = this.process;
    const location = locationOf(this.process, line.place);
    const info = this.#below(2) === 0 ? await this.#listed(line) : undefined;
    const moment = this.#oracle.moment(line);
    const options = { clock, random, pin: this.#below(2) === 0 };
    const place = info === undefined ? { pollIntervalMs: 300 } : { checkpoint: info.id };
    const reader = await DbReader.open(location, { ...options, ...place });
    try {
      this.#check(line, info, moment, await scanContent(reader));
      const holding = holdSnapshots(this.process, reader, this.#oracle, this.#counts, 2);
      for (let i = this.#below(4); i > 0; i--) {
        await clock.sleep(this.#below(200));
        const then = this.#oracle.moment(line);
        if (info === undefined) await reader.refresh();
        this.#check(line, info, then, await scanContent(reader));
      }
      await holding;
    } finally {
      await reader.close();
    }
  }

  #check(line: Line, info: CheckpointInfo | undefined, moment: Moment, content: Content): void {
    const { name } = this.process;
    // Another database is at this path now.
    if (this.#oracle.line(line.place) !== line) return;
    if (info === undefined) this.#oracle.see(name, content, moment);
    else {
      this.#oracle.see(`${name} at ${info.id}`, content);
      line.point(info.id).see(name, content);
    }
  }

  async #listed(line: Line): Promise<CheckpointInfo | undefined> {
    const { clock, random } = this.process;
    await using admin = await Admin.open(locationOf(this.process, line.place), { clock, random });
    const listed = await admin.checkpoints();
    return listed[this.#below(listed.length)];
  }

  #below(limit: number): number {
    return limit === 0 ? 0 : randomBelow(this.process.random, limit);
  }
}
