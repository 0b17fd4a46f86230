/** `BytePool`: what is lent never overlaps, what came back is lent again, and what may still be read is not. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { BytePool } from "../../../src/common/byte-pool.js";

const MiB = 1024 * 1024;

function overlaps(a: Uint8Array, b: Uint8Array): boolean {
  const aEnd = a.byteOffset + a.length;
  const bEnd = b.byteOffset + b.length;
  return a.buffer === b.buffer && a.byteOffset < bEnd && b.byteOffset < aEnd;
}

test("what came back is lent again, also in other sizes", () => {
  const pool = new BytePool();
  const held = pool.lend(MiB);
  const first = pool.lend(3 * MiB);
  pool.giveBack(first);
  const again = [pool.lend(MiB), pool.lend(2 * MiB)];
  expect(again.every((bytes) => overlaps(bytes, first))).toBe(true);
  expect(again.map((bytes) => bytes.length)).toEqual([MiB, 2 * MiB]);
  expect(pool.lentBytes).toBe(4 * MiB);
  pool.giveBack(held);
});

test("one body after another has the same memory", () => {
  const pool = new BytePool();
  const first = pool.lend(MiB);
  pool.giveBack(first);
  expect(pool.lend(2 * MiB).buffer).toBe(first.buffer);
});

test("what is forgotten is not lent again, nor is what lies beside it", () => {
  const pool = new BytePool();
  const [failed, other] = [pool.lend(MiB), pool.lend(MiB)];
  pool.forget(failed);
  pool.giveBack(failed);
  pool.giveBack(other);
  expect(pool.lend(MiB).buffer).not.toBe(failed.buffer);
  expect(pool.lentBytes).toBe(MiB);
});

test("what was not lent, or has come back already, is left alone", () => {
  const pool = new BytePool();
  pool.giveBack(new Uint8Array(MiB));
  pool.forget(new Uint8Array(MiB));
  const [first, second] = [pool.lend(MiB), pool.lend(MiB)];
  pool.giveBack(first);
  const third = pool.lend(MiB);
  pool.giveBack(second);
  pool.giveBack(second);
  const fourth = pool.lend(MiB);
  expect(overlaps(third, fourth)).toBe(false);
  expect(pool.lentBytes).toBe(2 * MiB);
});

test("a part that begins where the body begins stands for all of it", () => {
  const pool = new BytePool();
  const held = pool.lend(MiB);
  const body = pool.lend(4 * MiB);
  pool.giveBack(body.subarray(0, 100));
  expect(pool.lentBytes).toBe(MiB);
  expect(overlaps(pool.lend(4 * MiB), body)).toBe(true);
  pool.giveBack(held);
});

test("what was made for one large body is not lent to small ones, and not kept", () => {
  const isOf = (bytes: Uint8Array, other: Uint8Array): boolean => bytes.buffer === other.buffer;
  for (const size of [41 * MiB, 64 * MiB]) {
    for (const next of [MiB, 39 * MiB, size]) {
      const pool = new BytePool();
      const large = pool.lend(size);
      expect(isOf(pool.lend(MiB), large)).toBe(false);
      pool.giveBack(large);
      expect(isOf(pool.lend(next), large)).toBe(false);
    }
    const alone = new BytePool();
    const large = alone.lend(size);
    alone.giveBack(large);
    expect(isOf(alone.lend(MiB), large)).toBe(false);
  }
});

test("whatever comes and goes, nothing overlaps", () => {
  const step = fc.record({
    bytes: fc.oneof(fc.integer({ min: 0, max: 200_000 }), fc.integer({ min: 0, max: 50 * MiB })),
    end: fc.constantFrom("give back", "forget", "keep"),
    which: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const pool = new BytePool();
      const lent: Uint8Array[] = [];
      for (const { bytes, end, which } of steps) {
        const next = pool.lend(bytes);
        expect(next.length).toBe(bytes);
        expect(lent.some((other) => overlaps(other, next))).toBe(false);
        lent.push(next);
        const [old] = end === "keep" ? [] : lent.splice(which % lent.length, 1);
        if (old === undefined) continue;
        if (end === "forget") {
          pool.forget(old);
          // It stays in use for ever.
          lent.push(old);
        } else pool.giveBack(old);
      }
    }),
    { numRuns: 200 },
  );
});
