import { Admin } from "../../dist/admin/index.js";
import { Db, FileObjectStore } from "../../dist/index.js";

export const question =
  "How long does it take to export 1 GiB, beside a plain copy of the same objects, 16 at once, on the local disk?";

const engines = ["export", "plain-copy"];

export const cases = [
  { name: "by the store", engines, store: "file", copyMode: "server" },
  { name: "through the process", engines, store: "file", copyMode: "stream" },
];

export const figures = {
  "MiB/s": "higher",
  "CPU ms/MiB": "lower",
};

const inFlight = 16;
const valueBytes = 1000;
const rowsOfGiB = Math.floor(2 ** 30 / (valueBytes + 30));
const partBytes = 8 * 1024 * 1024;

export async function measure({ engine, sizes, options }) {
  const store = new FileObjectStore({ directory: engine.directory });
  await fill(store, sizes.rows ?? rowsOfGiB);
  const ways = { export: exportTo, copy: copyTo };
  // The compiler has seen the way once; a database of a hundredth is enough for that.
  await fill(store, 10_000, "small");
  await ways[engine.way](store, "small", "small-copy", options.copyMode);
  const cpuStart = process.cpuUsage();
  const startMs = performance.now();
  const bytes = await ways[engine.way](store, "db", "copy", options.copyMode);
  const totalMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(cpuStart);
  const mebibytes = bytes / 2 ** 20;
  return {
    "MiB/s": (mebibytes * 1000) / totalMs,
    "CPU ms/MiB": (user + system) / 1000 / mebibytes,
  };
}

async function fill(store, rows, path = "db") {
  const db = await Db.open({ store, path }, { background: false });
  await db.load(entries(rows));
  await db.flush({ to: "l0" });
  await db.close();
}

function* entries(rows) {
  // Of no use to a compressor, as a copy has none; not the same in any two rows.
  const value = Buffer.alloc(valueBytes);
  for (let i = 0; i < rows; i++) {
    for (let at = 0, x = i * 2_654_435_761; at + 4 <= valueBytes; at += 4) {
      x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
      value.writeUInt32LE(x, at);
    }
    yield { key: `user${String(i).padStart(16, "0")}`, value };
  }
}

async function exportTo(store, path, target, copyMode) {
  const admin = await Admin.open({ store, path });
  const info = await admin.export(
    undefined,
    { store, path: target },
    { copyMode, copiesInFlight: inFlight },
  );
  await admin.close();
  return info.totalBytes;
}

async function copyTo(store, path, target, copyMode) {
  const objects = [];
  for await (const object of store.list({ prefix: `${path}/` })) objects.push(object);
  let total = 0;
  const worker = async () => {
    for (let object = objects.shift(); object !== undefined; object = objects.shift()) {
      const { key, size } = object;
      const to = target + key.slice(path.length);
      if (copyMode === "server") await store.copy(key, to);
      else await store.put(to, () => parts(store, key, size));
      total += size;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return total;
}

async function* parts(store, key, size) {
  for (let offset = 0; offset < size; offset += partBytes) {
    const range = { offset, length: Math.min(partBytes, size - offset) };
    yield (await store.get(key, { range })).bytes;
  }
}
