/** The folding rule against the definition of it, over all short lists of versions, and packed operands against damage. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { concatBytes, decodeUtf8, encodeUtf8 } from "../../../src/common/bytes.js";
import { RowKind } from "../../../src/common/row.js";
import { foldVersions, hidesOlder, type Version } from "../../../src/merge/fold-versions.js";
import { packOperands, unpackOperands } from "../../../src/merge/packed-operands.js";
import { expectEqual } from "../../support/expect-equal.js";

const now = 100;
const key = encodeUtf8("k");

/** Says what it was given: "5(base|a,b)". */
const recite = (
  operatorId: number,
  _key: Uint8Array,
  value: Uint8Array | undefined,
  operands: readonly Uint8Array[],
): Uint8Array =>
  encodeUtf8(
    `${operatorId}(${value === undefined ? "-" : decodeUtf8(value)}|${operands.map(decodeUtf8).join()})`,
  );

interface Word {
  readonly kind: "put" | "delete" | "merge";
  readonly expiresAt: number;
  readonly operatorId: number;
}

const words: Word[] = (["put", "delete", "merge", "merge2"] as const).flatMap((kind) =>
  [0, now, now + 1].map((expiresAt) => ({
    kind: kind === "merge2" ? "merge" : kind,
    expiresAt,
    operatorId: kind === "merge" ? 1 : kind === "merge2" ? 2 : 0,
  })),
);

const versionOf = ({ kind, expiresAt, operatorId }: Word, i: number): Version => ({
  kind: RowKind[kind],
  expiresAt,
  operatorId,
  value: kind === "merge" ? packOperands([encodeUtf8(`${i}`)]) : encodeUtf8(`v${i}`),
});

/** The rule as one reads it: what a key holds after each of its versions, from the oldest. */
function definition(newestFirst: readonly Word[]): string | undefined {
  let value: string | undefined;
  let operatorId = 0;
  let open = false;
  newestFirst.toReversed().forEach((word, j) => {
    const i = newestFirst.length - 1 - j;
    const expired = word.expiresAt !== 0 && word.expiresAt <= now;
    if (word.kind !== "merge" || expired) {
      value = word.kind === "put" && !expired ? `v${i}` : undefined;
      open = false;
    } else if (open && operatorId === word.operatorId) {
      value = `${value!.slice(0, -1)},${i})`;
    } else {
      value = `${word.operatorId}(${value ?? "-"}|${i})`;
      operatorId = word.operatorId;
      open = true;
    }
  });
  return value;
}

test("all lists of up to four versions fold as the rule says", () => {
  let lists: Word[][] = [[]];
  let count = 0;
  for (let length = 0; length <= 4; length++) {
    for (const list of lists) {
      const folded = foldVersions(key, list.map(versionOf), now, recite);
      if ((folded && decodeUtf8(folded)) !== definition(list)) {
        expect(folded && decodeUtf8(folded), JSON.stringify(list)).toBe(definition(list));
      }
      count++;
    }
    lists = lists.flatMap((list) => words.map((word) => [...list, word]));
  }
  expect(count).toBe(1 + 12 + 144 + 1728 + 20736);
});

test("what a version hides changes nothing", () => {
  void fc.assert(
    fc.property(fc.array(fc.constantFrom(...words), { maxLength: 8 }), (list) => {
      const versions = list.map(versionOf);
      const end = versions.findIndex((version) => hidesOlder(version, now));
      const cut = end < 0 ? versions : versions.slice(0, end + 1);
      expectEqual(foldVersions(key, cut, now, recite), foldVersions(key, versions, now, recite));
    }),
  );
});

test("rows that are joined fold like those they were made of", () => {
  const row = fc.record({ joins: fc.boolean(), operands: fc.array(fc.string(), { minLength: 1 }) });
  void fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 6 }), (rows) => {
      const merge = (value: Uint8Array): Version => ({
        ...{ kind: RowKind.merge, expiresAt: 0, operatorId: 1, value },
      });
      const packed = rows.map(({ operands }) => packOperands(operands.map(encodeUtf8)));
      const joined: Uint8Array[] = [];
      // Oldest first: a row joins the one before it.
      packed.forEach((value, i) => {
        if (rows[i]!.joins && i > 0) joined.push(concatBytes([joined.pop()!, value]));
        else joined.push(value);
      });
      const apart = foldVersions(key, packed.toReversed().map(merge), now, recite);
      expectEqual(foldVersions(key, joined.toReversed().map(merge), now, recite), apart);
    }),
  );
});

test("an operator may do to its arguments what it likes", () => {
  const versions = [
    { kind: RowKind.merge, expiresAt: 0, operatorId: 1, value: packOperands([Uint8Array.of(1)]) },
    { kind: RowKind.put, expiresAt: 0, operatorId: 0, value: Uint8Array.of(2) },
  ];
  foldVersions(key, versions, now, (_id, _key, value, operands) => {
    for (const array of [value!, ...operands]) array.fill(99);
    return value;
  });
  expectEqual(
    versions.map(({ value }) => [...value]),
    [[1, 1], [2]],
  );
});

test("packed operands come back in order, whatever they hold", () => {
  void fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (operands) => {
      expectEqual(
        unpackOperands(packOperands(operands), "row").map((one) => one.slice()),
        operands,
      );
    }),
  );
});

test("bytes that are no packed operands are damage, never operands", () => {
  void fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (hostile) => {
      let operands: Uint8Array[];
      try {
        operands = unpackOperands(hostile, "row");
      } catch (error) {
        expect(error).toMatchObject({ kind: "corruption", object: "row" });
        return;
      }
      // Lengths may be written in more bytes than they need: nothing else is let in.
      const length = operands.reduce((sum, operand) => sum + operand.length, 0);
      expect(length + operands.length).toBeLessThanOrEqual(hostile.length);
    }),
    { numRuns: 5_000 },
  );
  for (const value of [[], [5, 1], [0x80], [255, 255, 255, 255, 255, 255, 255, 255, 255]]) {
    const row = {
      ...{ kind: RowKind.merge, expiresAt: 0, operatorId: 1, value: Uint8Array.from(value) },
    };
    expect(() => foldVersions(key, [row], now, recite)).toThrow(
      expect.objectContaining({ kind: "corruption", object: 'merge row of key "k"' }),
    );
  }
});
