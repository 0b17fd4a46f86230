/**
 * `MergeOperators`: the merge operators of a database, each with the name that its manifest has for it, and with its code where the
 * handle was opened with that.
 */
import { copyBytes, describeType, isByteArray, valueBytesMax } from "../common/bytes.js";
import { InvalidArgumentError, MergeError, messageOf, UnsupportedError } from "../common/errors.js";
import { suggestion } from "../common/options.js";
import type { RowRef } from "../common/row.js";
import { showKey } from "../common/show-key.js";
import type { ApplyOperator } from "./fold-versions.js";
import type { GivenOperators } from "./given-operators.js";
import { packOperands, unpackOperands } from "./packed-operands.js";

export class MergeOperators {
  /** As in the manifest: a row's operator id is the index of the name plus 1. */
  readonly names: readonly string[];
  readonly #given: GivenOperators;

  constructor(names: readonly string[], given: GivenOperators) {
    this.names = names;
    this.#given = given;
  }

  /**
   * The id that the rows of a write get which names `operator`, or none where there is only one. Throws `InvalidArgumentError` when
   * there is no such operator, or when `operand` is none of its operands.
   */
  idFor(operator: unknown, operand: Uint8Array): number {
    const id = this.#idOf(operator);
    const name = this.names[id - 1]!;
    const code = this.#given.get(name);
    if (code === undefined) throw new InvalidArgumentError(`The ${notGiven(name)}`);
    try {
      code.check?.(operand.slice());
    } catch (error) {
      throw new InvalidArgumentError(
        `Merge operator "${name}" refuses the operand: ${messageOf(error)}`,
        { cause: error },
      );
    }
    return id;
  }

  /**
   * Makes the operands of a merge row one, where the operator can combine them and the row is no longer for it. Where it fails they stay as
   * they are: whoever reads the key is told.
   */
  combine(row: RowRef): void {
    const code = this.#given.get(this.names[row.operatorId - 1] ?? "");
    if (code?.combine === undefined) return;
    try {
      const operands = unpackOperands(row.value(), "merge row").map((operand) =>
        copyBytes(operand),
      );
      if (operands.length < 2) return;
      const combined: unknown = code.combine(copyBytes(row.key()), operands);
      const packed = isByteArray(combined) ? packOperands([combined]) : undefined;
      if (packed === undefined || packed.length > row.valueEnd - row.valueStart) return;
      row.valueBytes = packed;
      row.valueStart = 0;
      row.valueEnd = packed.length;
    } catch {
      // As if it could not.
    }
  }

  /** Throws `UnsupportedError` when the operator is not at hand, and `MergeError` when it fails. */
  readonly apply: ApplyOperator = (operatorId, key, value, operands) => {
    const name = this.names[operatorId - 1];
    if (name === undefined) {
      throw new UnsupportedError(
        `Key ${showKey(key)} has merge operands of operator ${operatorId}, which the manifest has no name for.`,
      );
    }
    const code = this.#given.get(name);
    if (code === undefined) {
      throw new UnsupportedError(`Key ${showKey(key)} cannot be read: its ${notGiven(name)}`);
    }
    const fail = (detail: string, cause?: unknown): never => {
      throw new MergeError(`Merge operator "${name}" failed on key ${showKey(key)}: ${detail}`, {
        ...{ key, operator: name, cause },
      });
    };
    let merged: unknown;
    try {
      // A key of its own: the operator may do to its arguments what it likes.
      merged = code.merge(copyBytes(key), value, operands);
    } catch (cause) {
      return fail(`it threw: ${messageOf(cause)}`, cause);
    }
    if (merged === undefined) return undefined;
    if (!isByteArray(merged)) return fail(`it answered ${describeType(merged)}, not a Uint8Array.`);
    if (merged.length <= valueBytesMax) return merged;
    return fail(
      `the value would have ${merged.length} bytes; at most ${valueBytesMax} are allowed.`,
    );
  };

  #idOf(operator: unknown): number {
    const { names } = this;
    if (operator === undefined) {
      if (names.length === 1) return 1;
      throw new InvalidArgumentError(
        names.length === 0
          ? "The database has no merge operators. Open it with mergeOperators: { name: operator }."
          : `"operator" is missing: the database has the merge operators ${names.join(", ")}.`,
      );
    }
    if (typeof operator !== "string") {
      throw new InvalidArgumentError(
        `"operator" must be the name of a merge operator, not ${describeType(operator)}.`,
      );
    }
    const index = names.indexOf(operator);
    if (index >= 0) return index + 1;
    const nearest = suggestion(operator, names);
    throw new InvalidArgumentError(
      `The database has no merge operator "${operator}".${nearest === undefined ? " Open it with that among mergeOperators." : ` Did you mean "${nearest}"?`}`,
    );
  }
}

function notGiven(name: string): string {
  return `merge operator "${name}" is not at hand. Open with mergeOperators: { ${JSON.stringify(name)}: … }.`;
}
