/**
 * Histories in which lists are reset by range deletes, blindly too, as histories of appends, which is all that the checker knows. A reset is
 * one more element of the list, which hides those before it. In which order elements came, the seqs of the commits say; and which of them a
 * transaction has to see, the seq that it reads. A list that is read otherwise is an anomaly at once.
 */
import { findAnomaly, type Op, type TransactionRecord } from "./isolation-checker.js";

/** Of each key that a range delete covers; `value` is unique like those of appends. */
export type Step = Op | { readonly kind: "reset"; readonly key: string; readonly value: number };

export interface SeqRecord {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly isCommitted: boolean;
  /** The seq of the state that it reads; anything where it does not read. */
  readonly readSeq: number;
  /** The seq of its commit; 0 when there was none. */
  readonly seq: number;
}

interface Element {
  readonly value: number;
  readonly isReset: boolean;
  /** `Infinity`: it is not committed yet. */
  readonly seq: number;
}

type Elements = Map<string, Element[]>;

/** What is wrong with the history, or undefined. `final` are the lists as they are read in the end. */
export function findAnomalyWithResets(
  records: readonly SeqRecord[],
  final: ReadonlyMap<string, readonly number[]>,
  isolation: "snapshot" | "serializable",
): string | undefined {
  const elements = elementsOf(records);
  const seqs = new Map([...elements.values()].flat().map(({ value, seq }) => [value, seq]));
  const history: TransactionRecord[] = [];
  for (const record of records) {
    const ops = unfold(record, elements, seqs);
    if (typeof ops === "string") return ops;
    history.push({ name: record.name, ops, isCommitted: record.isCommitted });
  }
  const end = new Map<string, readonly number[]>();
  for (const [key, list] of final) {
    const all = elements.get(key) ?? [];
    if (!isSame(list, visible(all))) {
      return `${difference(list, all, seqs)}: ${key} ends as [${list}], not [${visible(all)}]`;
    }
    end.set(key, valuesOf(all));
  }
  return findAnomaly(history, end, isolation);
}

/** All that was committed, in the order of the seqs. */
function elementsOf(records: readonly SeqRecord[]): Elements {
  const elements: Elements = new Map();
  const committed = records.filter(({ isCommitted }) => isCommitted);
  for (const { steps, seq } of committed.toSorted((a, b) => a.seq - b.seq)) {
    for (const step of steps) if (step.kind !== "read") push(elements, step, seq);
  }
  return elements;
}

function push(
  elements: Elements,
  { key, value, kind }: Exclude<Step, { kind: "read" }>,
  seq: number,
) {
  if (!elements.has(key)) elements.set(key, []);
  elements.get(key)!.push({ value, isReset: kind === "reset", seq });
}

/** The steps with whole lists, or the first read that is wrong. */
function unfold(
  { name, steps, readSeq }: SeqRecord,
  elements: Elements,
  seqs: ReadonlyMap<number, number>,
): Op[] | string {
  const own: Elements = new Map();
  const ops: Op[] = [];
  for (const step of steps) {
    const { key } = step;
    if (step.kind !== "read") {
      push(own, step, Number.POSITIVE_INFINITY);
      ops.push({ kind: "append", key, value: step.value });
      continue;
    }
    const mine = own.get(key) ?? [];
    const state = (elements.get(key) ?? []).filter(({ seq }) => seq <= readSeq);
    const all = [...state, ...mine];
    if (!isSame(step.list, visible(all))) {
      const what = difference(step.list, all, seqs);
      return `${what}: ${name} reads ${key} = [${step.list}], not [${visible(all)}] of seq ${readSeq}`;
    }
    // What was reset here has no part of the state in it.
    if (!mine.some(({ isReset }) => isReset)) ops.push({ kind: "read", key, list: valuesOf(all) });
  }
  return ops;
}

function difference(
  list: readonly number[],
  expected: readonly Element[],
  seqs: ReadonlyMap<number, number>,
): string {
  const known = new Set(valuesOf(expected));
  for (const value of list) {
    if (!known.has(value)) return seqs.has(value) ? "later write" : "aborted";
  }
  const shown = visible(expected);
  const missing = shown.find((value) => !list.includes(value));
  if (missing === undefined) return list.length > shown.length ? "reset undone" : "fork";
  const isOwn = expected.some(({ value, seq }) => value === missing && !Number.isFinite(seq));
  return isOwn ? "own write" : "lost update";
}

/** What is left after the last reset. */
function visible(elements: readonly Element[]): number[] {
  return valuesOf(elements.slice(elements.findLastIndex(({ isReset }) => isReset) + 1));
}

function valuesOf(elements: readonly Element[]): number[] {
  return elements.map(({ value }) => value);
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
