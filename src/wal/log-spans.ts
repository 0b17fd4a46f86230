/**
 * Where changes are in the logs, as one manifest tells: spans of WAL objects without a gap. What replay still reads is in the
 * logs of the chain; what it no longer reads is on the retired list until it is deleted.
 */
import { type Manifest, RetiredKind, type WalPosition } from "../format/manifest.js";
import { comparePositions, firstWalId } from "../manifest/transitions.js";

/** The objects [fromId, toId) of one log, all of them below its first fence but in a log that is open. */
export interface LogSpan {
  readonly epoch: number;
  readonly fromId: number;
  /** Infinite for a log of the chain: its end is not known. */
  readonly toId: number;
  /** The manifest that retired the end of it; 0 for a log of the chain. */
  readonly retiredBy: number;
}

/** In log order. */
export function logSpans(manifest: Manifest): readonly LogSpan[] {
  const spans: LogSpan[] = [];
  for (const { kind, epoch, fromId, toId, manifestNumber } of manifest.retired) {
    if (kind === RetiredKind.wal) spans.push({ epoch, fromId, toId, retiredBy: manifestNumber });
  }
  for (const { epoch } of manifest.walChain) {
    const fromId = firstWalId(manifest, epoch);
    spans.push({ epoch, fromId, toId: Number.POSITIVE_INFINITY, retiredBy: 0 });
  }
  spans.sort((a, b) => a.epoch - b.epoch || a.fromId - b.fromId);
  const joined: LogSpan[] = [];
  for (const span of spans) {
    const last = joined.at(-1);
    if (last?.epoch === span.epoch && last.toId === span.fromId) {
      joined[joined.length - 1] = { ...span, fromId: last.fromId };
    } else joined.push(span);
  }
  return joined;
}

/** The span that holds the position, or the first one behind it; undefined when there is none. */
export function spanAt(spans: readonly LogSpan[], position: WalPosition): LogSpan | undefined {
  return spans.find(
    ({ epoch, toId }) => epoch > position.epoch || (epoch === position.epoch && toId > position.id),
  );
}

/** True when a span ends right before the position. */
export function endsAt(spans: readonly LogSpan[], position: WalPosition): boolean {
  return spans.some(({ epoch, toId }) => epoch === position.epoch && toId === position.id);
}

/**
 * Positions by number, of all that is stored before `end`: a sorted list that is never built. Of a log of the chain that ends
 * before `end` only the first is in it, because nobody knows how many it has.
 */
export class StoredPositions {
  readonly count: number;
  readonly #spans: readonly { epoch: number; fromId: number; count: number }[];

  /** `from`: what is before it is left out. */
  constructor(spans: readonly LogSpan[], from: WalPosition, end: WalPosition) {
    const own: { epoch: number; fromId: number; count: number }[] = [];
    for (const { epoch, fromId, toId } of spans) {
      const first = epoch === from.epoch ? Math.max(fromId, from.id) : fromId;
      if (epoch < from.epoch || comparePositions({ epoch, id: first }, end) >= 0) continue;
      const last = epoch === end.epoch ? Math.min(toId, end.id) : toId;
      const count = Number.isFinite(last) ? last - first : 1;
      if (count > 0) own.push({ epoch, fromId: first, count });
    }
    this.#spans = own;
    this.count = own.reduce((sum, span) => sum + span.count, 0);
  }

  at(index: number): WalPosition {
    let left = index;
    for (const { epoch, fromId, count } of this.#spans) {
      if (left < count) return { epoch, id: fromId + left };
      left -= count;
    }
    throw new RangeError(`position ${index} of ${this.count}`);
  }
}
