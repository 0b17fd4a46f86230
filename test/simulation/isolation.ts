/** Clients of one writer that append to lists in transactions, beside each other, while requests end in any order. */
import { Db, type Isolation, isMoraineError, type Transaction } from "../../src/index.js";
import { findAnomaly, type Op, type TransactionRecord } from "./isolation-checker.js";
import { World } from "./world.js";

const clients = 4;
const transactionsPerClient = 10;
const listKeys: readonly string[] = ["a", "b", "c", "d"];
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface IsolationOutcome {
  readonly anomaly: string | undefined;
  readonly committed: number;
  readonly refused: number;
}

const toList = (value: Uint8Array | undefined): number[] =>
  value === undefined ? [] : (JSON.parse(decoder.decode(value)) as number[]);

/** One operation of a transaction: reads a list, reads all, or reads one and appends a value that nobody else does. */
export async function operate(
  world: World,
  tx: Transaction,
  ops: Op[],
  nextValue: () => number,
): Promise<void> {
  const key = world.pick(listKeys);
  const kind = world.pick(["read", "append", "append", "scan"] as const);
  if (kind === "scan") {
    const lists = await scanLists(tx.scan({ reverse: world.chance(0.5) }));
    for (const [one, list] of lists) ops.push({ kind: "read", key: one, list });
    return;
  }
  const list = toList(await tx.get(key));
  ops.push({ kind: "read", key, list });
  if (kind === "read") return;
  const value = nextValue();
  tx.put(key, encoder.encode(JSON.stringify([...list, value])));
  ops.push({ kind: "append", key, value });
}

/** Every list that a scan has met, also the empty ones. */
export async function scanLists(
  rows: AsyncIterable<{ key: Uint8Array; value: Uint8Array }>,
): Promise<Map<string, number[]>> {
  const lists = new Map<string, number[]>(listKeys.map((key) => [key, []]));
  for await (const { key, value } of rows) lists.set(decoder.decode(key), toList(value));
  return lists;
}

export async function runIsolation(seed: number, isolation: Isolation): Promise<IsolationOutcome> {
  const world = new World(seed);
  const process = world.process("writer");
  const { clock, random, store } = process;
  const history: TransactionRecord[] = [];
  const final = new Map<string, readonly number[]>();
  let refused = 0;
  let values = 0;
  const nextValue = (): number => ++values;
  let ended = 0;
  let db: Db;

  async function client(name: string): Promise<void> {
    for (let i = 0; i < transactionsPerClient; i++) {
      const ops: Op[] = [];
      const tx = db.begin({ isolation });
      const count = 1 + Math.floor(world.random.next() * 4);
      for (let j = 0; j < count; j++) {
        await operate(world, tx, ops, nextValue);
        if (world.chance(0.6)) await clock.sleep(world.random.next() * 20);
      }
      let isCommitted = false;
      if (world.chance(0.1)) tx.rollback();
      else {
        try {
          await tx.commit({ durable: world.chance(0.5) });
          isCommitted = true;
        } catch (error) {
          if (!isMoraineError(error, "conflict")) throw error;
          refused++;
        }
      }
      history.push({ name: `${name}.${i}`, ops, isCommitted });
      if (world.chance(0.15)) await db.flush({ to: "l0" });
    }
    ended++;
  }

  const opening = world.spawn(process, async () => {
    db = await Db.open(
      { store, path: "db" },
      {
        ...{ clock, random, blockCacheBytes: 0, flushIntervalMs: 10 },
        conflictWindowBytes: world.pick([0, 64 * 1024]),
      },
    );
  });
  await world.run(() => opening.done);
  for (let i = 0; i < clients; i++) world.spawn(process, () => client(`client ${i}`));
  await world.run(() => ended === clients);
  const closing = world.spawn(process, async () => {
    for (const key of listKeys) final.set(key, toList(await db.get(key)));
    await db.close();
  });
  await world.run(() => closing.done);
  const committed = history.filter(({ isCommitted }) => isCommitted).length;
  return { anomaly: findAnomaly(history, final, isolation), committed, refused };
}
