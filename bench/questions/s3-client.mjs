import { spawn } from "node:child_process";
import { once } from "node:events";
import { drive } from "../lib/drive.mjs";

export const question =
  "What does a request cost by each transport of the S3 store, on a server that answers at once?";

const engines = ["s3-lean", "s3-sdk"];
const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

export const cases = [
  { name: "GET of 1 KiB, 16 at once", engines, operation: "get", objectBytes: kibibyte },
  { name: "PUT of 1 KiB, 16 at once", engines, operation: "put", objectBytes: kibibyte },
  { name: "GET of 4 MiB, 4 at once", engines, operation: "get", objectBytes: 4 * mebibyte },
  { name: "PUT of 4 MiB, 4 at once", engines, operation: "put", objectBytes: 4 * mebibyte },
  { name: "LIST of 1,000 keys, one at a time", engines, operation: "list", objectBytes: 1 },
];

export const figures = {
  "CPU µs per request": "lower",
  "requests/s": "higher",
  "import and first GET, ms": "lower",
};

export async function measure({ engine, seconds, options }) {
  const server = await startServer(options.objectBytes);
  try {
    const startMs = performance.now();
    const { S3ObjectStore } = await import("../../dist/object-store/s3.js");
    const store = new S3ObjectStore({
      bucket: "bench",
      endpoint: server.url,
      credentials: { accessKeyId: "bench", secretAccessKey: "bench" },
      transport: engine.transport,
    });
    await store.get("list/0");
    const firstMs = performance.now() - startMs;
    const run = await drive(work(store, options, seconds));
    await store.close();
    return {
      "CPU µs per request": run.cpuMicros,
      "requests/s": run.perSecond,
      "import and first GET, ms": firstMs,
    };
  } finally {
    server.process.kill();
  }
}

function work(store, { operation, objectBytes }, seconds) {
  if (operation === "get") {
    const act = () => store.get("object");
    return { concurrency: objectBytes < mebibyte ? 16 : 4, seconds, act };
  }
  if (operation === "put") {
    const bytes = new Uint8Array(objectBytes).fill(7);
    const act = (i) => store.put(`put/${i % 8}`, bytes);
    return { concurrency: objectBytes < mebibyte ? 16 : 4, seconds, act };
  }
  const act = async () => {
    for await (const _ of store.list({ prefix: "list/" }));
  };
  return { concurrency: 1, seconds, act };
}

/**
 * In a process of its own, so that its work is not counted, and without the latency that other questions' servers have. It
 * holds an object of so many bytes and a thousand small ones, which it has put there itself: this process sends nothing
 * before it is measured.
 */
async function startServer(objectBytes) {
  const script = `
    import { startSlowS3 } from ${JSON.stringify(new URL("../slow-s3.mjs", import.meta.url).href)};
    const { url } = await startSlowS3();
    const put = (key, size) => fetch(url + "/bench/" + key, { method: "PUT", body: new Uint8Array(size) });
    await put("object", ${objectBytes});
    for (let i = 0; i < 1_000; i++) await put("list/" + i, 1);
    console.log(url);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(child.stdout, "data");
  return { process: child, url: String(line).trim() };
}
