/**
 * The engines by name. A module has `open(location, options)`, which resolves with
 *
 *   put(key, value, durable)   resolves when it is durable, or when the engine has taken it
 *   batch(rows, durable)       the same, of several rows that are applied as one
 *   flush()                    everything taken before is durable
 *   get(key)                   the value or undefined
 *   getMany(keys)
 *   scan({ gte, lte, limit, reverse })   a `Tally` of the rows, each touched
 *   close()
 *   stats()                    { putRequests, bytesPut, requests, sources }, where the engine counts them
 *
 * and, of those that keep everything in an object store,
 *
 *   flushToTables()            and is in SSTs
 *   scanWays                   `scan` by name, where there are several ways to read one
 *   seqOf(write), durableSeq(), whenDurable(write)
 *
 * and `openReader(location, options)`, which resolves with what of this reads.
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
  export: { module: "./object-copy.mjs", options: { way: "export" } },
  "plain-copy": { module: "./object-copy.mjs", options: { way: "copy" } },
  "s3-lean": { module: "./s3-client.mjs", options: { transport: "lean" } },
  "s3-sdk": { module: "./s3-client.mjs", options: { transport: "sdk" } },
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
  const { open } = await importEngine(name);
  return open(location, settings);
}

/** `open` and, where there is one, `openReader`, each of a location and settings. */
export async function importEngine(name) {
  const { module, options } = engines[name];
  const { open, openReader } = await import(module);
  const withOptions = (opens) => (location, settings) => opens(location, { ...options, settings });
  return { open: withOptions(open), openReader: openReader && withOptions(openReader) };
}
