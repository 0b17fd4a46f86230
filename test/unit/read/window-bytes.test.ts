/** What the windows of a scan hold, however many SSTs it reads side by side. */
import { expect, test } from "vitest";
import { allKeys } from "../../../src/common/key-range.js";
import { RowKind } from "../../../src/common/row.js";
import type { L0Entry, Manifest } from "../../../src/format/manifest.js";
import { SstBuilder } from "../../../src/format/sst-builder.js";
import { Step } from "../../../src/iterator/row-iterator.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import type { GetOptions, StoredObject } from "../../../src/object-store/object-store.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import type { DbView } from "../../../src/read/db-view.js";
import { scanRows } from "../../../src/read/scan.js";
import { windowBytesFor } from "../../../src/read/window-bytes.js";
import { BlockCache } from "../../../src/sst/block-cache.js";
import { writeSst } from "../../../src/sst/sst-writer.js";
import { TableStore } from "../../../src/sst/table-store.js";
import { makeRow } from "../../support/array-iterator.js";

const databaseId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const KiB = 1024;
const MiB = 1024 * KiB;

/** Remembers the newest two windows of each SST: those that a scan may hold. */
class WindowStore extends MemoryObjectStore {
  /** The largest window. */
  largest = 0;
  /** The most that the newest two windows of all SSTs had together. */
  heldMax = 0;
  readonly #windows = new Map<string, number[]>();
  #held = 0;

  override async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    const stored = await super.get(key, options);
    const windows = this.#windows.get(key);
    // The first request opens the table.
    if (windows === undefined) this.#windows.set(key, []);
    else {
      const length = stored!.bytes.length;
      windows.push(length);
      this.#held += length - (windows.length > 2 ? windows.shift()! : 0);
      this.largest = Math.max(this.largest, length);
      this.heldMax = Math.max(this.heldMax, this.#held);
    }
    return stored;
  }
}

/** A scan of all rows of so many L0 SSTs, whose keys alternate. */
async function scanAll(
  sstCount: number,
  rowsPerSst: number,
  readAheadBytes?: number,
): Promise<WindowStore> {
  const store = new WindowStore();
  const l0: L0Entry[] = [];
  const value = "v".repeat(4000);
  for (let s = 0; s < sstCount; s++) {
    const id = `01BX5ZZKBKACTAV9WEVGEM${String(1000 + s)}`;
    const builder = new SstBuilder({ id, databaseId });
    for (let i = 0; i < rowsPerSst; i++) {
      const key = String(i * sstCount + s).padStart(8, "0");
      builder.add(makeRow({ key, seq: s + 1, kind: RowKind.put, expiresAt: 0, value }));
    }
    const { chunks, info } = builder.finish();
    await writeSst(store, ObjectPaths.sst(id), chunks);
    l0.push({ ssts: [info], seq: 0 });
  }
  const manifest = {
    l0,
    runs: [],
    requiredFeatures: [],
    pinned: { mergeOperators: [] },
  } as unknown as Manifest;
  const view: DbView = { tables: [], loads: [], manifest };
  const tables = new TableStore({ store, databaseId, cache: new BlockCache(0) });
  const rows = scanRows(view, tables, {
    ...{ bounds: allKeys, reverse: false, seqMax: 1e9, now: () => 0, readAheadBytes },
  });
  let count = 0;
  for (let step = rows.step(); step !== Step.end; step = rows.step()) {
    if (step === Step.row) count++;
    else await rows.fill();
  }
  rows.close();
  expect(count).toBe(sstCount * rowsPerSst);
  return store;
}

test("windows of one source grow up to 2 MiB, and begin with what was asked for", async () => {
  const { largest, heldMax } = await scanAll(1, 2000);
  expect(largest).toBeGreaterThan(1.9 * MiB);
  expect(largest).toBeLessThanOrEqual(2 * MiB);
  expect(heldMax).toBeLessThanOrEqual(4 * MiB);
  expect((await scanAll(1, 1000, 64 * MiB)).largest).toBeGreaterThan(3.8 * MiB);
});

test("windows of many sources share 32 MiB, whatever was asked for", async () => {
  for (const readAheadBytes of [undefined, MiB]) {
    const { largest, heldMax } = await scanAll(64, 200, readAheadBytes);
    expect(largest).toBeGreaterThan(240 * KiB);
    expect(heldMax).toBeGreaterThan(25 * MiB);
    expect(heldMax).toBeLessThanOrEqual(32 * MiB);
  }
});

test("a share is 64 KiB at least, and two of what was asked for are let through", () => {
  const mibs = (count: number, asked?: number): number =>
    windowBytesFor(count, asked).readAheadBytesMax / MiB;
  expect([0, 1, 8, 16, 256, 1000].map((count) => mibs(count))).toEqual([
    2,
    2,
    2,
    1,
    1 / 16,
    1 / 16,
  ]);
  expect([1, 2, 40].map((count) => mibs(count, 40 * MiB))).toEqual([40, 20, 1]);
  expect(windowBytesFor(1, undefined).readAheadBytes).toBe(undefined);
  expect(windowBytesFor(1, 0).readAheadBytes).toBe(0);
  expect(windowBytesFor(64, MiB).readAheadBytes).toBe(256 * KiB);
});
