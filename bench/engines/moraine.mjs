/** Moraine, as it was built into `dist`. */
import { Db } from "../../dist/index.js";

const nonDurable = { durable: false };

/** `settings` are those of `Db.open`. */
export async function open(location, { settings }) {
  const { target, close: closeStore } = await targetOf(location);
  const db = await Db.open(target, settings);
  return {
    put: (key, value, durable) => db.put(key, value, durable ? undefined : nonDurable),
    batch(rows, durable) {
      const batch = db.batch();
      for (const { key, value } of rows) batch.put(key, value);
      return db.write(batch, durable ? undefined : nonDurable);
    },
    load: (entries) => db.load(entries),
    flush: () => db.flush(),
    flushToTables: () => db.flush({ to: "l0" }),
    whenDurable: (write) => write.durable(),
    seqOf: (write) => write.seq,
    durableSeq: () => db.stats().durableSeq,
    async close() {
      await db.close();
      closeStore();
    },
    /** Requests that create or replace an object, and the bytes of their bodies. */
    stats() {
      const { create, put } = db.stats().requests;
      return {
        putRequests: create.requests + put.requests,
        bytesPut: create.bytesPut + put.bytesPut,
      };
    },
  };
}

async function targetOf(location) {
  if (location.kind === "file") {
    return { target: `file://${location.directory}`, close: () => undefined };
  }
  if (location.kind === "memory") return { target: "memory:///bench", close: () => undefined };
  const { S3ObjectStore } = await import("../../dist/object-store/s3.js");
  const { endpoint, bucket, credentials } = location;
  const store = new S3ObjectStore({ endpoint, bucket, credentials });
  return { target: { store, path: "db" }, close: () => store.close() };
}
