/** SlateDB through its own Node binding. On `file:` it does not fsync what it writes. */
import { DbBuilder, FlushType, ObjectStore, Settings, Ttl, WriteBatch } from "@slatedb/uniffi";

const putOptions = { ttl: Ttl.Default() };
const durableWrite = { await_durable: true };
const nonDurableWrite = { await_durable: false };

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
    close: () => db.shutdown(),
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
