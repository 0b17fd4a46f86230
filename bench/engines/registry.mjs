/**
 * The engines by name. A module has `open(location, options)`, which resolves with
 *
 *   put(key, value, durable)   resolves when it is durable, or when the engine has taken it
 *   batch(rows, durable)       the same, of several rows that are applied as one
 *   flush()                    everything taken before is durable
 *   close()
 *   stats()                    { putRequests, bytesPut }, where the engine counts them
 *
 * and, of those that keep everything in an object store,
 *
 *   flushToTables()            and is in SSTs
 *   seqOf(write), durableSeq(), whenDurable(write)
 *
 * A location is { kind: "file", directory }, { kind: "memory" } or { kind: "s3", endpoint, bucket, credentials }.
 */
const engines = {
  moraine: { module: "./moraine.mjs" },
  uniffi: { module: "./uniffi.mjs", package: "@slatedb/uniffi" },
  "uniffi-10ms": {
    module: "./uniffi.mjs",
    package: "@slatedb/uniffi",
    options: { flushInterval: "10ms" },
  },
  "classic-level": { module: "./classic-level.mjs", package: "classic-level" },
  lmdb: { module: "./lmdb.mjs", package: "lmdb" },
  "raw-put": { module: "./raw-put.mjs" },
};

export function isInstalled(name) {
  try {
    if (engines[name].package !== undefined) import.meta.resolve(engines[name].package);
    return true;
  } catch {
    return false;
  }
}

export async function openEngine(name, location, settings) {
  const engine = engines[name];
  const { open } = await import(engine.module);
  return open(location, { ...engine.options, settings });
}
