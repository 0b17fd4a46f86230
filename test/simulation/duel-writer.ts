/** One life of a writer in a duel: it opens, writes what the seed says, and stays open, closes or is killed. */
import { isMoraineError } from "../../src/common/errors.js";
import { randomBelow } from "../../src/common/random.js";
import type { Db } from "../../src/db/db.js";
import { type DuelHandle, type DuelOracle, type DuelWrite, markerOf } from "./duel-oracle.js";
import { type Change, equalContent, scanContent } from "./history.js";
import type { SimulatedProcess } from "./simulated-process.js";
import { openDb } from "./sweep-workload.js";

/** What a writer may be told when another one takes over, or when the store was away for a whole deadline. */
const expectedKinds: ReadonlySet<string> = new Set(["fenced", "closed", "unknown", "unavailable"]);

function isExpected(error: unknown): boolean {
  return isMoraineError(error) && expectedKinds.has(error.kind);
}

export class DuelWriter {
  readonly process: SimulatedProcess;
  readonly #oracle: DuelOracle;
  readonly #newestEpoch: () => number;
  /** Promises that have not settled. */
  #pending = 0;
  handle: DuelHandle | undefined;
  db: Db | undefined;

  /** `newestEpoch` is that of the newest manifest in the store. */
  constructor(process: SimulatedProcess, oracle: DuelOracle, newestEpoch: () => number) {
    this.process = process;
    this.#oracle = oracle;
    this.#newestEpoch = newestEpoch;
  }

  get pending(): number {
    return this.#pending;
  }

  async live(): Promise<void> {
    const { clock } = this.process;
    await clock.sleep(this.#below(400));
    if (!(await this.#open())) return;
    const count = 3 + this.#below(10);
    for (let i = 0; i < count; i++) await this.#act();
    const ending = this.#below(6);
    if (ending > 3) return;
    const flush = ([true, true, "wal", false] as const)[ending]!;
    await this.#close(flush);
  }

  async #open(): Promise<boolean> {
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        this.db = await openDb(this.process, {
          walPutsInFlight: 1 + this.#below(4),
          unflushedBytesMax: 400_000,
        });
        const content = await scanContent(this.db);
        const { epoch } = this.db.stats();
        this.handle = this.#oracle.opened(this.process.name, epoch, content);
        void this.#watch(this.db, epoch);
        return true;
      } catch (error) {
        if (!isExpected(error)) throw error;
      }
    }
    return false;
  }

  /** A handle is only fenced by somebody newer. */
  async #watch(db: Db, epoch: number): Promise<void> {
    const error = await db.closed;
    if (error === undefined) return;
    if (!isExpected(error)) this.#oracle.violation ??= error;
    if (error.kind === "fenced" && this.#newestEpoch() <= epoch) {
      this.#oracle.violation ??= new Error(`${this.process.name} was fenced by nobody.`);
    }
  }

  async #act(): Promise<void> {
    const db = this.db!;
    switch (this.#below(10)) {
      case 0:
        return this.process.clock.sleep(this.#below(200));
      case 1:
        return this.#flush(this.#below(2) === 0 ? "wal" : "l0");
      case 2:
        return this.#checkOwnView();
      case 3:
      case 4:
        return this.write(db, true, this.#below(2) === 0);
      case 5:
        await Promise.all([
          this.write(db, true, false),
          this.write(db, true, true),
          this.write(db, false, false),
        ]);
        return;
      case 6:
        void this.write(db, true, true);
        return;
      default:
        return this.write(db, false, this.#below(3) > 0);
    }
  }

  async write(db: Db, durable: boolean, batch: boolean): Promise<void> {
    const handle = this.handle!;
    const index = handle.writes.length;
    const name = `${handle.epoch}/${index}`;
    const changes: Change[] = [{ key: markerOf(handle.epoch, index), value: name }];
    if (batch) {
      const shared = `shared/${this.#below(6)}`;
      changes.push({ key: shared, value: this.#below(3) === 0 ? undefined : this.#value(name) });
      changes.push({ key: `both/${this.#below(3)}`, value: name });
    }
    const write: DuelWrite = {
      changes,
      calledAt: this.#oracle.tick(),
      durable: false,
      refused: false,
    };
    handle.writes.push(write);
    const wait = batch
      ? db.write(
          changes.map(({ key, value }) =>
            value === undefined ? { type: "delete", key } : { type: "put", key, value },
          ),
          { durable },
        )
      : db.put(changes[0]!.key, name, { durable });
    await this.#settles(
      wait,
      () => {
        if (durable) this.#acknowledged(write);
      },
      () => {
        write.refused = true;
      },
    );
  }

  async #flush(to: "wal" | "l0"): Promise<void> {
    const { handle, db } = this;
    const seq = db!.seq;
    const called = [...handle!.writes];
    await this.#settles(db!.flush({ to }), ({ durableSeq }) => {
      if (durableSeq < seq) throw new Error(`A flush to ${seq} answered ${durableSeq}.`);
      for (const write of called) if (!write.refused) this.#acknowledged(write);
    });
  }

  #acknowledged(write: DuelWrite): void {
    write.durable = true;
    if (write.calledAt > this.handle!.supersededAt) {
      throw new Error(`${this.process.name} was superseded, and yet a write was acknowledged.`);
    }
  }

  /** The handle sees what it found when it opened, and all that it has written since. */
  async #checkOwnView(): Promise<void> {
    const { handle, db } = this;
    if (this.#pending > 0) return;
    const count = handle!.writes.length;
    await this.#settles(scanContent(db!), (content) => {
      const prefixes = this.#oracle.prefixesOf(content);
      if ((prefixes.get(handle!.epoch) ?? 0) < count && !handle!.writes[count - 1]!.refused) {
        throw new Error(`${this.process.name} does not see its own ${count} writes.`);
      }
      if (!equalContent(this.#oracle.fold(prefixes), content)) {
        throw new Error(`${this.process.name} sees a torn state.`);
      }
    });
  }

  async #close(flush: boolean | "wal"): Promise<void> {
    const accepted = flush !== false && this.#pending === 0 ? [...this.handle!.writes] : [];
    await this.#settles(this.db!.close({ flush }), () => {
      for (const write of accepted) if (!write.refused) write.durable = true;
    });
  }

  /** Never rejects: what no duel explains is put down in the oracle. */
  async #settles<T>(
    wait: Promise<T>,
    then: (result: T) => void,
    refused: () => void = () => undefined,
  ): Promise<void> {
    this.#pending++;
    try {
      then(await wait);
    } catch (error) {
      refused();
      if (!isExpected(error)) this.#oracle.violation ??= error as Error;
    } finally {
      this.#pending--;
    }
  }

  #value(name: string): string {
    return this.#below(4) === 0 ? name.padEnd(9000, ".") : name;
  }

  #below(limit: number): number {
    return randomBelow(this.process.random, limit);
  }
}
