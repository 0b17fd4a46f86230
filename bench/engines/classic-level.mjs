/** LevelDB on the local disk, through classic-level. Durable is `sync: true`. */
import { ClassicLevel } from "classic-level";

const durableWrite = { sync: true };

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
    /** A write that is synced takes the log with it, as far as it has been written. */
    flush: () => db.put(Buffer.from("flush"), Buffer.from("flush"), durableWrite),
    close: () => db.close(),
    stats: () => undefined,
  };
}
