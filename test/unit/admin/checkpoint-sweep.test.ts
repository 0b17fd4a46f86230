/**
 * The crash sweep of checkpoints: each operation is cut at every request it makes, before it is applied, after it, or by the end of the process
 * then; the writer beside it, or the next one, goes on, the operation is called again, and nothing that was acknowledged is missing.
 */
import { expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import type { OpenOptions } from "../../../src/db/open-options.js";
import { Db, DbReader, isMoraineError, MemoryObjectStore } from "../../../src/index.js";
import { type Fault, FaultyObjectStore } from "../../../src/testing/index.js";

const path = "db";
const quiet: OpenOptions = {
  ...{ flushIntervalMs: 3_600_000, background: false },
  walPutsPerSecond: Number.POSITIVE_INFINITY,
};
const fates: readonly Fault[] = [
  { kind: "before" },
  { kind: "after" },
  { kind: "crash" },
  { kind: "crash", applied: true },
];

const keysAt = async (store: MemoryObjectStore, checkpoint?: string): Promise<string[]> => {
  const reader = await DbReader.open({ store, path }, { checkpoint });
  const keys = await reader.keys().nextMany(1000);
  await reader.close();
  return keys.map((key) => new TextDecoder().decode(key));
};

/** What becomes of a call; "gone" when its process is. */
async function outcomeOf(call: Promise<unknown>, store: FaultyObjectStore): Promise<string> {
  const settled = call.then(
    () => "done",
    (error: unknown) => (isMoraineError(error) ? error.kind : `not ours: ${String(error)}`),
  );
  for (;;) {
    const outcome = await Promise.race([
      settled,
      new Promise<string>((resolve) => setTimeout(() => resolve("waits"), 3)),
    ]);
    if (outcome !== "waits") return outcome;
    if (store.crashed) return "gone";
  }
}

/** A database whose log holds what L0 does not, a load among it, with checkpoints, and its writer. */
async function newDb(): Promise<{ memory: MemoryObjectStore; db: Db; store: FaultyObjectStore }> {
  const memory = new MemoryObjectStore();
  const store = new FaultyObjectStore(memory);
  const db = await Db.open({ store, path }, quiet);
  await db.put("a", "1");
  await db.checkpoint({ name: "base" });
  await db.checkpoint({ name: "child", base: "base" });
  await db.put("b", "2");
  await db.load([{ key: "c", value: "3" }]);
  return { memory, db, store };
}

interface Operation {
  readonly name: string;
  readonly call: (admin: Admin) => Promise<unknown>;
  /** Names that are listed afterwards. */
  readonly listed: string;
  /** What a second call may say, when the first has had its effect. */
  readonly again: readonly string[];
}

const operations: readonly Operation[] = [
  {
    name: "createCheckpoint",
    call: (admin) => admin.createCheckpoint({ name: "new", base: "base" }),
    ...{ listed: "base child new", again: ["done", "exists"] },
  },
  {
    name: "createCheckpoint with a policy",
    call: (admin) =>
      admin.createCheckpoint({ name: "new", scope: "l0", retention: { keepNewest: 1 } }),
    ...{ listed: "new", again: ["done", "exists"] },
  },
  {
    name: "expireCheckpoint",
    call: (admin) => admin.expireCheckpoint("base"),
    ...{ listed: "child", again: ["done"] },
  },
  {
    name: "refreshCheckpoint",
    call: (admin) => admin.refreshCheckpoint("base", { ttlMs: 90_000 }),
    ...{ listed: "base child", again: ["done"] },
  },
  {
    name: "retainCheckpoint",
    call: (admin) => admin.retainCheckpoint("base"),
    ...{ listed: "base child", again: ["done"] },
  },
];

test.each(operations)("$name, cut at every request", async ({ call, listed, again }) => {
  for (const fate of fates) {
    for (let at = 0, isHit = true; isHit; at++) {
      const { memory, db } = await newDb();
      const store = new FaultyObjectStore(memory);
      const admin = await Admin.open({ store, path });
      let count = 0;
      isHit = false;
      store.intercept = ({ key }) => {
        // Of the reads behind the end of the log, which all are the same, the first few are enough.
        if (Number(/\/wal\/.*\D(\d+)\.wal$/.exec(key)?.[1] ?? 0) > 5) return undefined;
        if (count++ !== at) return undefined;
        isHit = true;
        return fate;
      };
      const outcome = await outcomeOf(call(admin), store);
      expect(["done", "gone"]).toContain(outcome);
      // The writer goes on, and may do so before anybody calls again.
      await db.put("d", "4");
      await db.checkpoint({ scope: "durable", name: "writer's" });
      const other = await Admin.open({ store: memory, path });
      const second = await outcomeOf(call(other), store);
      if (outcome === "gone") expect([...again, "gone"]).toContain(second);
      const retried = await call(other).then(
        () => "done",
        (error: { kind: string }) => error.kind,
      );
      expect(again).toContain(retried);
      const names = (await other.checkpoints()).map(({ name }) => name).sort();
      const expected = [...listed.split(" "), "writer's"];
      // Where a policy ran before or after the writer's own, that one may have gone.
      expect(names.filter((name) => name !== "writer's")).toEqual(
        expected.filter((name) => name !== "writer's"),
      );
      for (const name of names) {
        const keys = await keysAt(memory, name);
        expect(keys.slice(0, 1)).toEqual(["a"]);
        if (name === "new") expect(keys.slice(0, 3)).toEqual(["a", "b", "c"]);
      }
      await db.flush({ to: "l0" });
      expect(await keysAt(memory)).toEqual(["a", "b", "c", "d"]);
      await db.close();
      await other.close();
    }
  }
});

test.each(["durable", "all"] as const)(
  "a writer's checkpoint of scope %s, cut at every request under load",
  async (scope) => {
    for (const fate of fates) {
      for (let at = 0, isHit = true; isHit; at++) {
        const { memory, db, store } = await newDb();
        let count = 0;
        isHit = false;
        store.intercept = () => {
          if (count++ !== at) return undefined;
          isHit = true;
          return fate;
        };
        const acknowledged = ["a", "b", "c"];
        const before = [...acknowledged];
        const put = (async () => {
          await db.put("d", "4");
          acknowledged.push("d");
        })();
        const made = await outcomeOf(db.checkpoint({ name: "new", scope }), store);
        const written = await outcomeOf(put, store);
        expect(["done", "gone"]).toContain(made);
        expect(["done", "gone"]).toContain(written);
        const next = await Db.open({ store: memory, path }, quiet);
        const admin = await Admin.open({ store: memory, path });
        const names = (await admin.checkpoints()).map(({ name }) => name);
        if (made === "done") expect(names).toContain("new");
        if (!names.includes("new")) await next.checkpoint({ name: "new", scope });
        await next.put("e", "5");
        await next.compact();
        const keys = await keysAt(memory, "new");
        for (const key of before) expect(keys).toContain(key);
        if (scope === "all" && made === "done") expect(keys).toContain("d");
        const found = await keysAt(memory);
        for (const key of [...acknowledged, "e"]) expect(found).toContain(key);
        await next.close();
        await admin.close();
        store.intercept = undefined;
        // It is fenced.
        if (!store.crashed) await db.close({ flush: false }).catch(() => undefined);
      }
    }
  },
);
