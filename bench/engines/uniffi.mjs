/** SlateDB through its own Node binding. On `file:` it does not fsync what it writes. */
import {
  DbBuilder,
  DbReaderBuilder,
  DurabilityLevel,
  FlushType,
  IterationOrder,
  ObjectStore,
  Settings,
  Ttl,
  WriteBatch,
} from "@slatedb/uniffi";
import { Tally } from "../lib/tally.mjs";

const putOptions = { ttl: Ttl.Default() };
const durableWrite = { await_durable: true };
const nonDurableWrite = { await_durable: false };
// Its defaults, but for `cache_blocks`: a warm scan should find what the one before has fetched.
const scanOptions = {
  durability_filter: DurabilityLevel.Memory,
  dirty: false,
  read_ahead_bytes: 1,
  cache_blocks: true,
  max_fetch_tasks: 1,
};

/** `flushInterval` in SlateDB's notation, for example "10ms"; its default is 100 ms. */
export async function open(location, { flushInterval }) {
  const builder = new DbBuilder("db", storeOf(location));
  if (flushInterval !== undefined) {
    const settings = Settings.default();
    settings.set("flush_interval", JSON.stringify(flushInterval));
    builder.with_settings(settings);
  }
  const db = await builder.build();
  const flush = () => db.flush_with_options({ flush_type: FlushType.Wal });
  return {
    ...readsOf(db),
    put: (key, value, durable) =>
      db.put_with_options(key, value, putOptions, durable ? durableWrite : nonDurableWrite),
    batch(rows, durable) {
      const batch = new WriteBatch();
      for (const { key, value } of rows) batch.put(key, value);
      return db.write_with_options(batch, durable ? durableWrite : nonDurableWrite);
    },
    flush,
    flushToTables: () => db.flush_with_options({ flush_type: FlushType.MemTable }),
    whenDurable: flush,
    seqOf: (write) => Number(write.seqnum),
    durableSeq: () => Number(db.status().durable_seq),
  };
}

export async function openReader(location) {
  return readsOf(await new DbReaderBuilder("db", storeOf(location)).build());
}

function readsOf(handle) {
  return {
    get: (key) => handle.get(key),
    /** It has no call for several. */
    getMany: (keys) => Promise.all(keys.map((key) => handle.get(key))),
    async scan({ gte, lte, limit = Number.POSITIVE_INFINITY, reverse = false }) {
      const tally = new Tally();
      const order = reverse ? IterationOrder.Descending : IterationOrder.Ascending;
      const iterator = await handle.scan_with_options(
        { start: gte, start_inclusive: true, end: lte, end_inclusive: true },
        { ...scanOptions, order },
      );
      while (tally.rows < limit) {
        const row = await iterator.next();
        if (row === undefined) break;
        tally.add(row.key, row.value);
      }
      iterator.dispose();
      return tally;
    },
    close: () => handle.shutdown(),
    /** Its own counts are of attempts that it makes twice; the server's are asked where it matters. */
    stats: () => undefined,
  };
}

function storeOf(location) {
  if (location.kind === "file") return ObjectStore.resolve(`file://${location.directory}`);
  if (location.kind === "memory") return ObjectStore.resolve("memory:///");
  const { endpoint, bucket, credentials } = location;
  Object.assign(process.env, {
    AWS_ENDPOINT: endpoint,
    AWS_ALLOW_HTTP: "true",
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  });
  return ObjectStore.resolve(`s3://${bucket}`);
}
