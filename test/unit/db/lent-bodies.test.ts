/** The memory of bodies is used again, but never while a request, also one that is given up, may still read it. */
import { afterEach, expect, test, vi } from "vitest";
import { bodyPool } from "../../../src/common/byte-pool.js";
import { checksum } from "../../../src/common/checksum.js";
import { Db, StoreError } from "../../../src/index.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import type { PutSource } from "../../../src/object-store/object-store.js";

afterEach(() => vi.restoreAllMocks());

const KiB = 1024;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Gives up every fourth write, whose bytes it goes on reading for a while; reads the others until they settle. */
class LateReader extends MemoryObjectStore {
  /** Objects whose bytes changed while they were read. */
  readonly changed: string[] = [];
  readonly buffers = new Set<ArrayBufferLike>();
  large = 0;
  readonly late: Promise<void>[] = [];
  #writes = 0;

  override async create(key: string, bytes: Uint8Array): Promise<"created" | "exists"> {
    await this.#send(key, bytes);
    return super.create(key, bytes);
  }

  override async put(key: string, source: PutSource): Promise<void> {
    if (typeof source !== "function") await this.#send(key, source);
    await super.put(key, source);
  }

  async #send(key: string, bytes: Uint8Array): Promise<void> {
    const before = checksum(bytes);
    const read = async (ms: number): Promise<void> => {
      await sleep(ms);
      if (checksum(bytes) !== before) this.changed.push(key);
    };
    if (bytes.length >= 128 * KiB) {
      this.large++;
      this.buffers.add(bytes.buffer);
    }
    if (++this.#writes % 4 > 0) return read(5);
    this.late.push(read(150));
    throw new StoreError("unavailable", "No answer came in time.");
  }
}

async function writeAll(store: LateReader): Promise<void> {
  const settings = { memTableBytes: 512 * KiB, unflushedBytesMax: 2048 * KiB };
  const unbounded = { walPutsPerSecond: Number.POSITIVE_INFINITY };
  await using db = await Db.open({ store, path: "db" }, { ...settings, ...unbounded });
  const bytesOf = (i: number): Uint8Array => new Uint8Array(16 * KiB).fill(i % 251);
  await Promise.all(
    Array.from({ length: 16 }, async (_, writer) => {
      for (let i = writer; i < 500; i += 16) await db.put(`k${i}`, bytesOf(i), { durable: false });
    }),
  );
  await db.flush({ to: "l0" });
  for (let i = 0; i < 500; i += 7) expect(await db.get(`k${i}`)).toEqual(bytesOf(i));
  await Promise.all(store.late);
}

test("bodies do not change while they are read, and lie in memory that is used again", async () => {
  const store = new LateReader();
  await writeAll(store);
  expect(store.changed).toEqual([]);
  expect(store.large).toBeGreaterThan(12);
  expect(store.buffers.size).toBeLessThan(store.large / 2);
});

test("this finds memory that is lent again after a failed attempt", async () => {
  vi.spyOn(bodyPool, "forget").mockImplementation(() => undefined);
  const store = new LateReader();
  await writeAll(store);
  expect(store.changed).not.toEqual([]);
});
