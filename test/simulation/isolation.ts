/**
 * Clients of one writer that append to lists and reset them, in transactions, plain writes and batches, beside each other, while requests
 * end in any order.
 */
import { Db, type Isolation, isMoraineError } from "../../src/index.js";
import { findAnomalyWithResets, type SeqRecord, type Step } from "./isolation-resets.js";
import {
  mergeOperators,
  neighbours,
  operate,
  plainWrite,
  type StepKind,
  scanLists,
} from "./isolation-steps.js";
import { World } from "./world.js";

const clients = 4;
const transactionsPerClient = 10;

export interface IsolationOutcome {
  readonly anomaly: string | undefined;
  readonly committed: number;
  readonly refused: number;
}

export interface IsolationOptions {
  /** The `conflictWindowBytes` of the database. Default: it is drawn. */
  readonly windowBytes?: number;
  /** What transactions do. */
  readonly kinds?: readonly StepKind[];
}

export async function runIsolation(
  seed: number,
  isolation: Isolation,
  { windowBytes, kinds }: IsolationOptions = {},
): Promise<IsolationOutcome> {
  const world = new World(seed);
  const process = world.process("writer");
  const { clock, random, store } = process;
  const history: SeqRecord[] = [];
  let final: ReadonlyMap<string, readonly number[]> = new Map();
  let committed = 0;
  let refused = 0;
  let values = 0;
  const nextValue = (): number => ++values;
  let ended = 0;
  let db: Db;

  async function transact(name: string): Promise<void> {
    const steps: Step[] = [];
    const tx = db.begin({ isolation });
    const readSeq = tx.seq;
    const reset = (): void => {
      const { keys, range } = neighbours(world);
      tx.deleteRange(range);
      for (const key of keys) steps.push({ kind: "reset", key, value: nextValue() });
    };
    const count = 1 + Math.floor(world.random.next() * 4);
    for (let j = 0; j < count; j++) {
      await operate({ world, kinds, nextValue, toKnown: (list) => list, reset }, tx, steps);
      if (world.chance(0.6)) await clock.sleep(world.random.next() * 20);
    }
    let seq = 0;
    let isCommitted = false;
    if (world.chance(0.1)) tx.rollback();
    else {
      try {
        ({ seq } = await tx.commit({ durable: world.chance(0.5) }));
        isCommitted = true;
        committed++;
      } catch (error) {
        if (!isMoraineError(error, "conflict")) throw error;
        refused++;
      }
    }
    history.push({ name, steps, isCommitted, readSeq, seq });
  }

  async function client(name: string): Promise<void> {
    for (let i = 0; i < transactionsPerClient; i++) {
      await transact(`${name}.${i}`);
      if (world.chance(0.2)) {
        const { steps, write } = plainWrite(world, nextValue, "resets");
        const { seq } = await write(db, world.chance(0.5));
        history.push({ name: `${name}.${i}, plain`, steps, isCommitted: true, readSeq: 0, seq });
      }
      if (world.chance(0.15)) await db.flush({ to: "l0" });
    }
    ended++;
  }

  const opening = world.spawn(process, async () => {
    db = await Db.open(
      { store, path: "db" },
      {
        ...{ clock, random, blockCacheBytes: 0, flushIntervalMs: 10, mergeOperators },
        conflictWindowBytes: windowBytes ?? world.pick([0, 64 * 1024]),
      },
    );
  });
  await world.run(() => opening.done);
  for (let i = 0; i < clients; i++) world.spawn(process, () => client(`client ${i}`));
  await world.run(() => ended === clients);
  const closing = world.spawn(process, async () => {
    final = await scanLists(db.scan());
    await db.close();
  });
  await world.run(() => closing.done);
  return { anomaly: findAnomalyWithResets(history, final, isolation), committed, refused };
}
