/** An SST of a MemTable of the default size is one plain PUT; only much larger ones are sent in pieces. */
import { expect, test } from "vitest";
import { equalBytes } from "../../../src/common/bytes.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import type { PutSource } from "../../../src/object-store/object-store.js";
import { writeSst } from "../../../src/sst/sst-writer.js";

class Recorder extends MemoryObjectStore {
  readonly sources: ("bytes" | "pieces")[] = [];

  override async put(key: string, source: PutSource): Promise<void> {
    this.sources.push(typeof source === "function" ? "pieces" : "bytes");
    await super.put(key, source);
  }
}

test.each([
  [1, 100, "bytes"],
  [5, 4 * 1024 * 1024, "bytes"],
  [9, 4 * 1024 * 1024, "pieces"],
] as const)("%i chunks of %i bytes go as %s, whole and in order", async (count, size, how) => {
  const store = new Recorder();
  const chunks = Array.from({ length: count }, (_, i) => new Uint8Array(size).fill(i + 1));
  await writeSst(store, "sst/a.sst", chunks);
  await writeSst(store, "sst/again.sst", chunks);
  expect(store.sources).toEqual([how, how]);
  const stored = (await store.get("sst/a.sst"))!.bytes;
  expect(stored.length).toBe(count * size);
  for (const [i, chunk] of chunks.entries()) {
    expect(equalBytes(stored.subarray(i * size, (i + 1) * size), chunk)).toBe(true);
  }
});
