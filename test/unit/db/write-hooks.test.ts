/** What a batch calls in the tick in which it gets its seq: before, where it can be refused, and after, where it cannot. */
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { WritePipeline } from "../../../src/db/write-pipeline.js";
import { type Db, InvalidArgumentError, type OpenOptions } from "../../../src/index.js";
import { MemTable } from "../../../src/memtable/mem-table.js";
import { HeldRequests } from "../../support/held-requests.js";
import { loadEngine } from "../../support/load-engine.js";
import { newPlace, openAt, text } from "./support.js";

beforeAll(loadEngine);

afterEach(() => {
  vi.restoreAllMocks();
});

async function open(options?: OpenOptions) {
  const place = newPlace();
  const db = await openAt(place, options);
  const write = vi.spyOn(WritePipeline.prototype, "writeBatch");
  await db.write([{ type: "put", key: "first", value: "1" }], { durable: false });
  const pipeline = write.mock.contexts[0] as WritePipeline;
  write.mockRestore();
  return { place, db, pipeline };
}

/** Writes a batch that notes its calls, each with the last seq at the time. */
function writeNoting(db: Db, pipeline: WritePipeline, calls: string[], signal?: AbortSignal) {
  const batch = db.batch().put("key", "value");
  return pipeline.writeBatch(batch.operations(), batch.count, {
    ...{ durable: false, signal, lifetime: 0 },
    beforeApply: () => calls.push(`before ${pipeline.lastSeq}`),
    afterApply: () => calls.push(`after ${pipeline.lastSeq}`),
  });
}

test("both are called in the tick of the call; after the second the batch is there", async () => {
  const { db, pipeline } = await open();
  const calls: string[] = [];
  const writing = writeNoting(db, pipeline, calls);
  expect(calls).toEqual(["before 1", "after 2"]);
  expect((await writing).seq).toBe(2);
  expect(text(await db.get("key"))).toBe("value");
  await db.close();
});

test("a batch that is refused, or finds no memory, does not call the second", async () => {
  const { db, pipeline } = await open();
  const calls: string[] = [];
  vi.spyOn(MemTable.prototype, "applyBatch").mockImplementationOnce(() => {
    throw new RangeError("Array buffer allocation failed");
  });
  // It is the caller's tick, so it may well be thrown at once.
  await expect(async () => writeNoting(db, pipeline, calls)).rejects.toThrow(RangeError);
  const request = { durable: false, signal: undefined, lifetime: 0 };
  const refused = async () =>
    pipeline.writeBatch(db.batch().put("a", "b").operations(), 1, {
      ...request,
      beforeApply: () => {
        throw new InvalidArgumentError("refused");
      },
      afterApply: () => calls.push("after"),
    });
  await expect(refused).rejects.toThrow("refused");
  expect(calls).toEqual(["before 1"]);
  expect(pipeline.lastSeq).toBe(1);
  await db.close();
});

test("a batch that waits for memory calls them when it is admitted; one that is aborted before, never", async () => {
  const { place, db, pipeline } = await open({ memTableBytes: 4096, unflushedBytesMax: 8192 });
  const held = new HeldRequests(place.faulty, ({ operation }) => operation === "put");
  const controller = new AbortController();
  const calls: string[] = [];
  const aborted: string[] = [];
  const waiting = writeNoting(db, pipeline, calls);
  const abortedOne = writeNoting(db, pipeline, aborted, controller.signal);
  expect(db.stats().waitingWrites).toBe(2);
  controller.abort("enough");
  await expect(abortedOne).rejects.toBe("enough");
  expect(calls).toEqual([]);
  held.release();
  expect((await waiting).seq).toBe(2);
  expect(calls).toEqual(["before 1", "after 2"]);
  expect(aborted).toEqual([]);
  await db.close();
});
