/**
 * What a history of list appends proves. Every value is appended once, so a list that was read tells which appends came before it and in
 * which order; the rest follows from how transactions depend on each other (Adya; Kingsbury and Alvaro, "Elle").
 */

export type Op =
  | { readonly kind: "read"; readonly key: string; readonly list: readonly number[] }
  | { readonly kind: "append"; readonly key: string; readonly value: number };

export interface TransactionRecord {
  readonly name: string;
  readonly ops: readonly Op[];
  readonly isCommitted: boolean;
}

type Lists = ReadonlyMap<string, readonly number[]>;

/** What is wrong with the history, or undefined. */
export function findAnomaly(
  history: readonly TransactionRecord[],
  /** The lists at its end. */
  final: Lists,
  isolation: "snapshot" | "serializable",
  /** What came behind those lists, in an order that nobody knows, and was read by none. */
  unseen: Lists = new Map(),
): string | undefined {
  const committed = history.filter(({ isCommitted }) => isCommitted);
  return (
    lostUpdate(committed, [...final.values(), ...unseen.values()].flat()) ??
    wrongRead(history, final) ??
    cycle(committed, final, unseen, isolation === "snapshot")
  );
}

function appendsOf({ ops }: TransactionRecord): { key: string; value: number }[] {
  return ops.flatMap((op) => (op.kind === "append" ? [op] : []));
}

function lostUpdate(
  committed: readonly TransactionRecord[],
  found: readonly number[],
): string | undefined {
  const expected = new Map<number, string>();
  for (const record of committed) {
    for (const { key, value } of appendsOf(record)) expected.set(value, `${record.name} to ${key}`);
  }
  if (new Set(found).size < found.length) return "a value is there twice";
  for (const value of found) {
    if (!expected.delete(value)) return `aborted: ${value} is there, and nobody committed it`;
  }
  const [lost] = expected;
  return lost && `lost update: ${lost[0]} of ${lost[1]}`;
}

/** A read is what one committed state held, with the reader's own appends behind it. */
function wrongRead(history: readonly TransactionRecord[], final: Lists): string | undefined {
  const writers = writersOf(history);
  for (const record of history) {
    const own = new Map<string, number[]>();
    for (const op of record.ops) {
      const mine = own.get(op.key) ?? [];
      if (op.kind === "append") {
        own.set(op.key, [...mine, op.value]);
        continue;
      }
      const base = op.list.slice(0, op.list.length - mine.length);
      const where = `${record.name} reads ${op.key} = [${op.list}]`;
      if (mine.some((value, i) => op.list[base.length + i] !== value)) return `own write: ${where}`;
      const whole = final.get(op.key) ?? [];
      if (base.some((value) => writers.get(value)?.isCommitted !== true))
        return `aborted: ${where}`;
      if (base.some((value, i) => whole[i] !== value)) return `fork: ${where}, of [${whole}]`;
      const last = base.at(-1);
      const next = whole[base.length];
      if (last !== undefined && next !== undefined && writers.get(last) === writers.get(next)) {
        return `intermediate: ${where}, of [${whole}]`;
      }
    }
  }
  return undefined;
}

function writersOf(history: readonly TransactionRecord[]): Map<number, TransactionRecord> {
  const writers = new Map<number, TransactionRecord>();
  for (const record of history) {
    for (const { value } of appendsOf(record)) writers.set(value, record);
  }
  return writers;
}

type Graph = Map<TransactionRecord, Set<TransactionRecord>>;

/**
 * No order of the transactions explains what they saw. Under snapshot isolation one is only asked for where no two
 * anti-dependencies follow each other: write skew is let through, a long fork is not.
 */
function cycle(
  committed: readonly TransactionRecord[],
  final: Lists,
  unseen: Lists,
  isSnapshot: boolean,
): string | undefined {
  const writers = writersOf(committed);
  const depends: Graph = new Map();
  const precedes: Graph = new Map();
  const add = (graph: Graph, from?: TransactionRecord, to?: TransactionRecord): void => {
    if (from === undefined || to === undefined || from === to) return;
    if (!graph.has(from)) graph.set(from, new Set());
    graph.get(from)!.add(to);
  };
  for (const list of final.values()) {
    for (let i = 1; i < list.length; i++) {
      add(depends, writers.get(list[i - 1]!), writers.get(list[i]!));
    }
  }
  for (const [key, values] of unseen) {
    const last = writers.get(final.get(key)?.at(-1) ?? -1);
    for (const value of values) add(depends, last, writers.get(value));
  }
  for (const record of committed) {
    for (const op of record.ops) {
      if (op.kind !== "read") continue;
      const others = op.list.filter((value) => writers.get(value) !== record);
      const last = others.at(-1);
      if (last !== undefined) add(depends, writers.get(last), record);
      const next = final.get(op.key)?.[others.length];
      const later = next === undefined ? (unseen.get(op.key) ?? []) : [next];
      for (const value of later) add(precedes, record, writers.get(value));
    }
  }
  const graph: Graph = new Map();
  for (const [from, next] of depends) {
    for (const to of next) {
      add(graph, from, to);
      // Two steps in one, which may come back to where they began.
      for (const after of isSnapshot ? (precedes.get(to) ?? []) : []) {
        if (after === from) return `cycle: ${from.name}, ${to.name}`;
        add(graph, from, after);
      }
    }
  }
  if (!isSnapshot) for (const [from, next] of precedes) for (const to of next) add(graph, from, to);
  const found = findCycle(graph);
  return found && `cycle: ${found.map(({ name }) => name).join(", ")}`;
}

function findCycle(graph: Graph): TransactionRecord[] | undefined {
  const done = new Set<TransactionRecord>();
  const path: TransactionRecord[] = [];
  const visit = (at: TransactionRecord): TransactionRecord[] | undefined => {
    const seen = path.indexOf(at);
    if (seen >= 0) return path.slice(seen);
    if (done.has(at)) return undefined;
    path.push(at);
    for (const next of graph.get(at) ?? []) {
      const found = visit(next);
      if (found !== undefined) return found;
    }
    path.pop();
    done.add(at);
    return undefined;
  };
  for (const from of graph.keys()) {
    const found = visit(from);
    if (found !== undefined) return found;
  }
  return undefined;
}
