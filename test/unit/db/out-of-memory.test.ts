/** A write whose memory could not be had fails alone, and nobody waits for it. */
import { afterEach, expect, test, vi } from "vitest";
import { Db } from "../../../src/index.js";
import { MemTable } from "../../../src/memtable/mem-table.js";
import { FaultyObjectStore, MemoryObjectStore } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";

afterEach(() => {
  vi.restoreAllMocks();
});

function failOnce(method: "applyOne" | "applyBatch"): void {
  vi.spyOn(MemTable.prototype, method).mockImplementationOnce(() => {
    throw new RangeError("Array buffer allocation failed");
  });
}

test("a write that finds no memory takes no seq, and a flush does not wait for it", async () => {
  const db = await Db.open({ store: new MemoryObjectStore(), path: "db" });
  failOnce("applyOne");
  await expect(db.put("a", "1")).rejects.toThrow(RangeError);
  failOnce("applyBatch");
  await expect(db.write(db.batch().put("b", "2"))).rejects.toThrow(RangeError);
  expect(db.seq).toBe(0);
  expect(await db.flush()).toEqual({ durableSeq: 0 });
  expect((await db.put("c", "3")).seq).toBe(1);
  await db.close();
});

test("a write that waited for room and then finds no memory is told, and those behind it go on", async () => {
  const store = new FaultyObjectStore(new MemoryObjectStore());
  const small = { memTableBytes: 4096, unflushedBytesMax: 8192 };
  const db = await Db.open({ store, path: "db" }, small);
  const held = new HeldRequests(store, ({ operation }) => operation === "put");
  await db.put("first", "1");
  const second = db.put("second", "2");
  const third = db.put("third", "3");
  failOnce("applyOne");
  held.release();
  await expect(second).rejects.toThrow(RangeError);
  expect((await third).seq).toBe(2);
  await db.close();
});
