/** Merges at random moments, among writes of the same keys. Where the database has no operators, nothing happens. */
import * as fc from "fast-check";
import { expect } from "vitest";
import { command, type Step } from "./command.js";
import { lifetimeArbitrary } from "./lifetimes.js";
import { mergeArbitrary } from "./merges.js";
import { type MergeOperation, nameOf, toBytes } from "./model.js";
import type { World } from "./world.js";
import { keyArbitrary } from "./writes.js";

const show = ([key, merge, lifetime]: MergeOperation) =>
  `merge ${nameOf(toBytes(key).subarray(0, 6))} ${merge} ${fc.stringify(lifetime)}`;

function write({ db }: World, [key, merge, lifetime]: MergeOperation, durable: boolean) {
  const { operator, operand } = merge;
  return db.merge(key, operand, { operator, durable, ...lifetime });
}

const mergeStep = (writes: readonly MergeOperation[], durable: boolean): Step =>
  command("merge", [...writes.map(show), durable], async (model, world) => {
    if (!world.hasOperators) return;
    const results = await Promise.all(writes.map((one) => write(world, one, durable)));
    for (const [i, { seq }] of results.entries()) {
      expect(seq).toBe(model.lastSeq + 1);
      model.add(seq, [writes[i]!]);
      if (durable) model.acknowledge(seq);
    }
  });

export const mergeSteps: fc.Arbitrary<Step>[] = Array(3).fill(
  fc
    .tuple(
      fc.array(fc.tuple(keyArbitrary, mergeArbitrary, lifetimeArbitrary), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.boolean(),
    )
    .map(([writes, durable]) => mergeStep(writes, durable)),
);
