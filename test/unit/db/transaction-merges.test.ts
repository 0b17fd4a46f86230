/** Transactions and snapshots over keys that have merges. */
import { expect, test } from "vitest";
import { bytesAppend, Db, type OpenOptions } from "../../../src/index.js";
import { MemoryObjectStore } from "../../../src/testing/index.js";
import { text } from "./support.js";

const operators = { mergeOperators: { append: bytesAppend } };
const openDb = (options: OpenOptions = {}): Promise<Db> =>
  Db.open(
    { store: new MemoryObjectStore(), path: "db" },
    { flushIntervalMs: 3_600_000, ...operators, ...options },
  );

async function rows(from: Pick<Db, "scan">, options = {}): Promise<string> {
  const seen: string[] = [];
  for await (const { key, value } of from.scan(options)) seen.push(`${text(key)}=${text(value)}`);
  return seen.join(" ");
}

test.each([
  ["in memory", async () => undefined],
  ["in SSTs", async (db: Db) => void (await db.flush({ to: "l0" }))],
])(
  "own writes lie over merges, also over one of the seq that is read, both ways: %s",
  async (_, settle) => {
    const db = await openDb();
    await db.put("a", "1");
    await db.merge("a", "2");
    await db.merge("c", "3");
    await db.write(db.batch().merge("a", "4").merge("b", "5").put("d", "6"));
    await settle(db);
    const tx = db.begin();
    const snapshot = db.snapshot();
    await db.write(db.batch().merge("c", "later").merge("d", "later"));
    expect(await rows(tx)).toBe("a=124 b=5 c=3 d=6");
    tx.put("a", "own");
    tx.delete("b");
    tx.put("d", "own");
    expect(await rows(tx)).toBe("a=own c=3 d=own");
    expect(await rows(tx, { reverse: true })).toBe("d=own c=3 a=own");
    expect((await tx.getMany(["a", "b", "c", "d"])).map(text)).toEqual([
      ...["own", undefined, "3", "own"],
    ]);
    expect(await rows(snapshot, { reverse: true })).toBe("d=6 c=3 b=5 a=124");
    expect(text(await db.get("a", { seq: 2 }))).toBe("12");
    expect(text(await db.get("c"))).toBe("3later");
    await db.close();
  },
);

test("a merge by another conflicts, with what was written and with what was read", async () => {
  const db = await openDb({ conflictWindowBytes: 0 });
  for (const isFlushed of [false, true]) {
    const [written, read] = [db.begin(), db.begin({ isolation: "serializable" })];
    written.put("a", "own");
    await rows(read, { prefix: "a" });
    read.put("x", "own");
    await db.merge("a", "1");
    if (isFlushed) await db.flush({ to: "l0" });
    await expect(written.commit()).rejects.toMatchObject({ kind: "conflict" });
    await expect(read.commit()).rejects.toMatchObject({ kind: "conflict" });
  }
  await db.close();
});
