/** Merges of the model test: reference operators, applied one operand after the other, and the same as the engine is given them. */
import * as fc from "fast-check";
import type { MergeOperator } from "../../src/index.js";

/** What a merge adds: a value of an operation that is not bytes. */
export class Merge {
  readonly operator: string;
  readonly operand: Uint8Array;

  constructor(operator: string, operand: Uint8Array) {
    this.operator = operator;
    this.operand = operand;
  }

  /** The new value; undefined: deleted. */
  appliedTo(value: Uint8Array | undefined): Uint8Array | undefined {
    return references[this.operator]!(value, this.operand);
  }

  toString(): string {
    return `${this.operator} ${[...this.operand.subarray(0, 3)]}`;
  }
}

type Reference = (value: Uint8Array | undefined, operand: Uint8Array) => Uint8Array | undefined;

const join: Reference = (value, operand) => Uint8Array.of(...(value ?? []), ...operand);

const references: Readonly<Record<string, Reference>> = {
  join,
  /** Sees the order of all operands, and whether there was a value, in one byte. */
  digest: (value, operand) =>
    Uint8Array.of(operand.reduce((sum, byte) => (sum * 31 + byte + 1) & 255, value?.at(0) ?? 200)),
  /** Every fourth operand, about, deletes. */
  state: (_value, operand) => ((operand.at(0) ?? 0) % 4 === 0 ? undefined : operand),
};

const operatorOf = (reference: Reference): MergeOperator => ({
  merge: (_key, value, operands) => operands.reduce<Uint8Array | undefined>(reference, value),
});

export const operators: Readonly<Record<string, MergeOperator>> = {
  join: {
    ...operatorOf(join),
    combine: (_key, operands) =>
      operands.reduce<Uint8Array>((sum, operand) => join(sum, operand)!, new Uint8Array(0)),
  },
  digest: operatorOf(references["digest"]!),
  state: operatorOf(references["state"]!),
};

export const mergeArbitrary: fc.Arbitrary<Merge> = fc
  .tuple(
    fc.constantFrom("join", "join", "digest", "state"),
    fc.tuple(fc.nat(255), fc.constantFrom(0, 1, 1, 3, 200)),
  )
  .map(([operator, [fill, length]]) => new Merge(operator, new Uint8Array(length).fill(fill)));
