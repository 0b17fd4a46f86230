import { Db, MemoryObjectStore } from "../../dist/index.js";
import { drive, latencyFigures } from "../lib/drive.mjs";

export const question =
  "How many checkpoints per second, and what does each cost, while rows of 100 B are written durably, in memory?";

const engines = ["moraine"];

export const cases = [
  {
    name: "of what is durable, one after another",
    engines,
    store: "memory",
    scope: "durable",
    callers: 1,
  },
  {
    name: "of what is durable, 64 at once",
    engines,
    store: "memory",
    scope: "durable",
    callers: 64,
  },
  { name: "of everything, one after another", engines, store: "memory", scope: "all", callers: 1 },
  { name: "of everything, 64 at once", engines, store: "memory", scope: "all", callers: 64 },
];

export const figures = {
  "checkpoints/s": "higher",
  "manifest bytes each": "lower",
  "SST bytes each": "lower",
  "manifests each": "lower",
  "p50 ms": "lower",
  "p99 ms": "lower",
  "writes/s beside": "higher",
};

const writersAtOnce = 8;
/** So that the list of checkpoints is not what is measured. */
const retention = { keepNewest: 100 };

export async function measure({ rows, seconds, options }) {
  const { store, put } = counted(new MemoryObjectStore());
  const db = await Db.open(
    { store, path: "db" },
    { walPutsPerSecond: Number.POSITIVE_INFINITY, checkpointRetention: retention },
  );
  let isOver = false;
  let writes = 0;
  const writer = async () => {
    while (!isOver) {
      await db.put(rows.keyAt(writes), rows.valueAt(writes));
      writes++;
    }
  };
  const writing = Array.from({ length: writersAtOnce }, writer);
  const run = await drive({
    ...{ concurrency: options.callers, seconds },
    act: () => db.checkpoint({ scope: options.scope }),
  });
  isOver = true;
  await Promise.all(writing);
  const made = run.operations;
  const { "p50 ms": p50, "p99 ms": p99 } = latencyFigures(run);
  const beside = (writes * 1000) / run.totalMs;
  const figuresOfRun = {
    "checkpoints/s": run.perSecond,
    "manifest bytes each": put.manifest.bytes / made,
    "SST bytes each": put.sst.bytes / made,
    "manifests each": put.manifest.count / made,
    ...{ "p50 ms": p50, "p99 ms": p99, "writes/s beside": beside },
  };
  await db.close();
  return figuresOfRun;
}

/** Counts what is stored by kind; the copy of the newest manifest is not counted. */
function counted(inner) {
  const put = { manifest: { count: 0, bytes: 0 }, sst: { count: 0, bytes: 0 } };
  const count = (key, bytes) => {
    const kind = key.endsWith(".manifest") ? put.manifest : key.endsWith(".sst") ? put.sst : {};
    kind.count++;
    kind.bytes += bytes;
  };
  const store = new Proxy(inner, {
    get(target, name) {
      const value = target[name];
      if (typeof value !== "function") return value;
      if (name !== "create" && name !== "put") return value.bind(target);
      return (key, body, request) => {
        if (body instanceof Uint8Array) count(key, body.length);
        else if (Array.isArray(body)) for (const part of body) count(key, part.length);
        return value.call(target, key, body, request);
      };
    },
  });
  return { store, put };
}
