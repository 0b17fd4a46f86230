/** The built-in operators: what they answer, that steps and `combine` change nothing, and what they refuse. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeUtf8, encodeUtf8 } from "../../../src/common/bytes.js";
import {
  bytesAppend,
  bytesMax,
  bytesMin,
  decodeSet,
  decodeUint64,
  encodeSet,
  encodeUint64,
  jsonMergePatch,
  type MergeOperator,
  setUnion,
  uint64Add,
  uint64Max,
  uint64Min,
} from "../../../src/index.js";

const key = encodeUtf8("k");
const bytes = fc.uint8Array({ maxLength: 4 });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(encodeUint64);
const sets = fc.array(bytes, { maxLength: 5 }).map((items) => encodeSet(items));
const names = fc.constantFrom("a", "b", "c", "1", "0", "__proto__", "toString");
const { json } = fc.letrec<{ json: unknown; leaf: unknown; node: unknown }>((tie) => ({
  leaf: fc.constantFrom<unknown>(null, null, 1, -0, 1.5, "s", true, [1, null], []),
  node: fc.array(fc.tuple(names, tie("json")), { maxLength: 3 }).map((members) =>
    // Not fromEntries: it would set a prototype by the name __proto__.
    JSON.parse(`{${members.map(([n, m]) => `${JSON.stringify(n)}:${JSON.stringify(m)}`).join()}}`),
  ),
  json: fc.oneof({ depthSize: "small", withCrossShrink: true }, tie("leaf"), tie("node")),
}));
const documents = json.map((document) => encodeUtf8(JSON.stringify(document)));

const operators: [name: string, MergeOperator, operands: fc.Arbitrary<Uint8Array>][] = [
  ["uint64Add", uint64Add, uint64],
  ["uint64Max", uint64Max, uint64],
  ["uint64Min", uint64Min, uint64],
  ["bytesMax", bytesMax, bytes],
  ["bytesMin", bytesMin, bytes],
  ["bytesAppend", bytesAppend, bytes],
  ["setUnion", setUnion, sets],
  ["jsonMergePatch", jsonMergePatch, documents],
];

describe.each(operators)("%s", (_, operator, operand) => {
  const runs = { numRuns: 2_000 };
  const value = fc.option(operand, { nil: undefined });
  const operands = fc.array(operand, { minLength: 2, maxLength: 6 });

  test("folds in any steps to the same bytes", () => {
    void fc.assert(
      fc.property(value, operands, fc.nat(), (base, all, cut) => {
        const at = 1 + (cut % (all.length - 1));
        const whole = operator.merge(key, base, all);
        const first = operator.merge(key, base, all.slice(0, at));
        expect(operator.merge(key, first, all.slice(at))).toEqual(whole);
      }),
      runs,
    );
  });

  test("what it combines stands for what it was made of, and in any order", () => {
    void fc.assert(
      fc.property(value, operands, fc.nat(), fc.nat(), (base, all, from, count) => {
        const start = from % (all.length - 1);
        const end = Math.min(all.length, start + 2 + (count % all.length));
        const joined = operator.combine!(key, all.slice(start, end));
        if (joined === undefined) return;
        const shorter = [...all.slice(0, start), joined, ...all.slice(end)];
        expect(operator.merge(key, base, shorter)).toEqual(operator.merge(key, base, all));
        expect(operator.check?.(joined)).toBeUndefined();
        // Associative, as far as the parts can be combined.
        const left = operator.combine!(key, shorter);
        const right = operator.combine!(key, all);
        if (left !== undefined && right !== undefined) expect(left).toEqual(right);
      }),
      runs,
    );
  });

  test("leaves its arguments as they are", () => {
    void fc.assert(
      fc.property(value, operands, (base, all) => {
        const before = [base?.slice(), ...all.map((one) => one.slice())];
        operator.merge(key, base, all);
        operator.combine!(key, all);
        expect([base, ...all]).toEqual(before);
      }),
      { numRuns: 200 },
    );
  });
});

const merged = (operator: MergeOperator, value: string | undefined, ...operands: string[]) => {
  const result = operator.merge(
    key,
    value === undefined ? undefined : encodeUtf8(value),
    operands.map(encodeUtf8),
  );
  return result && decodeUtf8(result);
};

/** Appendix A of RFC 7396; results are canonical. */
test.each([
  ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
  ['{"a":"b"}', '{"a":null}', "{}"],
  ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
  ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
  ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
  ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
  ['["a","b"]', '["c","d"]', '["c","d"]'],
  ['{"a":"b"}', '["c"]', '["c"]'],
  ['{"a":"foo"}', "null", "null"],
  ['{"a":"foo"}', '"bar"', '"bar"'],
  ['{"e":null}', '{"a":1}', '{"a":1,"e":null}'],
  ["[1,2]", '{"a":"b","c":null}', '{"a":"b"}'],
  ["{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
])("the patch of %s by %s is %s", (document, patch, expected) => {
  expect(merged(jsonMergePatch, document, patch)).toBe(expected);
});

test("patches of nothing begin with nothing, and a member may be called __proto__", () => {
  expect(merged(jsonMergePatch, undefined, '{"b":1,"a":null}', '{"__proto__":{"x":1}}')).toBe(
    '{"__proto__":{"x":1},"b":1}',
  );
  expect({}).not.toHaveProperty("x");
});

test("patches that no patch can say are not combined", () => {
  const combine = (...patches: string[]) => {
    const patch = jsonMergePatch.combine!(key, patches.map(encodeUtf8));
    return patch && decodeUtf8(patch);
  };
  expect(combine('{"a":{"b":1}}', '{"a":{"c":null}}')).toBe('{"a":{"b":1,"c":null}}');
  expect(combine('{"a":null}', '{"a":{"b":1}}')).toBeUndefined();
  expect(combine("5", '{"a":1}')).toBeUndefined();
  expect(combine('{"a":1}', "5")).toBe("5");
});

test("numbers are little-endian, and sums are modulo 2^64", () => {
  expect([...encodeUint64(0x0102)]).toEqual([2, 1, 0, 0, 0, 0, 0, 0]);
  const sum = (...all: (bigint | number)[]) =>
    decodeUint64(uint64Add.merge(key, undefined, all.map(encodeUint64))!);
  expect([sum(2n ** 64n - 1n, 2), sum(5, -7, 3), sum(7)]).toEqual([1n, 1n, 7n]);
  expect(decodeUint64(uint64Max.merge(key, encodeUint64(255), [encodeUint64(256)])!)).toBe(256n);
  expect(decodeUint64(uint64Min.merge(key, encodeUint64(255), [encodeUint64(256)])!)).toBe(255n);
});

test("bytes are ordered as keys are", () => {
  expect(merged(bytesMax, "b", "ab", "", "ba", "b")).toBe("ba");
  expect(merged(bytesMin, "b", "ab", "a", "abc")).toBe("a");
  expect(merged(bytesAppend, "b", "", "cd", "e")).toBe("bcde");
});

test("a set is its items, sorted, each once", () => {
  const union = setUnion.merge(key, encodeSet(["b", "", "b"]), [encodeSet(["c", "a"])])!;
  expect(decodeSet(union).map((item) => decodeUtf8(item))).toEqual(["", "a", "b", "c"]);
  expect(union).toEqual(encodeSet(["c", "b", "a", ""]));
  expect(decodeSet(Uint8Array.of(1, 98, 1, 97, 1, 98))).toEqual([
    Uint8Array.of(97),
    Uint8Array.of(98),
  ]);
});

test.each<[string, MergeOperator, Uint8Array]>([
  ["seven bytes", uint64Add, new Uint8Array(7)],
  ["no bytes", uint64Max, new Uint8Array(0)],
  ["an item that is longer than the set", setUnion, Uint8Array.of(5, 1)],
  ["a length that does not end", setUnion, Uint8Array.of(0x80)],
  ["no JSON", jsonMergePatch, encodeUtf8("{a:1}")],
  ["nothing", jsonMergePatch, new Uint8Array(0)],
  ["a byte order mark", jsonMergePatch, Uint8Array.of(0xef, 0xbb, 0xbf, 0x31)],
  ["bytes that are no UTF-8", jsonMergePatch, Uint8Array.of(0x22, 0xff, 0x22)],
  ["a number that is too large", jsonMergePatch, encodeUtf8('{"a":[1e999]}')],
])("%s is refused as operand, and as value", (_, operator, hostile) => {
  const invalid = expect.objectContaining({ kind: "invalid" });
  expect(() => operator.check!(hostile)).toThrow(invalid);
  expect(() => operator.merge(key, undefined, [hostile])).toThrow(invalid);
});

test.each([1.5, Number.NaN, 2 ** 53, 2n ** 64n, -(2n ** 63n) - 1n, "1", null, undefined])(
  "%s is no uint64",
  (value) => {
    expect(() => encodeUint64(value as number)).toThrow(
      expect.objectContaining({ kind: "invalid" }),
    );
  },
);
