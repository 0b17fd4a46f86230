/** A writer in a duel: it opens, writes what the seed says, and stays open, closes and opens again, or is killed. */
import { isMoraineError } from "../../src/common/errors.js";
import { randomBelow } from "../../src/common/random.js";
import type { Db } from "../../src/db/db.js";
import type { DuelFeeder } from "./duel-feeder.js";
import type { DuelHandle, DuelOracle, DuelWrite } from "./duel-oracle.js";
import type { DuelPlace } from "./duel-place.js";
import { type Change, equalContent, readContent, scanContent, toOperation } from "./history.js";
import type { Maintainers } from "./maintainers.js";
import type { SimulatedProcess } from "./simulated-process.js";
import { holdSnapshots } from "./snapshot-holder.js";
import { openDb } from "./sweep-workload.js";

/** What a writer may be told when another one takes over, or when the store was away for a whole deadline. */
const expectedKinds: ReadonlySet<string> = new Set(["fenced", "closed", "unknown", "unavailable"]);

function isExpected(error: unknown): boolean {
  return isMoraineError(error) && expectedKinds.has(error.kind);
}

/** Where range deletes begin and end: no marker is between two of these. */
const bounds: readonly string[] = [
  ...["both/0", "both/1", "both/2", "load/0", "load/3"],
  ...["shared/0", "shared/1", "shared/2", "shared/3", "shared/4", "shared/5", "shared/6"],
];

/** Every range delete between two of the bounds, at each place in a batch behind its marker. */
const batchesWithRange: readonly { readonly at: number; readonly change: Change }[] =
  bounds.flatMap((key, first) =>
    bounds
      .slice(first + 1)
      .flatMap((until) =>
        [1, 2, 3].map((at) => ({ at, change: { key, value: undefined, until } })),
      ),
  );

/** So many kinds of batches, of which an eighth has a range delete. */
const batchCount = batchesWithRange.length * 8;

export class DuelWriter {
  readonly process: SimulatedProcess;
  readonly #oracle: DuelOracle;
  readonly #place: DuelPlace;
  readonly #newestEpoch: () => number;
  readonly #feeder: DuelFeeder;
  readonly #maintainers: Maintainers | undefined;
  /** Promises that have not settled. */
  #pending = 0;
  /** It closes now, and leaves to the log what is not in L0. */
  #leaves = false;
  handle: DuelHandle | undefined;
  /** `db.seq` when it was opened. */
  #openedSeq = 0;
  db: Db | undefined;
  /** Settles when the feeds of the handle have ended, or are not followed any more. */
  feeding: Promise<void> | undefined;

  /** `newestEpoch` is that of the newest manifest in the store; the feeder goes from writer to writer. */
  constructor(
    process: SimulatedProcess,
    oracle: DuelOracle,
    place: DuelPlace,
    newestEpoch: () => number,
    feeder: DuelFeeder,
    maintainers?: Maintainers,
  ) {
    this.process = process;
    this.#oracle = oracle;
    this.#place = place;
    this.#newestEpoch = newestEpoch;
    this.#feeder = feeder;
    this.#maintainers = maintainers;
  }

  get pending(): number {
    return this.#pending;
  }

  async live(): Promise<void> {
    const { clock } = this.process;
    for (let life = 0; life < 2; life++) {
      await clock.sleep(this.#below(400));
      if (!(await this.#open())) return;
      const count = 3 + this.#below(10);
      for (let i = 0; i < count && !this.#leaves; i++) await this.#act();
      const ending = this.#leaves ? 2 : this.#below(6);
      this.#leaves = false;
      if (ending > 3) return;
      const flush = ([true, true, "wal", false] as const)[ending]!;
      await this.#close(flush);
    }
  }

  async #open(): Promise<boolean> {
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        this.db = await openDb(this.process, {
          walPutsInFlight: 1 + this.#below(4),
          unflushedBytesMax: ([50_000, 90_000, 400_000] as const)[this.#below(3)],
          loadBufferBytes: ([4096, 4096, 20_000] as const)[this.#below(3)],
          sstBytesMax: ([4096, 20_000] as const)[this.#below(2)],
          wal: this.#place.forWriter(this.process),
          ...this.#maintainers?.forWriter(this.process),
        });
        const content = await readContent(this.db, this.#oracle.keys());
        this.handle = this.#oracle.opened(this.process.name, this.db, content);
        this.#openedSeq = this.db.seq;
        void this.#watch(this.db, this.handle.epoch);
        this.feeding =
          this.#maintainers === undefined
            ? this.#feeder.follow(this.process, this.db)
            : holdSnapshots(this.process, this.db, this.#oracle, this.#maintainers.counts);
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
    switch (this.#below(18)) {
      case 0:
        return this.process.clock.sleep(this.#below(200));
      case 1:
        return this.#flush(this.#below(2) === 0 ? "wal" : "l0");
      case 2:
        return this.#below(2) === 0 ? this.#checkOwnView() : this.#checkDurableView();
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
      case 7:
        // More than memory is allowed for: some wait, and the next actions come on top of them.
        for (let i = 0; i < 6; i++) void this.write(db, i === 4, true, true);
        return;
      case 8:
        void this.#checkpoint();
        return;
      case 9:
        return this.#checkpoint();
      case 10:
        void this.#flush(this.#below(2) === 0 ? "wal" : "l0");
        return;
      case 11:
        return this.#load(db);
      case 12:
        void this.#load(db);
        return;
      case 13:
        // Among writes of the same keys, some of which wait for memory.
        void this.#load(db);
        for (let i = 0; i < 6; i++) void this.write(db, i === 5, true, i < 5);
        return;
      case 14:
        // The writes after it come into its WAL object, and some of them into a MemTable that is full.
        await this.#load(db, (keys) => {
          for (let i = 0; i < 5; i++) void this.write(db, false, true, i < 4, keys[i]);
        });
        if (this.#below(2) === 0) return;
        // The tables may have come to L0, and the rest stays in the log.
        await this.process.clock.sleep(this.#below(100));
        this.#leaves = true;
        return;
      case 15:
        await Promise.all([this.#load(db), this.#load(db), this.write(db, true, true)]);
        return;
      default:
        return this.write(db, false, this.#below(3) > 0);
    }
  }

  async write(
    db: Db,
    durable: boolean,
    batch: boolean,
    large = false,
    shared: string = `shared/${this.#below(6)}`,
  ): Promise<void> {
    const handle = this.handle!;
    const marker = handle.nextMarker();
    const name = marker.slice(2);
    const changes: Change[] = [{ key: marker, value: name }];
    if (batch) {
      // One draw for all, so that the rest of a seed's run is about what it would be without range deletes.
      const choice = large ? batchCount - 1 : this.#below(batchCount);
      const isDelete = choice < batchCount / 3;
      changes.push({ key: shared, value: isDelete ? undefined : this.#value(name, large) });
      changes.push({ key: `both/${this.#below(3)}`, value: name });
      const ranged = batchesWithRange[choice - Math.floor(batchCount / 2)];
      if (ranged !== undefined) changes.splice(ranged.at, 0, ranged.change);
    }
    const write: DuelWrite = {
      marker,
      changes,
      seqCount: 1,
      calledAt: this.#oracle.tick(),
      durable: false,
      refused: false,
    };
    handle.writes.push(write);
    const wait = batch
      ? db.write(
          changes.map((change) => toOperation(change)),
          { durable },
        )
      : db.put(changes[0]!.key, name, { durable });
    await this.#settles(
      wait,
      ({ seq }) => {
        write.seq = seq;
        if (durable) this.#acknowledged(handle, write);
      },
      () => {
        write.refused = true;
      },
    );
  }

  /** A few rows, sorted or not, of one SST or several, at once or one by one, and some called off. */
  async #load(db: Db, after?: (keys: readonly string[]) => void): Promise<void> {
    const handle = this.handle!;
    const marker = handle.nextMarker();
    const changes = this.#rowsToLoad(marker);
    const abort = this.#below(4) === 0 ? new AbortController() : undefined;
    if (abort !== undefined) this.process.clock.after(this.#below(30), () => abort.abort(abort));
    const keys = changes.slice(0, -1).map(({ key }) => key);
    handle.loads.set(marker, { changes, after: after && (() => after(keys)) });
    const slow = this.#below(3) === 0;
    const entries = changes.map(({ key, value }) => ({ key, value: value! }));
    const wait = db.load(slow ? this.#oneByOne(entries) : entries, { signal: abort?.signal });
    const ticked = (): DuelWrite | undefined =>
      handle.writes.find((write) => write.marker === marker);
    await this.#settles(
      wait.catch((error: unknown) => {
        if (error !== abort) throw error;
        handle.loads.delete(marker);
      }),
      (result) => {
        if (result === undefined) return;
        const write = ticked();
        if (write === undefined || write.seq !== result.seq) {
          throw new Error(`Load ${marker} answers seq ${result.seq}, and took ${write?.seq}.`);
        }
        this.#acknowledged(handle, write);
      },
      () => {
        handle.loads.delete(marker);
        const write = ticked();
        if (write !== undefined) write.refused = true;
      },
    );
  }

  /** The marker comes last, and is the greatest key. */
  #rowsToLoad(marker: string): Change[] {
    const name = marker.slice(2);
    const changes: Change[] = [];
    const count = this.#below(7);
    for (let i = 0; i < count; i++) {
      const space = (["shared", "both", "load"] as const)[this.#below(3)];
      const value = `${name}#${i}`;
      const padded = this.#below(3) === 0 ? value.padEnd(3000, ".") : value;
      changes.push({ key: `${space}/${this.#below(6)}`, value: padded });
    }
    if (this.#below(2) === 0) changes.sort((a, b) => (a.key < b.key ? -1 : 1));
    return [...changes, { key: marker, value: name }];
  }

  async *#oneByOne<T>(entries: readonly T[]): AsyncIterable<T> {
    for (const entry of entries) {
      await this.process.clock.sleep(this.#below(20));
      yield entry;
    }
  }

  async #flush(to: "wal" | "l0"): Promise<void> {
    const db = this.db!;
    const handle = this.handle!;
    const { seq } = db;
    const openedSeq = this.#openedSeq;
    const called = [...handle.writes];
    await this.#settles(db.flush({ to }), ({ durableSeq }) => {
      // Seqs that were given before this handle and lost are none that a flush could answer with.
      if (durableSeq < seq && seq > openedSeq) {
        throw new Error(`A flush to ${seq} answered ${durableSeq}.`);
      }
      for (const write of called) if (!write.refused) this.#acknowledged(handle, write);
    });
  }

  async #checkpoint(): Promise<void> {
    const db = this.db!;
    const handle = this.handle!;
    // Beside collectors every second one names the log instead of flushing it.
    const isDurable = this.#maintainers !== undefined && this.#oracle.checkpoints.length % 2 === 1;
    // What waits for memory has not been accepted yet.
    const accepted = isDurable
      ? handle.writes.findLastIndex(({ durable }) => durable) + 1
      : Math.max(0, handle.writes.length - db.stats().waitingWrites);
    const names = [undefined, "shared", `${handle.epoch}-${this.#oracle.tick()}`];
    const name = names[this.#below(3)];
    const scope = isDurable ? "durable" : "all";
    const wait = db.checkpoint({ name, scope }).catch((error: unknown) => {
      if (name === "shared" && isMoraineError(error, "exists")) return undefined;
      throw error;
    });
    await this.#settles(wait, (info) => {
      if (info === undefined) return;
      this.#oracle.checkpoints.push({ ...info, name, accepted, epoch: handle.epoch });
    });
  }

  #acknowledged(handle: DuelHandle, write: DuelWrite): void {
    write.durable = true;
    if (write.calledAt > handle.supersededAt) {
      throw new Error(`${this.process.name} was superseded, and yet a write was acknowledged.`);
    }
  }

  /** The handle sees what it found when it opened, and all that it has written since. */
  async #checkOwnView(): Promise<void> {
    const { handle, db } = this;
    if (this.#pending > 0) return;
    const count = handle!.writes.length;
    await this.#settles(readContent(db!, this.#oracle.keys()), (content) => {
      const prefixes = this.#oracle.prefixesOf(content);
      if ((prefixes.get(handle!.epoch) ?? 0) < count && !handle!.writes[count - 1]!.refused) {
        throw new Error(`${this.process.name} does not see its own ${count} writes.`);
      }
      if (!equalContent(this.#oracle.fold(prefixes), content)) {
        throw new Error(`${this.process.name} sees a torn state.`);
      }
    });
  }

  /** What a read sees as durable binds whoever comes later. */
  async #checkDurableView(): Promise<void> {
    const { name } = this.process;
    await this.#settles(scanContent(this.db!, "durable"), (content) => {
      this.#oracle.observe(name, content);
    });
  }

  /** What waits for memory is refused by the call; everything else is durable when it resolves, or given up. */
  async #close(flush: boolean | "wal"): Promise<void> {
    const db = this.db!;
    const called = flush === false ? [] : [...this.handle!.writes];
    await this.#settles(db.close({ flush }), () => {
      for (const write of called) if (!write.refused) write.durable = true;
    });
    await this.#settles(db.closed, () => undefined);
    await this.feeding;
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

  #value(name: string, large: boolean): string {
    return large || this.#below(4) === 0 ? name.padEnd(9000, ".") : name;
  }

  #below(limit: number): number {
    return randomBelow(this.process.random, limit);
  }
}
