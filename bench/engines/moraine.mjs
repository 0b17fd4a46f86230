/** Moraine, as it was built into `dist`. */
import { Db, DbReader } from "../../dist/index.js";
import { Tally } from "../lib/tally.mjs";

const nonDurable = { durable: false };
const rowsAtOnce = 256;

/** `settings` are those of `Db.open`. */
export async function open(location, { settings }) {
  const { target, close: closeStore } = await targetOf(location);
  const db = await Db.open(target, settings);
  return {
    ...readsOf(db, closeStore),
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
  };
}

export async function openReader(location, { settings }) {
  const { target, close: closeStore } = await targetOf(location);
  return readsOf(await DbReader.open(target, settings), closeStore);
}

function readsOf(handle, closeStore) {
  return {
    get: (key) => handle.get(key),
    getMany: (keys) => handle.getMany(keys),
    scan: scanWays["nextMany(256)"].bind(undefined, handle),
    /** `scan` in the different ways to read one. */
    scanWays: Object.fromEntries(
      Object.entries(scanWays).map(([name, scan]) => [name, scan.bind(undefined, handle)]),
    ),
    async close() {
      await handle.close();
      closeStore();
    },
    /** `putRequests` create or replace an object; `bytesPut` is what is in their bodies. */
    stats() {
      const { requests, l0Count, runCount } = handle.stats();
      const { create, put, total } = requests;
      return {
        putRequests: create.requests + put.requests,
        bytesPut: create.bytesPut + put.bytesPut,
        requests: total.requests,
        sources: l0Count + runCount,
      };
    },
  };
}

const scanWays = {
  async "nextMany(256)"(handle, range) {
    const tally = new Tally();
    const scan = handle.scan(range);
    for (;;) {
      const rows = await scan.nextMany(rowsAtOnce);
      for (const { key, value } of rows) tally.add(key, value);
      if (rows.length < rowsAtOnce) break;
    }
    await scan.close();
    return tally;
  },
  async "for await"(handle, range) {
    const tally = new Tally();
    for await (const { key, value } of handle.scan(range)) tally.add(key, value);
    return tally;
  },
};

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
