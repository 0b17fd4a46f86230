/** A writer in a points duel: it opens one of the databases, writes, loads, flushes and makes checkpoints, and closes or just stays. */
import { isMoraineError } from "../../src/common/errors.js";
import { randomBelow } from "../../src/common/random.js";
import type { Db } from "../../src/db/db.js";
import { type Change, scanContent, toOperation } from "./history.js";
import type { Maintainers } from "./maintainers.js";
import type { PointsHandle, PointsOracle } from "./points-oracle.js";
import type { SimulatedProcess } from "./simulated-process.js";
import { holdSnapshots } from "./snapshot-holder.js";
import { openDb } from "./sweep-workload.js";

/** What it may be told when another one takes over, restores or destroys, or when the store was away for a whole deadline. */
const expectedKinds: ReadonlySet<string> = new Set([
  ...["fenced", "closed", "unknown", "unavailable", "not-found"],
]);

export class PointsWriter {
  readonly process: SimulatedProcess;
  readonly #place: string;
  readonly #oracle: PointsOracle;
  readonly #maintainers: Maintainers;
  #db!: Db;
  #handle!: PointsHandle;
  #pending = 0;
  /** A load may be there or not: nothing is written after it. */
  #isOver = false;

  constructor(
    process: SimulatedProcess,
    place: string,
    oracle: PointsOracle,
    maintainers: Maintainers,
  ) {
    this.process = process;
    this.#place = place;
    this.#oracle = oracle;
    this.#maintainers = maintainers;
  }

  get pending(): number {
    return this.#pending;
  }

  async live(): Promise<void> {
    const { clock } = this.process;
    for (let life = 0; life < 3; life++) {
      await clock.sleep(this.#below(300));
      if (!(await this.open(this.#place === "db" ? "if-missing" : "never"))) continue;
      const count = 4 + this.#below(14);
      for (let i = 0; i < count && !this.#isOver; i++) await this.#act();
      const ending = this.#below(6);
      if (ending > 4) return;
      const flush = ([true, "wal", false, "wal", true] as const)[ending]!;
      await this.#settles(this.#db.close({ flush }), () => undefined);
      await this.#settles(this.#db.closed, () => undefined);
    }
  }

  /** Opens, checks what it finds, and says whether it could. */
  async open(create: "never" | "if-missing" = "never"): Promise<boolean> {
    const oracle = this.#oracle;
    const before = oracle.line(this.#place);
    if (before === undefined && create === "never") return false;
    const moment = before && oracle.moment(before);
    this.#isOver = false;
    try {
      const options = {
        ...{ create, walPutsInFlight: 1 + this.#below(4), sstBytesMax: 4096 },
        ...{ wal: ([undefined, undefined, true, true, false] as const)[this.#below(5)] },
        ...this.#maintainers.forWriter(this.process),
      };
      this.#db = await openDb(this.process, options, this.#place);
      const content = await scanContent(this.#db);
      const line = oracle.line(this.#place);
      if (line === undefined || (before !== undefined && line !== before)) return false;
      const { name } = this.process;
      this.#handle = oracle.opened(name, line, this.#db.stats().epoch, content);
      if (moment !== undefined) oracle.see(name, content, moment);
      const counts = this.#maintainers.counts;
      void holdSnapshots(this.process, this.#db, oracle, counts, 2);
      return true;
    } catch (error) {
      if (!isExpected(error)) throw error;
      return false;
    }
  }

  /** In peace: one more write, and all is well. */
  async finish(): Promise<void> {
    if (!(await this.open())) throw new Error(`${this.#place} cannot be opened.`);
    await this.#write(true, true);
    await this.#db.close({ flush: this.#below(2) === 0 ? "wal" : true });
    const end = await this.#db.closed;
    if (end !== undefined) throw end;
  }

  #act(): Promise<void> | void {
    switch (this.#below(12)) {
      case 0:
        return this.process.clock.sleep(this.#below(200));
      case 1:
        return this.#flush(this.#below(2) === 0 ? "wal" : "l0");
      case 2:
        void this.#write(true, true);
        return;
      case 3:
        for (let i = 0; i < 5; i++) void this.#write(i === 3, true, true);
        return;
      case 4:
        return this.#load();
      case 5:
      case 6:
        return this.#checkpoint(this.#below(3) === 0 ? "all" : "durable");
      case 7:
        void this.#checkpoint("durable");
        return;
      default:
        return this.#write(this.#below(3) > 0, this.#below(3) > 0);
    }
  }

  async #write(durable: boolean, batch: boolean, large = false): Promise<void> {
    const handle = this.#handle;
    const write = this.#oracle.write(handle, (marker) => {
      const changes: Change[] = [{ key: marker, value: marker }];
      if (!batch) return changes;
      const value = large || this.#below(5) === 0 ? marker.padEnd(6000, ".") : marker;
      const isDelete = this.#below(4) === 0;
      changes.push({ key: `shared/${this.#below(6)}`, value: isDelete ? undefined : value });
      changes.push({ key: `both/${this.#below(3)}`, value: marker });
      if (this.#below(6) === 0) {
        const from = this.#below(5);
        const until = `shared/${from + 1 + this.#below(3)}`;
        changes.splice(1, 0, { key: `shared/${from}`, value: undefined, until });
      }
      return changes;
    });
    const operations = write.changes.map((change) => toOperation(change));
    await this.#settles(this.#db.write(operations, { durable }), () => {
      if (durable) this.#oracle.acknowledged(handle, write);
    });
  }

  /** All that was called before has its seq, or is refused: so its place among the writes is known. */
  async #load(): Promise<void> {
    if (this.#pending > 0) return this.#flush("wal");
    const handle = this.#handle;
    const write = this.#oracle.write(handle, (marker) => {
      const changes: Change[] = [{ key: marker, value: marker }];
      for (let i = 0; i < 6; i++) {
        if (this.#below(2) === 0) continue;
        const value = this.#below(3) === 0 ? marker.padEnd(3000, ".") : marker;
        changes.push({ key: `shared/${i}`, value });
      }
      return changes.sort((a, b) => (a.key < b.key ? -1 : 1));
    });
    const rows = write.changes.map(({ key, value }) => ({ key, value: value! }));
    this.#isOver = true;
    await this.#settles(this.#db.load(rows), () => {
      this.#isOver = false;
      this.#oracle.acknowledged(handle, write);
    });
  }

  async #flush(to: "wal" | "l0"): Promise<void> {
    const handle = this.#handle;
    const called = [...handle.writes];
    const pending = this.#pending;
    await this.#settles(this.#db.flush({ to }), () => {
      // What waits for memory may be refused later.
      if (pending === 0) for (const write of called) this.#oracle.acknowledged(handle, write);
    });
  }

  async #checkpoint(scope: "all" | "durable"): Promise<void> {
    const handle = this.#handle;
    const { line } = handle;
    const moment = this.#oracle.moment(line);
    const accepted = handle.writes.length - this.#db.stats().waitingWrites;
    const must = scope === "all" ? handle.writes.slice(0, Math.max(0, accepted)) : [];
    const name = this.#below(4) === 0 ? "named" : undefined;
    const wait = this.#db.checkpoint({ scope, name }).catch((error: unknown) => {
      if (isMoraineError(error, "exists")) return undefined;
      throw error;
    });
    await this.#settles(wait, (info) => {
      if (info === undefined) return;
      const point = line.point(info.id);
      point.require(must.map(({ marker }) => marker));
      // It was fenced since; but it may have been told so late.
      if (this.#oracle.holds(moment)) point.require(moment.required);
    });
  }

  async #settles<T>(wait: Promise<T>, then: (result: T) => void): Promise<void> {
    this.#pending++;
    try {
      then(await wait);
    } catch (error) {
      if (!isExpected(error)) this.#oracle.violation ??= error as Error;
      // What was refused must not stand before what is written later.
      this.#isOver = true;
    } finally {
      this.#pending--;
    }
  }

  #below(limit: number): number {
    return randomBelow(this.process.random, limit);
  }
}

function isExpected(error: unknown): boolean {
  return isMoraineError(error) && expectedKinds.has(error.kind);
}
