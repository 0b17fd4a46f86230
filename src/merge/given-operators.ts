/** `GivenOperators`: the merge operators that a handle is opened with, checked; and whether they are all that the database needs. */
import { describeType, hasLoneSurrogate } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import { requireFunction } from "../common/options.js";
import type { MergeOperator } from "./merge-operator.js";

/** By name. */
export type GivenOperators = ReadonlyMap<string, MergeOperator>;

const nameLengthMax = 256;

/** The option of the `moraine` command, which has no code: every database opens with it, and reading what needs an operator is the error. */
export const anyOperators: { readonly [name: string]: MergeOperator } = Object.freeze({});
const any: GivenOperators = new Map();

/** The option `mergeOperators`. A copy: what the caller does to the object later changes nothing. Throws `InvalidArgumentError`. */
export function toGivenOperators(option: unknown): GivenOperators {
  if (option === undefined) return new Map();
  if (option === anyOperators) return any;
  if (typeof option !== "object" || option === null || Array.isArray(option)) {
    throw new InvalidArgumentError(
      `"mergeOperators" must be an object of operators by their names, not ${describeType(option)}.`,
    );
  }
  const given = new Map<string, MergeOperator>();
  for (const [name, operator] of Object.entries(option)) {
    requireName(name);
    requireOperator(name, operator);
    given.set(name, operator as MergeOperator);
  }
  return given;
}

/** Throws `InvalidArgumentError` when the database has an operator that the handle was not opened with. */
export function requireAllGiven(names: readonly string[], given: GivenOperators): void {
  if (given === any) return;
  const missing = names.find((name) => !given.has(name));
  if (missing === undefined) return;
  throw new InvalidArgumentError(
    `The database has the merge operator "${missing}", which "mergeOperators" lacks. Open it with mergeOperators: { ${JSON.stringify(missing)}: … }, the operator of that name that it was written with.`,
  );
}

function requireName(name: string): void {
  if (name.length < 1 || name.length > nameLengthMax || hasLoneSurrogate(name)) {
    throw new InvalidArgumentError(
      `The name of a merge operator has 1 to ${nameLengthMax} characters and no lone surrogate, not ${JSON.stringify(name.slice(0, 20))} (${name.length}).`,
    );
  }
}

function requireOperator(name: string, operator: unknown): void {
  const what = `mergeOperators[${JSON.stringify(name)}]`;
  if (typeof operator !== "object" || operator === null) {
    throw new InvalidArgumentError(
      `"${what}" must be a merge operator, an object with a function "merge", not ${describeType(operator)}.`,
    );
  }
  const { merge, combine, check } = operator as Record<string, unknown>;
  if (merge === undefined) throw new InvalidArgumentError(`"${what}.merge" is missing.`);
  requireFunction(merge, `${what}.merge`);
  requireFunction(combine, `${what}.combine`);
  requireFunction(check, `${what}.check`);
}
