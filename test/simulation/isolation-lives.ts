/**
 * What a history of list appends proves when its writers crash. Each life of a writer is a branch: what it found, and what it committed
 * since, of which a part may have been lost with it. A transaction is of one life, so all that it saw must fit its branch; what the next
 * life found is one more read of the branch, which must see what was acknowledged as durable, and a prefix in seq order.
 */
import { findAnomaly, type Op, type TransactionRecord } from "./isolation-checker.js";

export interface LifeTransaction {
  readonly name: string;
  readonly ops: Op[];
  /** "unknown": it was committing when its writer ended. */
  outcome: "open" | "unknown" | "committed" | "aborted";
  /** It was acknowledged as durable, or has read only what is. */
  isDurable: boolean;
  /** What the acknowledgement said; 0 for a transaction that wrote nothing. */
  seq: number;
}

export type Lists = ReadonlyMap<string, readonly number[]>;

export interface Life {
  readonly name: string;
  readonly found: Lists;
  readonly transactions: LifeTransaction[];
  /** It was closed, and everything that it had acknowledged is durable. */
  isClosed: boolean;
}

/** What is wrong, or undefined. `final` is what was found after the last life. */
export function findAnomalyOfLives(
  lives: readonly Life[],
  final: Lists,
  isolation: "snapshot" | "serializable",
): string | undefined {
  for (const [i, life] of lives.entries()) {
    const next = lives[i + 1]?.found ?? final;
    const anomaly = lostByLife(life, next) ?? anomalyOfBranch(life, next, isolation);
    if (anomaly !== undefined) return `${life.name}: ${anomaly}`;
  }
  return undefined;
}

function appended({ ops }: { readonly ops: readonly Op[] }): number[] {
  return ops.flatMap((op) => (op.kind === "append" ? [op.value] : []));
}

/** Something durable was not found by the next life, or something lost came before something that was found. */
function lostByLife({ transactions, isClosed }: Life, next: Lists): string | undefined {
  const found = new Set([...next.values()].flat());
  let firstLost: LifeTransaction | undefined;
  const acknowledged = transactions
    .filter(({ outcome, seq }) => outcome === "committed" && seq > 0)
    .sort((a, b) => a.seq - b.seq);
  for (const transaction of acknowledged) {
    const isFound = appended(transaction).every((value) => found.has(value));
    const { name, seq, isDurable } = transaction;
    if (!isFound && (isDurable || isClosed)) return `durability: ${name} of seq ${seq} is lost`;
    if (!isFound) firstLost ??= transaction;
    else if (firstLost !== undefined) {
      return `hole: ${name} of seq ${seq} is there, and ${firstLost.name} of seq ${firstLost.seq} is lost`;
    }
  }
  for (const { name, ops, isDurable } of transactions) {
    for (const op of isDurable ? ops : []) {
      // What has been read as durable is there for ever; what was written is looked at above.
      if (op.kind !== "read" || ops.some(({ kind }) => kind === "append")) continue;
      const list = next.get(op.key) ?? [];
      if (op.list.some((value, i) => list[i] !== value)) {
        return `durability: ${name} reads ${op.key} = [${op.list}], of [${list}]`;
      }
    }
  }
  return undefined;
}

/** All that the life saw, and what the next one found of it, is one history, of which nothing is lost. */
function anomalyOfBranch(
  life: Life,
  next: Lists,
  isolation: "snapshot" | "serializable",
): string | undefined {
  const seen = new Set([...next.values()].flat());
  for (const transaction of life.transactions) {
    const own = new Set(appended(transaction));
    for (const op of transaction.ops) {
      if (op.kind === "read") for (const value of op.list) if (!own.has(value)) seen.add(value);
    }
  }
  const history: TransactionRecord[] = [
    { name: "what was found", ops: appendsOf(life.found), isCommitted: true },
  ];
  for (const transaction of life.transactions) {
    const { name, ops, outcome } = transaction;
    const values = appended(transaction);
    // Whether one of unknown outcome was committed, others have seen.
    const isCommitted =
      outcome === "committed" ||
      (outcome === "unknown" && (values.length === 0 || values.some((value) => seen.has(value))));
    history.push({ name, ops, isCommitted });
  }
  const recovery = [...next].map(([key, list]): Op => ({ kind: "read", key, list }));
  history.push({ name: "what the next life found", ops: recovery, isCommitted: true });
  const end = branchEnd(history, life.found);
  return (
    stale(history, life.found) ??
    findAnomaly(history, end, isolation, unseenOf(history, end, seqsOf(life)))
  );
}

/** The seqs of the values that were acknowledged. */
function seqsOf({ transactions }: Life): ReadonlyMap<number, number> {
  const seqs = new Map<number, number>();
  for (const transaction of transactions) {
    if (transaction.seq === 0) continue;
    for (const value of appended(transaction)) seqs.set(value, transaction.seq);
  }
  return seqs;
}

/** What was appended blindly and is in no list that anyone has seen: behind them, unless something that came later is in them. */
function unseenOf(
  history: readonly TransactionRecord[],
  end: Lists,
  seqs: ReadonlyMap<number, number>,
): Lists {
  const unseen = new Map<string, number[]>();
  for (const { ops, isCommitted } of history) {
    const read = new Set<string>();
    for (const op of isCommitted ? ops : []) {
      if (op.kind === "read") read.add(op.key);
      if (op.kind === "read" || read.has(op.key)) continue;
      const list = end.get(op.key) ?? [];
      const seq = seqs.get(op.value) ?? Number.POSITIVE_INFINITY;
      if (list.includes(op.value) || list.some((value) => (seqs.get(value) ?? 0) > seq)) continue;
      unseen.set(op.key, [...(unseen.get(op.key) ?? []), op.value]);
    }
  }
  return unseen;
}

/** What the life began with, all that it saw begins with. */
function stale(history: readonly TransactionRecord[], found: Lists): string | undefined {
  for (const { name, ops } of history) {
    for (const op of ops) {
      if (op.kind !== "read") continue;
      const begin = found.get(op.key) ?? [];
      if (begin.some((value, i) => op.list[i] !== value)) {
        return `stale: ${name} reads ${op.key} = [${op.list}], which began as [${begin}]`;
      }
    }
  }
  return undefined;
}

/** The lists as the longest read or append shows them: where they are not all of one history, the checker says so. */
function branchEnd(history: readonly TransactionRecord[], found: Lists): Lists {
  const lists = new Map(found);
  const offer = (key: string, list: readonly number[]): void => {
    if (list.length > (lists.get(key)?.length ?? 0)) lists.set(key, list);
  };
  for (const { ops, isCommitted } of history) {
    const own = new Map<string, readonly number[]>();
    const mine = new Set(appended({ ops }));
    for (const op of ops) {
      const before = own.get(op.key);
      if (op.kind === "read") own.set(op.key, op.list);
      // What a blind append comes behind is not known.
      else if (before !== undefined) own.set(op.key, [...before, op.value]);
    }
    for (const [key, list] of own) {
      offer(key, isCommitted ? list : list.filter((value) => !mine.has(value)));
    }
  }
  return lists;
}

function appendsOf(lists: Lists): Op[] {
  return [...lists].flatMap(([key, list]) =>
    list.map((value): Op => ({ kind: "append", key, value })),
  );
}
