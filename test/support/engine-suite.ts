/** What a database must do on any store: run on memory and on a folder by the normal tests, and on every real S3 server. */
import { expect, test } from "vitest";
import { Db } from "../../src/db/db.js";
import { DbReader } from "../../src/db/db-reader.js";
import { decodeUint64, encodeUint64, uint64Add } from "../../src/index.js";
import type { ObjectStore } from "../../src/object-store/object-store.js";
import { FaultyObjectStore } from "../../src/testing/index.js";

const decoder = new TextDecoder();
const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : decoder.decode(bytes);
const key = (index: number): string => `key-${String(index).padStart(6, "0")}`;

/** `makeStore` gives a store below a prefix of its own each time. */
export function engineSuite(options: { makeStore: () => ObjectStore }): void {
  const path = "databases/one";

  test("what was written is read, flushed, closed, opened again and scanned both ways", async () => {
    const store = options.makeStore();
    const db = await Db.open({ store, path }, { memTableBytes: 64 * 1024 });
    const writes = Array.from({ length: 2000 }, (_, i) =>
      db.put(key(i), `value ${i}`, { durable: i % 100 === 0 }),
    );
    await Promise.all(writes);
    await db.write(db.batch().delete(key(7)).put(key(8), "eight").put("zz", ""));
    expect(text(await db.get(key(8)))).toBe("eight");
    await db.flush({ to: "l0" });
    await db.put(key(9), "nine");
    await db.close();
    const again = await Db.open({ store, path }, { create: "never" });
    expect(await again.get(key(7))).toBeUndefined();
    expect(text(await again.get("zz"))).toBe("");
    const forward: string[] = [];
    for await (const { key: found } of again.scan({ prefix: "key-" })) {
      forward.push(decoder.decode(found));
    }
    const expected = Array.from({ length: 2000 }, (_, i) => key(i)).filter((k) => k !== key(7));
    expect(forward).toEqual(expected);
    const backward = await again.keys({ prefix: "key-", reverse: true }).nextMany(5000);
    expect(backward.map((k) => decoder.decode(k))).toEqual(expected.toReversed());
    expect((await again.getMany([key(9), key(7), key(8)])).map(text)).toEqual([
      "nine",
      undefined,
      "eight",
    ]);
    await again.close();
  });

  test("a process that vanishes loses nothing that was durable, and a batch is never torn", async () => {
    const store = options.makeStore();
    const process = new FaultyObjectStore(store);
    const db = await Db.open({ store: process, path });
    for (let i = 0; i < 20; i++) {
      await db.write(
        db
          .batch()
          .put(key(i), "a")
          .put(key(i + 1000), "b"),
      );
    }
    void db.write(db.batch().put(key(20), "a").put(key(1020), "b")).catch(() => undefined);
    process.crash();
    const next = await Db.open({ store, path });
    for (let i = 0; i < 20; i++) {
      expect((await next.getMany([key(i), key(i + 1000)])).map(text)).toEqual(["a", "b"]);
    }
    const [left, right] = await next.getMany([key(20), key(1020)]);
    expect(left === undefined).toBe(right === undefined);
    await next.close();
  });

  test("a second writer fences the first: none of its later writes is acknowledged", async () => {
    const store = options.makeStore();
    const first = await Db.open({ store, path });
    await first.put("from", "first");
    const second = await Db.open({ store, path });
    expect(text(await second.get("from"))).toBe("first");
    const late = await Promise.allSettled([first.put("late", "1"), first.put("late", "2")]);
    expect(late.map((result) => result.status)).toEqual(["rejected", "rejected"]);
    expect(await first.closed).toMatchObject({ kind: "fenced" });
    await expect(first.get("from")).rejects.toMatchObject({ kind: "fenced" });
    await second.put("from", "second");
    await second.close();
    const third = await Db.open({ store, path });
    expect(text(await third.get("from"))).toBe("second");
    expect(await third.get("late")).toBeUndefined();
    await third.close();
  });

  test("a reader follows the writer through its WAL, a flush and a successor", async () => {
    const store = options.makeStore();
    const db = await Db.open({ store, path });
    await db.put("a", "1");
    const reader = await DbReader.open({ store, path }, { pollIntervalMs: 20 });
    expect(text(await reader.get("a"))).toBe("1");
    const { seq } = await db.put("a", "2");
    await reader.waitForSeq(seq);
    expect(text(await reader.get("a"))).toBe("2");
    await db.flush({ to: "l0" });
    const next = await Db.open({ store, path });
    const last = await next.put("a", "3");
    await reader.waitForSeq(last.seq);
    expect(text(await reader.get("a"))).toBe("3");
    await reader.close();
    await next.close();
    await db.close().catch(() => undefined);
  });

  test("merges, range deletes, expiry and transactions read the same before and after a flush, a replay and elsewhere", async () => {
    const store = options.makeStore();
    const mergeOperators = { count: uint64Add };
    const db = await Db.open({ store, path }, { mergeOperators });
    await db.load(["a", "b", "c", "d"].map((key) => ({ key: `row:${key}`, value: "loaded" })));
    const snapshot = db.snapshot();
    await db.deleteRange({ gte: "row:b", lt: "row:d" });
    await db.merge("n", encodeUint64(2n));
    await db.put("gone", "soon", { expiresAt: 1 });
    await db.transaction(async (tx) => {
      expect(await tx.get("row:c")).toBeUndefined();
      tx.put("row:c", "again");
      tx.merge("n", encodeUint64(3n));
      tx.deletePrefix("row:a");
    });
    const expected = ["n", "row:c", "row:d"];
    const check = async (reads: Db | DbReader): Promise<void> => {
      expect((await reads.keys().nextMany(9)).map(text)).toEqual(expected);
      const reversed = await reads.keys({ reverse: true }).nextMany(9);
      expect(reversed.map(text)).toEqual(expected.toReversed());
      expect(decodeUint64((await reads.get("n"))!)).toBe(5n);
      expect((await reads.getMany(["row:a", "row:c", "gone"])).map(text)).toEqual([
        undefined,
        "again",
        undefined,
      ]);
    };
    await check(db);
    await db.flush({ to: "l0" });
    await check(db);
    expect(await snapshot.keys().nextMany(9)).toHaveLength(4);
    await db.deletePrefix("nothing");
    await db.close({ flush: "wal" });
    const next = await Db.open({ store, path }, { mergeOperators });
    await check(next);
    const reader = await DbReader.open({ store, path }, { mergeOperators });
    await check(reader);
    await reader.close();
    await next.close();
  });

  test("without a WAL, a durable write is in L0", async () => {
    const store = options.makeStore();
    const db = await Db.open({ store, path }, { wal: false });
    await Promise.all([db.put("a", "1"), db.put("b", "2"), db.delete("c")]);
    expect(db.stats().l0Count).toBeGreaterThan(0);
    const next = await Db.open({ store, path });
    expect((await next.getMany(["a", "b", "c"])).map(text)).toEqual(["1", "2", undefined]);
    await expect(db.put("a", "late")).rejects.toMatchObject({ kind: "fenced" });
    await next.close();
  });

  test("of eight writers that open at once at most one stays, and one does", async () => {
    const store = options.makeStore();
    const opened = await Promise.allSettled(
      Array.from({ length: 8 }, () => Db.open({ store, path })),
    );
    const dbs = opened.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    const written = await Promise.allSettled(dbs.map((db, i) => db.put(`writer ${i}`, "here")));
    // Each was alone when it opened, so some may have written before they were fenced; the last one can go on.
    const alive = await Promise.allSettled(dbs.map((db) => db.put("again", "here")));
    expect(alive.filter((result) => result.status === "fulfilled")).toHaveLength(1);
    const reader = await DbReader.open({ store, path });
    for (const [i, result] of written.entries()) {
      if (result.status === "fulfilled") expect(text(await reader.get(`writer ${i}`))).toBe("here");
    }
    await reader.close();
    await Promise.all(dbs.map((db) => db.close().catch(() => undefined)));
  });
}
