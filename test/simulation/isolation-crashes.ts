/**
 * Clients that append to lists and reset them, while the writer below them dies, is taken over or is closed, again and again: requests end
 * in any order, late or never, and their replies are lost.
 *
 * A reset is a range delete and a mark that each list begins anew with, in a transaction that has read the lists: so a mark tells what came
 * before it, and the checker gets whole lists, in which resets are appends like others.
 */
import {
  Db,
  type Isolation,
  isMoraineError,
  type ScanOptions,
  type Transaction,
  type WriteResult,
} from "../../src/index.js";
import type { Fate } from "./fate.js";
import {
  findAnomalyOfLives,
  type Life,
  type LifeTransaction,
  type Lists,
} from "./isolation-lives.js";
import {
  type Manner,
  mergeOperators,
  neighbours,
  operate,
  plainWrite,
  readList,
  scanLists,
  toBytes,
} from "./isolation-steps.js";
import { runCase } from "./replay.js";
import type { SimulatedProcess } from "./simulated-process.js";
import type { MakeObjects } from "./sweep.js";
import { type Script, World } from "./world.js";

const clients = 4;
const transactionsPerClient = 8;
const livesMax = 4;

/** What a client may be told when its writer ends, or the store was away for a whole deadline. */
const endings: ReadonlySet<string> = new Set(["fenced", "closed", "unknown", "unavailable"]);

export interface CrashesOutcome {
  readonly events: readonly string[];
  readonly lives: number;
  readonly kills: number;
  readonly committed: number;
  readonly refused: number;
  /** Transactions whose outcome nobody was told; and acknowledged ones that were lost. */
  readonly unknown: number;
  readonly lost: number;
}

/** Rejects with a `SimulationFailure` that says which anomaly there was. */
export function runCrashes(
  seed: number,
  isolation: Isolation,
  makeObjects?: MakeObjects,
): Promise<CrashesOutcome> {
  const world = new World(seed, makeObjects);
  const name = `crashes/${isolation}/${seed}`;
  const file = "isolation-crashes.test.ts";
  return runCase({ name, file, world }, () => new Crashes(world, isolation).run());
}

class Crashes {
  readonly #world: World;
  readonly #isolation: Isolation;
  readonly #lives: Life[] = [];
  /** Of each process that is to be killed at a request: which, and how. */
  readonly #kills = new Map<SimulatedProcess, { at: number; fate: Fate }>();
  /** What was in the lists that the marks reset. */
  readonly #before = new Map<number, readonly number[]>();
  #values = 0;

  constructor(world: World, isolation: Isolation) {
    this.#world = world;
    this.#isolation = isolation;
  }

  async run(): Promise<CrashesOutcome> {
    const world = this.#world;
    world.fateOf = ({ process, index, operation }) => {
      const kill = this.#kills.get(process);
      if (kill !== undefined && index >= kill.at) return kill.fate;
      return this.#fate(operation === "create");
    };
    const scripts: Script[] = [];
    for (let i = 0; i < livesMax; i++) scripts.push(await this.#live(`life ${i + 1}`));
    await world.run(() => scripts.every(isOver));
    world.fateOf = () => "complete";
    world.releaseLate();
    const final = await this.#findFinal();
    const anomaly = findAnomalyOfLives(this.#lives, final, this.#isolation);
    if (anomaly !== undefined) throw new Error(anomaly);
    return this.#outcome(final);
  }

  /** Runs one life up to its death, or to when the next one may begin. */
  async #live(name: string): Promise<Script> {
    const world = this.#world;
    const process = world.process(name);
    const end = world.pick(["kill", "kill", "takeover", "close"] as const);
    if (end === "kill") {
      const fate = world.pick(["kill-before", "kill-after", "kill-late"] as const);
      this.#kills.set(process, { at: Math.floor(world.random.next() * 120), fate });
    }
    let isRunning = false;
    const script = world.spawn(process, async () => {
      const db = await this.#open(process);
      const life = db && (await this.#begin(name, db));
      if (db === undefined || life === undefined) return;
      isRunning = true;
      await this.#work(process, db, life);
      if (end !== "close") return;
      await db.close({ flush: world.pick([true, "wal"] as const) }).then(
        () => {
          life.isClosed = true;
        },
        (error: unknown) => requireEnding(error),
      );
    });
    let steps = Math.floor(world.random.next() * 150);
    // Whoever takes over does not wait until the other is done.
    await world.run(() => isOver(script) || (end === "takeover" && isRunning && steps-- <= 0));
    return script;
  }

  async #open({ store, clock, random }: SimulatedProcess): Promise<Db | undefined> {
    const world = this.#world;
    try {
      return await Db.open(
        { store, path: "db" },
        {
          ...{ clock, random, blockCacheBytes: 0, flushIntervalMs: 10 },
          mergeOperators,
          walPutsInFlight: world.pick([1, 2, 4]),
          conflictWindowBytes: world.pick([0, 64 * 1024]),
        },
      );
    } catch (error) {
      requireEnding(error);
      return undefined;
    }
  }

  /** Before anything is written, looks at what is there. */
  async #begin(name: string, db: Db): Promise<Life | undefined> {
    try {
      const found = await this.#scan(db);
      const life: Life = { name, found, transactions: [], isClosed: false };
      this.#lives.push(life);
      return life;
    } catch (error) {
      requireEnding(error);
      return undefined;
    }
  }

  async #work(process: SimulatedProcess, db: Db, life: Life): Promise<void> {
    const working: Promise<void>[] = [];
    for (let i = 0; i < clients; i++) {
      working.push(this.#client(`${life.name}, client ${i}`, process, db, life));
    }
    await Promise.all(working);
  }

  async #client(name: string, process: SimulatedProcess, db: Db, life: Life): Promise<void> {
    const world = this.#world;
    try {
      for (let i = 0; i < transactionsPerClient; i++) {
        if (world.chance(0.1)) await this.#readDurable(`${name}.${i}, durable`, db, life);
        await this.#transact(`${name}.${i}`, process, db, life);
        if (world.chance(0.15)) await this.#writePlainly(`${name}.${i}, plain`, db, life);
        if (world.chance(0.15)) await db.flush({ to: "l0" });
      }
    } catch (error) {
      requireEnding(error);
    }
  }

  async #transact(name: string, { clock }: SimulatedProcess, db: Db, life: Life): Promise<void> {
    const world = this.#world;
    const transaction = begin(name, life);
    const { ops } = transaction;
    const tx = db.begin({ isolation: this.#isolation });
    const count = 1 + Math.floor(world.random.next() * 4);
    const manner: Manner = {
      world,
      nextValue: () => ++this.#values,
      toKnown: (list) => this.#whole(list),
      reset: () => this.#reset(tx, ops),
    };
    for (let i = 0; i < count; i++) {
      await operate(manner, tx, ops);
      if (world.chance(0.5)) await clock.sleep(world.random.next() * 20);
    }
    if (world.chance(0.1)) {
      transaction.outcome = "aborted";
      tx.rollback();
      return;
    }
    await this.#finish(transaction, (durable) => tx.commit({ durable }));
  }

  async #writePlainly(name: string, db: Db, life: Life): Promise<void> {
    const { steps, write } = plainWrite(this.#world, () => ++this.#values, "appends");
    const transaction = begin(name, life);
    for (const step of steps) if (step.kind === "append") transaction.ops.push(step);
    await this.#finish(transaction, (durable) => write(db, durable));
  }

  async #finish(
    transaction: LifeTransaction,
    write: (durable: boolean) => Promise<WriteResult>,
  ): Promise<void> {
    const durable = this.#world.chance(0.5);
    transaction.outcome = "unknown";
    try {
      const { seq } = await write(durable);
      transaction.outcome = "committed";
      if (!transaction.ops.some(({ kind }) => kind === "append")) return;
      transaction.isDurable = durable;
      transaction.seq = seq;
    } catch (error) {
      if (!isMoraineError(error, "conflict")) throw error;
      transaction.outcome = "aborted";
    }
  }

  async #reset(tx: Transaction, ops: LifeTransaction["ops"]): Promise<void> {
    const { keys, range } = neighbours(this.#world);
    const before: (readonly number[])[] = [];
    for (const key of keys) {
      const list = this.#whole(await readList(tx, key));
      ops.push({ kind: "read", key, list });
      before.push(list);
    }
    tx.deleteRange(range);
    for (const [i, key] of keys.entries()) {
      const value = ++this.#values;
      this.#before.set(value, before[i]!);
      tx.merge(key, toBytes([value]));
      ops.push({ kind: "append", key, value });
    }
  }

  /** The list with all that resets have hidden. */
  #whole(list: readonly number[]): readonly number[] {
    const late = list.find((value, i) => i > 0 && this.#before.has(value));
    if (late !== undefined) throw new Error(`reset undone: ${late} does not begin [${list}]`);
    return [...(this.#before.get(list[0] ?? -1) ?? []), ...list];
  }

  async #scan(db: Db, options?: ScanOptions): Promise<Lists> {
    const lists = await scanLists(db.scan(options));
    return new Map([...lists].map(([key, list]) => [key, this.#whole(list)]));
  }

  /** What is read as durable is in every later life. */
  async #readDurable(name: string, db: Db, life: Life): Promise<void> {
    const lists = await this.#scan(db, { durability: "durable" });
    const ops = [...lists].map(([key, list]) => ({ kind: "read" as const, key, list }));
    life.transactions.push({ name, ops, outcome: "committed", isDurable: true, seq: 0 });
  }

  /** In peace, whoever opens last. */
  async #findFinal(): Promise<Lists> {
    const world = this.#world;
    const process = world.process("last");
    let final: Lists = new Map();
    const script = world.spawn(process, async () => {
      const db = (await this.#open(process))!;
      final = await this.#scan(db);
      await db.close();
    });
    await world.run(() => script.done);
    return final;
  }

  #fate(isCreate: boolean): Fate {
    let left = this.#world.random.next();
    const rates: [Fate, number][] = [
      ["hold", 0.15],
      ["refuse", 0.01],
      ["throttle", 0.01],
      ["lose-reply", 0.03],
      ["late", 0.02],
      ["conflict", isCreate ? 0.02 : 0],
    ];
    for (const [fate, rate] of rates) {
      left -= rate;
      if (left < 0) return fate;
    }
    return "complete";
  }

  #outcome(final: Lists): CrashesOutcome {
    const all = this.#lives.flatMap(({ transactions }) => transactions);
    const count = (outcome: LifeTransaction["outcome"]): number =>
      all.filter((transaction) => transaction.outcome === outcome).length;
    const there = new Set([...final.values()].flat());
    const lost = all.filter(
      ({ outcome, ops }) =>
        outcome === "committed" && ops.some((op) => op.kind === "append" && !there.has(op.value)),
    );
    return {
      events: this.#world.log,
      lives: this.#lives.length,
      kills: this.#world.log.filter((line) => line.endsWith("is killed")).length,
      committed: count("committed"),
      refused: count("aborted"),
      unknown: count("unknown"),
      lost: lost.length,
    };
  }
}

function begin(name: string, life: Life): LifeTransaction {
  const transaction: LifeTransaction = { name, ops: [], outcome: "open", isDurable: false, seq: 0 };
  life.transactions.push(transaction);
  return transaction;
}

function isOver({ done, process }: Script): boolean {
  return done || process.state === "dead";
}

function requireEnding(error: unknown): void {
  if (!isMoraineError(error) || !endings.has(error.kind)) throw error;
}
