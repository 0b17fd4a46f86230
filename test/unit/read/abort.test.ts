/** Reads with a signal: what it ends, and what it leaves behind. */
import { getEventListeners } from "node:events";
import { afterEach, expect, test, vi } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { allKeys } from "../../../src/common/key-range.js";
import { RowKind, RowRef } from "../../../src/common/row.js";
import type { DbView } from "../../../src/read/db-view.js";
import { fetchRow } from "../../../src/read/get.js";
import { getMany } from "../../../src/read/get-many.js";
import { scanRows } from "../../../src/read/scan.js";
import { drain } from "../../support/array-iterator.js";
import { type Layer, ViewBuilder } from "./view-builder.js";

const now = (): number => 100;
const keys = Array.from({ length: 40 }, (_, i) => `k${String(i).padStart(2, "0")}`);
const seqMax = 99;

type Read = (view: DbView, tables: ViewBuilder["tables"], signal: AbortSignal) => Promise<unknown>;

const reads: Record<string, Read> = {
  "a getMany of 40 keys": async (view, tables, signal) => {
    const encoded = keys.map((key) => encodeUtf8(key));
    return (await getMany(view, tables, encoded, { seqMax, now, signal })).length;
  },
  "40 gets with 12 candidates each": async (view, tables, signal) => {
    const get = async (key: string): Promise<void> => {
      await fetchRow(view, tables, encodeUtf8(key), seqMax, new RowRef(), signal);
    };
    return (await Promise.all(keys.map(get))).length;
  },
  "a scan of 12 sources": async (view, tables, signal) => {
    const rows = scanRows(view, tables, { bounds: allKeys, reverse: false, seqMax, now });
    rows.step();
    try {
      await rows.fill(signal);
      return (await drain(rows)).length;
    } finally {
      rows.close();
    }
  },
};

/** Twelve SSTs that all reads have to ask. */
async function twelveSources(): Promise<{ builder: ViewBuilder; view: DbView }> {
  const builder = new ViewBuilder(0, 0);
  const layers = Array.from({ length: 12 }, (_, i): Layer => {
    const versions = keys.map((key) => ({
      ...{ key, seq: i + 1, kind: RowKind.put, expiresAt: 0, value: "a value ".repeat(8) },
    }));
    return { place: "flush", versions };
  });
  return { builder, view: await builder.build(layers) };
}

const listening = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;

afterEach(() => {
  vi.restoreAllMocks();
});

for (const [name, read] of Object.entries(reads)) {
  test(`${name} adds one listener to the signal, and none stays`, async () => {
    const { builder, view } = await twelveSources();
    const { signal } = new AbortController();
    const warn = vi.spyOn(process, "emitWarning");
    const get = builder.store.get.bind(builder.store);
    let most = 0;
    let fails = false;
    vi.spyOn(builder.store, "get").mockImplementation(async (...args) => {
      const stored = await get(...args);
      most = Math.max(most, listening(signal));
      if (fails) throw new Error("the store is down");
      return stored;
    });
    expect(await read(view, builder.tables, signal)).toBe(40);
    expect([most, listening(signal)]).toEqual([1, 0]);
    fails = true;
    await expect(read(view, builder.tables, signal)).rejects.toThrow("the store is down");
    // Others that wait for the same may not have heard yet.
    await new Promise((resolve) => setImmediate(resolve));
    expect([most, listening(signal)]).toEqual([1, 0]);
    expect(warn).not.toHaveBeenCalled();
  });

  test(`${name} rejects at once when it is aborted, and makes no more requests`, async () => {
    const { builder, view } = await twelveSources();
    const controller = new AbortController();
    const { signal } = controller;
    const get = builder.store.get.bind(builder.store);
    let letGo!: () => void;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const spy = vi.spyOn(builder.store, "get").mockImplementation(async (...args) => {
      await held;
      return get(...args);
    });
    const reading = read(view, builder.tables, signal);
    await new Promise((resolve) => setImmediate(resolve));
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(reading).rejects.toBe(reason);
    expect(listening(signal)).toBe(0);
    const requests = spy.mock.calls.length;
    letGo();
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(spy.mock.calls.length).toBe(requests);
    // The requests went on: whoever asks next has them.
    expect(await read(view, builder.tables, new AbortController().signal)).toBe(40);
  });
}
