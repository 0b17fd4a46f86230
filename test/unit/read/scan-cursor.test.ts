import { expect, test } from "vitest";
import { decodeUtf8 } from "../../../src/common/bytes.js";
import { ClosedError } from "../../../src/common/errors.js";
import type { KeyedRows, RowIterator } from "../../../src/iterator/row-iterator.js";
import { Scan, type ScanSource } from "../../../src/read/scan-cursor.js";
import { entryShape, type KeyValue, keyShape, valueShape } from "../../../src/read/scan-shape.js";
import {
  ArrayIterator,
  type ArrayIteratorOptions,
  makeRows,
} from "../../support/array-iterator.js";

const letters = [..."abcdefgh"];
const rows = makeRows(letters.map((key) => ({ key, seq: 1, value: `value of ${key}` })));

interface Opened {
  scan: Scan<string>;
  rows: ArrayIterator;
  opened: () => number;
  closed: () => number;
}

/** Of scans that nobody carries on. */
const keyed = <R extends RowIterator>(of: R): R & KeyedRows =>
  Object.assign(of, { place: () => undefined });

/** A scan over the keys "a" to "h" that gives them as strings. */
function openScan(
  options: ArrayIteratorOptions = {},
  source: Partial<ScanSource<string>> = {},
): Opened {
  const iterator = keyed(new ArrayIterator(rows, options));
  let opened = 0;
  let closed = 0;
  const scan = new Scan<string>({
    open: () => {
      opened++;
      return iterator;
    },
    shape: { hasKey: true, hasValue: false, map: (key) => decodeUtf8(key) },
    guard: () => undefined,
    onClose: () => closed++,
    ...source,
  });
  return { scan, rows: iterator, opened: () => opened, closed: () => closed };
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test.each([0, 1, 2, 3])("every way to read gives all rows (pending every %i steps)", async (n) => {
  expect(await collect(openScan({ pendingEvery: n }).scan)).toEqual(letters);
  expect(await collect(openScan({ pendingEvery: n }).scan.toReadableStream())).toEqual(letters);
  const { scan } = openScan({ pendingEvery: n });
  expect(await scan.next()).toBe("a");
  expect(await scan.nextMany(3)).toEqual(["b", "c", "d"]);
  expect(await scan.nextMany(100)).toEqual(["e", "f", "g", "h"]);
  expect(await scan.nextMany(1)).toEqual([]);
  expect(await scan.next()).toBeUndefined();
});

test("nothing is opened before the first read, and then once", async () => {
  const { scan, opened } = openScan();
  expect(opened()).toBe(0);
  await scan.next();
  scan.seek("c");
  await scan.nextMany(2);
  expect(opened()).toBe(1);
});

test("the limit counts the rows that were given, however they were read", async () => {
  const { scan } = openScan({}, { limit: 4 });
  expect(await scan.next()).toBe("a");
  expect(await scan.nextMany(2)).toEqual(["b", "c"]);
  scan.seek("a");
  expect(await scan.nextMany(5)).toEqual(["a"]);
  expect(await scan.next()).toBeUndefined();
  expect(await collect(openScan({}, { limit: 0 }).scan)).toEqual([]);
});

test("calls that overlap take effect in call order", async () => {
  const { scan } = openScan({ pendingEvery: 2 });
  const results = [scan.next(), scan.next(), scan.nextMany(2), scan.next()];
  scan.seek("g");
  results.push(scan.next());
  scan.seek("b");
  results.push(scan.nextMany(2), scan.next());
  expect(await Promise.all(results)).toEqual(["a", "b", ["c", "d"], "e", "g", ["b", "c"], "d"]);
});

test("seek goes both ways, before the first read and after the end", async () => {
  const { scan } = openScan({ pendingEvery: 3 });
  scan.seek("g");
  expect(await scan.nextMany(9)).toEqual(["g", "h"]);
  scan.seek("cc");
  expect(await scan.next()).toBe("d");
  const key = new Uint8Array([0x66]);
  const first = scan.next();
  scan.seek(key);
  key[0] = 0x61;
  await first;
  expect(await scan.next()).toBe("f");
  expect(() => scan.seek(5 as never)).toThrow(expect.objectContaining({ kind: "invalid" }));
});

test("for await closes the scan at its end, when it is left, and when its body throws", async () => {
  const left = openScan();
  for await (const key of left.scan) if (key === "b") break;
  const thrown = openScan({ pendingEvery: 2 });
  await expect(async () => {
    for await (const _ of thrown.scan) throw new Error("body");
  }).rejects.toThrow("body");
  const ended = openScan();
  await collect(ended.scan);
  const unread = openScan();
  await unread.scan[Symbol.asyncIterator]().return?.();
  for (const { rows: source, closed, opened } of [left, thrown, ended, unread]) {
    expect(source.closed).toBe(opened() === 1);
    expect(closed()).toBe(1);
  }
});

test("for await goes on from where the cursor stands", async () => {
  const { scan } = openScan();
  await scan.nextMany(6);
  expect(await collect(scan)).toEqual(["g", "h"]);
  await expect(collect(scan)).rejects.toBeInstanceOf(ClosedError);
});

test("an iterator that has ended stays ended", async () => {
  const { scan } = openScan();
  const iterator = scan[Symbol.asyncIterator]();
  await collect(iterator);
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
});

test("after close reads reject, and close waits for the fetch under way", async () => {
  let release = (): void => undefined;
  const fetched = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { scan, rows: source, closed } = openScan({ pendingEvery: 1, onFill: () => fetched });
  const reads = [scan.next(), scan.nextMany(2)];
  const outcomes = Promise.allSettled(reads);
  const closing = scan.close();
  expect(source.closed).toBe(false);
  release();
  await closing;
  await scan.close();
  expect(source.closed).toBe(true);
  expect(closed()).toBe(1);
  for (const outcome of await outcomes) {
    expect(outcome).toMatchObject({ status: "rejected", reason: { kind: "closed" } });
  }
  await expect(scan.next()).rejects.toBeInstanceOf(ClosedError);
  await expect(scan.nextMany(1)).rejects.toBeInstanceOf(ClosedError);
  expect(() => scan.seek("a")).toThrow(ClosedError);
});

test("once the owner is closed, also during a fetch, reads reject", async () => {
  let isOwnerClosed = false;
  const guard = (): void => {
    if (isOwnerClosed) throw new ClosedError("The database is closed.");
  };
  const close = (): void => {
    isOwnerClosed = true;
  };
  const { scan } = openScan({ pendingEvery: 2, onFill: close }, { guard });
  expect(await scan.next()).toBe("a");
  await expect(scan.next()).rejects.toThrow("The database is closed.");
  await expect(scan.nextMany(1)).rejects.toBeInstanceOf(ClosedError);
  await scan.close();
});

test("an aborted signal rejects with its reason, before and during a fetch", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const onFill = (signal: AbortSignal | undefined): void => {
    expect(signal).toBe(controller.signal);
    controller.abort(reason);
  };
  const { scan } = openScan({ pendingEvery: 3, onFill }, { signal: controller.signal });
  await expect(scan.nextMany(8)).rejects.toBe(reason);
  await expect(scan.next()).rejects.toBe(reason);
  await expect(collect(scan)).rejects.toBe(reason);
});

test("after a failed fetch the scan goes on where it was, and loses no row", async () => {
  let failures = 2;
  const onFill = (): void => {
    if (failures-- > 0) throw new Error("no network");
  };
  const { scan } = openScan({ pendingEvery: 3, onFill });
  expect(await scan.nextMany(8)).toEqual(["a", "b"]);
  await expect(scan.next()).rejects.toThrow("no network");
  expect(await scan.nextMany(8)).toEqual(["c", "d", "e", "f", "g", "h"]);
});

test("a failure ends for await and streams, and closes the scan", async () => {
  const onFill = (): void => {
    throw new Error("no network");
  };
  const walked = openScan({ pendingEvery: 3, onFill });
  await expect(collect(walked.scan)).rejects.toThrow("no network");
  const streamed = openScan({ pendingEvery: 3, onFill });
  await expect(collect(streamed.scan.toReadableStream())).rejects.toThrow("no network");
  expect([walked.rows.closed, streamed.rows.closed]).toEqual([true, true]);
});

test("a stream reads only what is asked for, and cancelling closes the scan", async () => {
  const { scan, rows: source, opened } = openScan();
  const reader = scan.toReadableStream().getReader();
  await Promise.resolve();
  expect(opened()).toBe(0);
  expect(await reader.read()).toEqual({ done: false, value: "a" });
  expect(await scan.next()).toBe("b");
  await reader.cancel();
  expect(source.closed).toBe(true);
});

test.each([0, -1, 1.5, Number.NaN, "2", undefined])(
  "nextMany refuses the count %s",
  async (count) => {
    const { scan } = openScan();
    await expect(scan.nextMany(count as number)).rejects.toMatchObject({ kind: "invalid" });
    expect(await scan.next()).toBe("a");
  },
);

test("results are copies: changing them changes neither the source nor other rows", async () => {
  const large = makeRows(
    letters.map((key, i) => ({
      key,
      seq: 1,
      value: key.repeat([0, 1, 40, 100, 50_000, 7, 300, 2][i]!),
    })),
  );
  const open = (): KeyedRows => keyed(new ArrayIterator(large, { pendingEvery: 3 }));
  const read = async (count: number): Promise<KeyValue[]> => {
    const scan = new Scan({ open, shape: entryShape, guard: () => undefined });
    const first = (await scan.next())!;
    const results = [first, ...(await scan.nextMany(count)), ...(await scan.nextMany(9))];
    await scan.close();
    return results;
  };
  const expected = large.map((row) => ({ key: row.key(), value: row.value() }));
  const show = (entries: { key: Uint8Array; value: Uint8Array }[]): string[] =>
    entries.map(({ key, value }) => `${decodeUtf8(key)}=${decodeUtf8(value)}`);
  const results = await read(3);
  expect(show(results)).toEqual(show(expected));
  for (const [i, { key, value }] of results.entries()) {
    key.fill(0);
    value.fill(0);
    expect(show(results.slice(i + 1))).toEqual(show(expected.slice(i + 1)));
  }
  expect(show(await read(5))).toEqual(show(expected));
});

test("the shapes give keys or values alone", async () => {
  const source = { open: () => keyed(new ArrayIterator(rows)), guard: () => undefined };
  const keys = new Scan({ ...source, shape: keyShape });
  expect((await keys.nextMany(2)).map(decodeUtf8)).toEqual(["a", "b"]);
  const values = new Scan({ ...source, shape: valueShape });
  expect(decodeUtf8((await values.next())!)).toBe("value of a");
  expect((await values.nextMany(1)).map(decodeUtf8)).toEqual(["value of b"]);
});
