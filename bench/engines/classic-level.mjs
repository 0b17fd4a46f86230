/** LevelDB on the local disk, through classic-level. Durable is `sync: true`. */
import { ClassicLevel } from "classic-level";
import { Tally } from "../lib/tally.mjs";

const durableWrite = { sync: true };
const rowsAtOnce = 1_000;

export async function open({ directory }) {
  const db = new ClassicLevel(directory, { keyEncoding: "buffer", valueEncoding: "buffer" });
  await db.open();
  return {
    put: (key, value, durable) => (durable ? db.put(key, value, durableWrite) : db.put(key, value)),
    batch(rows, durable) {
      const batch = db.batch();
      for (const { key, value } of rows) batch.put(key, value);
      return batch.write(durable ? durableWrite : undefined);
    },
    get: (key) => db.get(key),
    getMany: (keys) => db.getMany(keys),
    async scan(range) {
      const tally = new Tally();
      const iterator = db.iterator(range);
      for (;;) {
        const rows = await iterator.nextv(Math.min(rowsAtOnce, range.limit ?? rowsAtOnce));
        for (const [key, value] of rows) tally.add(key, value);
        if (rows.length === 0 || tally.rows === range.limit) break;
      }
      await iterator.close();
      return tally;
    },
    /** A write that is synced takes the log with it, as far as it has been written. */
    flush: () => db.put(Buffer.from("flush"), Buffer.from("flush"), durableWrite),
    close: () => db.close(),
    stats: () => undefined,
  };
}
