/** `runTransaction`: a function in a transaction, again when the commit meets a conflict. */
import { throwIfAborted, withSignal } from "../common/abort.js";
import type { Clock } from "../common/clock.js";
import { InvalidArgumentError, TransactionConflictError } from "../common/errors.js";
import {
  checkOptions,
  requireBoolean,
  requireFunction,
  requireInteger,
  requireOneOf,
  requireSignal,
} from "../common/options.js";
import type { Random } from "../common/random.js";
import type { Transaction } from "./transaction.js";
import type { Isolation } from "./transaction-host.js";

export interface BeginOptions {
  /** Default: `"snapshot"`. */
  isolation?: Isolation | undefined;
}

export interface TransactionOptions extends BeginOptions {
  /** How often the function is run at most, from 1 to 1,000. Default 10. */
  attempts?: number | undefined;
  /** As in `commit`. */
  durable?: boolean | undefined;
  /** Ends the waiting, and before the commit has its seq the transaction. The function is not interrupted: its next use of the transaction fails. */
  signal?: AbortSignal | undefined;
}

const attemptsDefault = 10;
const firstDelayMs = 4;
const delayMsMax = 250;

export const isolations: readonly Isolation[] = ["snapshot", "serializable"];

/** Waits a random time between attempts, up to twice as long each time. */
export async function runTransaction<T>(
  host: {
    begin(options: BeginOptions): Transaction;
    readonly clock: Clock;
    readonly random: Random;
  },
  fn: (transaction: Transaction) => T | Promise<T>,
  options: TransactionOptions | undefined,
): Promise<T> {
  checkOptions(options, ["isolation", "attempts", "durable", "signal"], "transaction");
  if (fn === undefined) throw new InvalidArgumentError("transaction() takes a function.");
  requireFunction(fn, "fn");
  requireInteger(options?.attempts, "attempts", 1, 1000);
  requireBoolean(options?.durable, "durable");
  requireSignal(options?.signal);
  requireOneOf(options?.isolation, "isolation", isolations);
  const { attempts = attemptsDefault, isolation, durable, signal } = options ?? {};
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal);
    const transaction = host.begin({ isolation });
    let result: T;
    try {
      result = await withSignal(run(fn, transaction), signal);
    } catch (error) {
      transaction[Symbol.dispose]();
      throw error;
    }
    // The function may have ended it.
    if (!transaction.isActive) return result;
    try {
      await transaction.commit({ durable, signal });
      return result;
    } catch (error) {
      if (!(error instanceof TransactionConflictError) || attempt >= attempts) throw error;
    }
    const delayMs = Math.min(delayMsMax, firstDelayMs * 2 ** (attempt - 1));
    await host.clock.sleep(host.random.next() * delayMs, signal);
  }
}

async function run<T>(
  fn: (transaction: Transaction) => T | Promise<T>,
  transaction: Transaction,
): Promise<T> {
  return fn(transaction);
}
