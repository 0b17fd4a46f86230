/** Requests for parts of SSTs with a signal: what it ends, and what it leaves behind. */
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import type { SstInfo } from "../../../src/format/manifest.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { SstReader } from "../../../src/sst/sst-reader.js";
import { FaultyObjectStore, MemoryObjectStore } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { warningsOf } from "../../support/warnings.js";

const info = { id: "01KDXN3E000000000000000000", size: 100 } as SstInfo;
const listening = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;

async function heldReader() {
  const store = new FaultyObjectStore(new MemoryObjectStore());
  await store.put(ObjectPaths.sst(info.id), new Uint8Array(info.size));
  return { reader: new SstReader(store), held: new HeldRequests(store, () => true) };
}

test("50 reads with one signal add one listener, and all reject with its reason", async () => {
  const { reader, held } = await heldReader();
  const controller = new AbortController();
  const { signal } = controller;
  const reason = new Error("enough");
  const warnings = await warningsOf(async () => {
    const reads = Array.from({ length: 50 }, (_, i) => reader.read(info, i, 1, false, signal));
    expect(listening(signal)).toBe(1);
    controller.abort(reason);
    for (const outcome of await Promise.allSettled(reads)) {
      expect(outcome).toEqual({ status: "rejected", reason });
    }
  });
  expect(warnings).toEqual([]);
  expect(listening(signal)).toBe(0);
  held.release();
});

test("a read that is answered leaves no listener", async () => {
  const { reader, held } = await heldReader();
  const { signal } = new AbortController();
  const reading = reader.read(info, 0, 10, false, signal);
  expect(listening(signal)).toBe(1);
  held.release();
  expect((await reading).length).toBe(10);
  expect(listening(signal)).toBe(0);
});
