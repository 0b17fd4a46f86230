/** LMDB on the local disk, through lmdb-js. Not durable is "committed", durable is "and flushed to the disk". */
import { open as openLmdb } from "lmdb";
import { Tally } from "../lib/tally.mjs";

export async function open({ directory }) {
  const db = openLmdb({
    path: directory,
    keyEncoding: "binary",
    encoding: "binary",
    separateFlushed: true,
  });
  const whenDone = (write, durable) => (durable ? write.then(() => write.flushed) : write);
  return {
    put: (key, value, durable) => whenDone(db.put(key, value), durable),
    batch: (rows, durable) =>
      whenDone(
        db.transaction(() => {
          for (const { key, value } of rows) void db.put(key, value);
        }),
        durable,
      ),
    /** Its reads are synchronous. */
    get: (key) => db.get(key),
    getMany: (keys) => keys.map((key) => db.get(key)),
    scan({ gte, lte, limit, reverse }) {
      const tally = new Tally();
      const start = reverse ? lte : gte;
      for (const { key, value } of db.getRange({ start, limit, reverse })) tally.add(key, value);
      return tally;
    },
    flush: async () => {
      await db.committed;
      await db.flushed;
    },
    close: () => db.close(),
    stats: () => undefined,
  };
}
