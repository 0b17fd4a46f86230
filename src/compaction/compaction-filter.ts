/** `CompactionFilter`: a function of the user that is asked, while compactions rewrite rows, whether they stay. */
import { copyBytes, describeType, toValueBytes, type ValueLike } from "../common/bytes.js";
import { MoraineError, messageOf } from "../common/errors.js";
import type { Entry, RowRef } from "../common/row.js";
import { showKey } from "../common/show-key.js";

/** The row stays, goes as if it had been deleted, or gets another value, with the same seq and times. */
export type FilterDecision = "keep" | "drop" | { readonly value: ValueLike };

/**
 * Asked about the newest value of each key that a compaction comes by, while no snapshot and no transaction is open. It depends on its
 * argument alone, which is its own: which keys are asked about, how often and in which order is not said. One that throws, or answers
 * anything else, fails the compaction with a `CompactionFilterError`, and nothing is lost.
 */
export type CompactionFilter = (entry: Entry) => FilterDecision;

/** A compaction filter failed on a key. Correct the filter, or leave it out, and open the database again: the compaction is then tried again. */
export class CompactionFilterError extends MoraineError {
  readonly kind = "invalid";
  /** A copy of the key. */
  readonly key: Uint8Array;

  constructor(key: Uint8Array, detail: string, options?: { cause?: unknown }) {
    super(`The compaction filter failed on key ${showKey(key)}: ${detail}`, options);
    this.key = copyBytes(key);
  }
}

/** What the filter says of a put: its value, another one, or undefined where it goes. Throws `CompactionFilterError`. */
export function askFilter(filter: CompactionFilter, row: RowRef): Uint8Array | undefined {
  const { seq, createdAt, expiresAt } = row;
  const key = row.key();
  const fail = (detail: string, cause?: unknown): never => {
    throw new CompactionFilterError(key, detail, { cause });
  };
  let decision: unknown;
  try {
    decision = filter({
      ...{ key: copyBytes(key), value: copyBytes(row.value()), seq, createdAt },
      ...(expiresAt === 0 ? {} : { expiresAt }),
    });
  } catch (cause) {
    return fail(`it threw: ${messageOf(cause)}`, cause);
  }
  if (decision === "keep") return row.value();
  if (decision === "drop") return undefined;
  if (typeof decision !== "object" || decision === null || !("value" in decision)) {
    return fail(`it answered ${describeType(decision)}, not "keep", "drop" or { value }.`);
  }
  try {
    return copyBytes(toValueBytes(decision.value));
  } catch (cause) {
    return fail(messageOf(cause), cause);
  }
}
