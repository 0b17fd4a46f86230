/** A compactor beside a writer asks no filter, and drops nothing, while the writer has something open: with a log and without. */
import { beforeAll, expect, test } from "vitest";
import { collect } from "../../../src/db/collect.js";
import { Compactor } from "../../../src/db/compactor.js";
import { Db, MemoryObjectStore } from "../../../src/index.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { seededRandom } from "../../../src/testing/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { newest } from "./compact-by-hand.js";
import { text } from "./support.js";

beforeAll(loadEngine);

const random = seededRandom(7);
/** Compresses badly: some make FIFO's least. */
const pad = (): Uint8Array => Uint8Array.from({ length: 3000 }, () => random.next() * 256);

async function flushes(db: Db, ...values: string[]): Promise<void> {
  for (const value of values) {
    await db.write(db.batch().put("gone", value).put("pad", pad()), { durable: false });
    await db.flush({ to: "l0" });
  }
}

/** By a process of its own; whatever it retires is deleted at once. */
async function compactBeside(store: MemoryObjectStore, options: object): Promise<void> {
  const at = { store, path: "db" };
  const compactor = await Compactor.open(at, { compactionThreads: 0, ...options });
  await compactor.runOnce();
  await compactor.close();
  await collect(at, { graceMs: 0 });
}

const drops = {
  "a filter": {
    compactionL0Trigger: 2,
    compactionFilter: ({ key }: { key: Uint8Array }) =>
      key.length === 4 && key[0] === 103 ? "drop" : "keep",
  },
  FIFO: { strategy: { strategy: "fifo", bytesMax: 4096 } },
};

for (const wal of [true, false]) {
  test.each(Object.entries(drops))(
    `%s waits for a snapshot of a writer beside, wal: ${wal}`,
    async (_, options) => {
      const store = new MemoryObjectStore();
      const settings = { wal, background: false, compaction: false, blockCacheBytes: 0 } as const;
      const db = await Db.open({ store, path: "db" }, settings);
      await flushes(db, "1");
      const snapshot = db.snapshot();
      await flushes(db, "2", "3");
      await compactBeside(store, options);
      expect((await newest(prefixed(store, "db"))).rewrittenNumber).toBe(0);
      expect(text(await snapshot.get("gone"))).toBe("1");
      await snapshot.close();
      // The next commit to L0 tells that nothing is open.
      await flushes(db, "4", "5");
      await compactBeside(store, options);
      const { number, rewrittenNumber } = await newest(prefixed(store, "db"));
      expect(rewrittenNumber > 0 && rewrittenNumber <= number).toBe(true);
      await db.close();
    },
  );
}
