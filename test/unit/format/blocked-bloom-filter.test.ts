import { expect, test } from "vitest";
import { BlockedBloomFilterBuilder } from "../../../src/format/blocked-bloom-filter-builder.js";
import { createFilterBuilder, noFilter } from "../../../src/format/filter-builder.js";
import { hashKey } from "../../../src/format/key-hash.js";
import { readFilter } from "../../../src/format/read-filter.js";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function measure(bitsPerKey: number, count: number): number {
  const builder = new BlockedBloomFilterBuilder(bitsPerKey);
  for (let i = 0; i < count; i++) builder.add(hashKey(encode(`user:${i}`)));
  const filter = readFilter(builder.finish(), "sst/x.sst", 0);
  for (let i = 0; i < count; i++)
    expect(filter.mayContain(hashKey(encode(`user:${i}`)))).toBe(true);
  let wrong = 0;
  const probes = 50_000;
  for (let i = 0; i < probes; i++) {
    if (filter.mayContain(hashKey(encode(`user:${count + i}`)))) wrong++;
  }
  return wrong / probes;
}

test("at 10 bits per key at most 1.5 % of absent keys pass, and every present one does", () => {
  for (const count of [500, 10_000, 200_000]) expect(measure(10, count)).toBeLessThanOrEqual(0.015);
  expect(measure(20, 10_000)).toBeLessThan(0.001);
});

test("no filter lets everything pass, as does one of an unknown kind", () => {
  const payload = noFilter();
  expect(createFilterBuilder("bloom", 0)).toBeUndefined();
  expect(payload).toEqual(new Uint8Array([0]));
  expect(readFilter(payload, "sst/x.sst", 0).mayContain(5)).toBe(true);
  expect(readFilter(Uint8Array.of(77, 1, 2), "sst/x.sst", 0).mayContain(5)).toBe(true);
});

test("a filter of a wrong length is corruption", () => {
  const payload = new BlockedBloomFilterBuilder(10).finish();
  expect(() => readFilter(payload.subarray(1), "sst/x.sst", 0)).not.toThrow();
  expect(() => readFilter(payload.subarray(0, 60), "sst/x.sst", 0)).toThrow("wrong length");
});

test("the hash is MurmurHash3_x86_32 with seed 0", () => {
  expect(hashKey(encode(""))).toBe(0);
  expect(hashKey(encode("test"))).toBe(0xba6bd213);
  expect(hashKey(encode("Hello, world!"))).toBe(0xc0363e43);
  expect(hashKey(encode("The quick brown fox jumps over the lazy dog"))).toBe(0x2e4ff723);
  expect(hashKey(encode("xxtestx"), 2, 6)).toBe(0xba6bd213);
});
