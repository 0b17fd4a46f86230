/** Bytes that are damaged between here and the store: read once more where something on the way may forget them, and told otherwise. */
import { expect, test } from "vitest";
import { allKeys } from "../../../src/common/key-range.js";
import { RowRef } from "../../../src/common/row.js";
import { hashKey } from "../../../src/format/key-hash.js";
import type { SstInfo } from "../../../src/format/manifest.js";
import type { SstBuilderOptions } from "../../../src/format/sst-builder.js";
import { Step } from "../../../src/iterator/row-iterator.js";
import type { GetOptions, StoredObject } from "../../../src/object-store/object-store.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { BlockCache } from "../../../src/sst/block-cache.js";
import { SstIterator } from "../../../src/sst/sst-iterator.js";
import { TableStore } from "../../../src/sst/table-store.js";
import { expectEqual } from "../../support/expect-equal.js";
import {
  buildSst,
  CountingStore,
  databaseId,
  drain,
  plainRow,
  sstId,
  toPlain,
} from "./row-model.js";

const rows = Array.from({ length: 120 }, (_, i) =>
  plainRow(`key ${String(i).padStart(6, "0")}`, i + 1, { value: new Uint8Array(60).fill(i) }),
);
const object = ObjectPaths.sst(sstId);

/** Flips a byte of what it answers, until it is told to forget what it has. */
class DamagingStore extends CountingStore {
  damagedAt: number | undefined;

  override async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    const found = await super.get(key, options);
    const range = options?.range;
    const start = range !== undefined && "offset" in range ? range.offset : 0;
    const at = this.damagedAt === undefined ? -1 : this.damagedAt - start;
    if (found === undefined || at < 0 || at >= found.bytes.length) return found;
    const bytes = found.bytes.slice();
    bytes[at]! ^= 16;
    return { ...found, bytes };
  }
}

interface Layout {
  readonly build?: Partial<SstBuilderOptions>;
  readonly tailBytesMax?: number;
  readonly smallSstBytes?: number;
}

const small = { blockBytes: 500, indexPartitionBytes: 60, unfilteredSstBytesMax: 0 };
const layouts: Record<string, Layout> = {
  "indexes in the tail": { build: small },
  "compressed blocks": { build: { ...small, compression: { codec: "lz4", level: 0 } } },
  "indexes in parts": { build: small, tailBytesMax: 0 },
  "a small SST": { build: small, smallSstBytes: 1 << 20 },
  "a small SST, compressed": {
    build: { ...small, compression: { codec: "lz4", level: 0 } },
    smallSstBytes: 1 << 20,
  },
};

type Way = "passing" | "lasting" | "nothing to forget";

const built = new Map<Layout, ReturnType<typeof buildSst>>();

function builtAs(layout: Layout): ReturnType<typeof buildSst> {
  const sst = built.get(layout) ?? buildSst(rows, layout.build);
  built.set(layout, sst);
  return sst;
}

async function place(layout: Layout, damagedAt: number | undefined, way: Way) {
  const { bytes, info } = builtAs(layout);
  const store = new DamagingStore();
  await store.put(object, bytes);
  store.damagedAt = damagedAt;
  const told: string[] = [];
  const onDamage = ({ id }: SstInfo): void => {
    told.push(id);
    if (way === "passing") store.damagedAt = undefined;
  };
  const tables = new TableStore({
    ...{ store, databaseId, cache: new BlockCache(1 << 20) },
    smallSstBytes: layout.smallSstBytes ?? 0,
    ...(layout.tailBytesMax === undefined ? {} : { tailBytesMax: layout.tailBytesMax }),
    onDamage: way === "nothing to forget" ? undefined : onDamage,
  });
  return { store, tables, info, told };
}
type Place = Awaited<ReturnType<typeof place>>;

async function get({ tables, info }: Place, i: number): Promise<void> {
  const row = new RowRef();
  const { key } = rows[i]!;
  const table = await tables.open(info);
  expect(await table.get(key, hashKey(key), Number.MAX_SAFE_INTEGER, row)).toBe(true);
  expectEqual(toPlain(row), rows[i]);
}

async function scan({ tables, info }: Place, reverse: boolean): Promise<void> {
  const options = { tables, info, bounds: allKeys, reverse, readAheadBytes: 1500 };
  const found = await drain(new SstIterator({ ...options, readAheadBytesMax: 2500 }));
  expectEqual(found, reverse ? rows.toReversed() : rows);
}

const ways: Record<string, (place: Place) => Promise<unknown>> = {
  "gets one after another": async (at) => {
    for (let i = 5; i < rows.length; i += 30) await get(at, i);
  },
  "gets at once, as getMany makes them": async (at) => {
    const results = await Promise.allSettled(rows.map((_, i) => get(at, i)));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  },
  "a scan forward": (at) => scan(at, false),
  "a scan in reverse": (at) => scan(at, true),
  "gets and two scans at once": async (at) => {
    const all = [scan(at, false), scan(at, false), get(at, 3), get(at, 3), get(at, 100)];
    const results = await Promise.allSettled(all);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  },
};

const cases = Object.keys(layouts).flatMap((layout) =>
  Object.keys(ways).map((way) => [layout, way] as const),
);

/** The requests of a whole store, and where its parts begin and end. */
async function whole(layout: Layout, read: (place: Place) => Promise<unknown>) {
  const at = await place(layout, undefined, "passing");
  await read(at);
  expectEqual(at.told, []);
  const { size, metaOffset, topOffset } = at.info;
  // Bytes of every kind, and those at the edges.
  const offsets = [0, 7, 8, metaOffset - 1, metaOffset, topOffset - 1, topOffset, size - 1];
  for (let i = 1; i < 20; i++) offsets.push(Math.floor((size * i) / 20));
  return { requests: at.store.gets.length, offsets };
}

test.each(cases)("%s, %s: what passes costs exactly one request more", async (layout, way) => {
  const { requests, offsets } = await whole(layouts[layout]!, ways[way]!);
  let damaged = 0;
  for (const offset of offsets) {
    const at = await place(layouts[layout]!, offset, "passing");
    await ways[way]!(at);
    expect(at.told.length, `offset ${offset}`).toBeLessThanOrEqual(1);
    const more = at.store.gets.length - requests;
    if (way.includes("at once")) {
      // The second read may be one that another needs, or what is planned meanwhile may end where the index does.
      expect(more, `offset ${offset}`).toBeLessThanOrEqual(3 * at.told.length);
    } else if (way.includes("scan") && offset >= at.info.metaOffset) {
      expect(more - at.told.length, `offset ${offset}`).toBeOneOf([0, at.told.length]);
    } else expect(more, `offset ${offset}`).toBe(at.told.length);
    damaged += at.told.length;
  }
  expect(damaged).toBeGreaterThan(offsets.length / 10);
});

test.each(cases)("%s, %s: what lasts is told after one request more", async (layout, way) => {
  const { requests, offsets } = await whole(layouts[layout]!, ways[way]!);
  for (const offset of offsets) {
    const at = await place(layouts[layout]!, offset, "lasting");
    const failure = await ways[way]!(at).catch((error: unknown) => error);
    if (at.told.length === 0) expect(failure).toBeUndefined();
    else {
      expect(failure, `offset ${offset}`).toMatchObject({ kind: "corruption", object });
      // Reads that begin later try again.
      if (!way.includes("at once")) {
        expect(at.store.gets.length, `offset ${offset}`).toBeLessThanOrEqual(requests + 1);
      }
    }
    const alone = await place(layouts[layout]!, offset, "nothing to forget");
    const same = await ways[way]!(alone).catch((error: unknown) => error);
    expect(String(same), `offset ${offset}`).toBe(String(failure));
    if (!way.includes("at once")) {
      expect(alone.store.gets.length, `offset ${offset}`).toBeLessThanOrEqual(requests);
    }
  }
});

test("the object is read twice for a block that stays damaged, and once without a cache on the way", async () => {
  for (const [way, count] of [
    ["lasting", 2],
    ["nothing to forget", 1],
  ] as const) {
    const at = await place(layouts["indexes in the tail"]!, 100, way);
    await at.tables.open(at.info);
    at.store.gets.length = 0;
    await expect(get(at, 0)).rejects.toMatchObject({ kind: "corruption", object });
    expect(at.store.gets.length).toBe(count);
    expect(new Set(at.store.gets).size).toBe(1);
  }
});

test("an object of another size, as a cache may know it, is read again too", async () => {
  const at = await place(layouts["indexes in the tail"]!, undefined, "passing");
  const table = await at.tables.open(at.info);
  const { get: read } = at.store;
  at.store.get = async (key, options) => {
    at.store.get = read;
    const found = await read.call(at.store, key, options);
    return found && { ...found, size: found.size + 1 };
  };
  expect((await table.block(0)).bytes.length).toBeGreaterThan(0);
  expect(at.told.length).toBe(1);
});

test("a scan that is aborted while it waits for the second read goes on with the same request", async () => {
  const at = await place(layouts["indexes in the tail"]!, 3000, "passing");
  const { tables, info, store } = at;
  const options = { tables, info, bounds: allKeys, readAheadBytes: 1500 };
  const plain = new SstIterator({ ...options, readAheadBytesMax: 2500 });
  const before = await drain(plain, 30);
  while (at.told.length === 0) {
    if (plain.step() === Step.row) before.push(toPlain(plain.row));
    else if (at.told.length === 0) await plain.fill();
  }
  const requests = store.gets.length;
  const controller = new AbortController();
  const filling = plain.fill(controller.signal);
  controller.abort(new Error("enough"));
  await expect(filling).rejects.toThrow("enough");
  await plain.fill();
  expect(store.gets.length).toBe(requests);
  expectEqual([...before, ...(await drain(plain))], rows);
});

test("a scan that is closed, or goes elsewhere, gives the second read up", async () => {
  for (const goesOn of [false, true]) {
    const at = await place(layouts["indexes in the tail"]!, 3000, "passing");
    const { tables, info } = at;
    const options = { tables, info, bounds: allKeys, readAheadBytes: 1500 };
    const scanning = new SstIterator({ ...options, readAheadBytesMax: 2500 });
    while (at.told.length === 0) {
      if (scanning.step() === Step.pending && at.told.length === 0) await scanning.fill();
    }
    const again = (await tables.open(info)).join(
      (await tables.open(info)).findBlockAtOrAfter(rows[40]!.key)!,
    );
    again?.leave();
    if (goesOn) {
      scanning.seek(rows[110]!.key);
      expectEqual(await drain(scanning), rows.slice(110));
      scanning.seek(rows[0]!.key);
      expectEqual(await drain(scanning), rows);
    }
    scanning.close();
    await get(at, 40);
  }
});
