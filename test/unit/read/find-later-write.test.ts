/** Later writes in SSTs: rows and range deletes of flushes and runs, against a look at all of them. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import type { KeyBounds } from "../../../src/common/key-range.js";
import { RowKind } from "../../../src/common/row.js";
import { findLaterWrite, type LaterWrite } from "../../../src/read/find-later-write.js";
import { expectEqual } from "../../support/expect-equal.js";
import { type Layer, ViewBuilder } from "./view-builder.js";

const letters = ["a", "b", "c", "d", "e", "f"];
const key = fc.constantFrom(...letters);
const span = fc
  .tuple(key, fc.option(key, { nil: undefined }))
  .filter(([start, end]) => end === undefined || start < end);

/** What is written at one seq. */
type Write =
  | { readonly key: string }
  | { readonly start: string; readonly end: string | undefined };

const write: fc.Arbitrary<Write> = fc.oneof(
  key.map((one) => ({ key: one })),
  span.map(([start, end]) => ({ start, end })),
);

const isIn = (name: string, { start, end }: { start: string; end: string | undefined }): boolean =>
  name >= start && (end === undefined || name < end);

test("a write is found if and only if there is one, in flushes and runs, also where a later range delete hides it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(write, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 4 }),
      fc.nat(3),
      fc.nat(12),
      fc.array(key, { maxLength: 2 }),
      fc.option(span, { nil: undefined }),
      fc.constantFrom(0, 1 << 20),
      fc.boolean(),
      async (groups, runCount, afterSeq, keys, range, cacheBytes, isListed) => {
        let seq = 0;
        const written: { seq: number; write: Write }[] = [];
        const layers = groups.map((writes, i): Layer => {
          const numbered = writes.map((one) => ({ seq: ++seq, write: one }));
          written.push(...numbered);
          return {
            place: i >= runCount ? "flush" : isListed ? "listed run" : "run",
            movesLoads: true,
            versions: numbered.flatMap(({ seq: at, write: one }) =>
              "key" in one
                ? [{ ...{ key: one.key, seq: at, value: "1" }, kind: RowKind.put, expiresAt: 0 }]
                : [],
            ),
            rangeDeletes: numbered.flatMap(({ seq: at, write: one }) =>
              "start" in one ? [{ ...one, seq: at }] : [],
            ),
          };
        });
        const builder = new ViewBuilder(0, cacheBytes);
        const view = await builder.build(layers, 2);
        const asked = range && { start: range[0], end: range[1] };
        const touches = (one: Write): boolean => {
          if ("key" in one) return keys.includes(one.key) || (asked ? isIn(one.key, asked) : false);
          return letters.some(
            (name) => isIn(name, one) && (keys.includes(name) || (asked && isIn(name, asked))),
          );
        };
        const bounds: KeyBounds[] =
          asked === undefined
            ? []
            : [
                {
                  ...{ lower: encodeUtf8(asked.start), lowerInclusive: true },
                  ...{ upper: asked.end === undefined ? undefined : encodeUtf8(asked.end) },
                  upperInclusive: false,
                },
              ];
        const expected = written.filter(({ seq: at, write: one }) => at > afterSeq && touches(one));
        const found = await findLaterWrite(view, builder.tables, {
          ...{ afterSeq, keys: keys.map(encodeUtf8), ranges: bounds },
          meets: ({ start, end }) => {
            const name = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
            return touches({ start: name(start), end: end && name(end) });
          },
        });
        const seqs = expected.map(({ seq: at }) => at);
        if (found === undefined) expectEqual(seqs, []);
        else expect(seqs).toContain((found as LaterWrite).seq);
      },
    ),
    { numRuns: 400 },
  );
}, 60_000);
