/**
 * One case of one question on one engine, in a process of its own. Started by `run.mjs` with a JSON argument; answers with
 * one line of JSON, the figures.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEngine } from "./engines/registry.mjs";
import { workload } from "./lib/workload.mjs";

const { question, caseIndex, engineName, seconds, endpoint, directory } = JSON.parse(
  process.argv[2],
);
const { cases, measure } = await import(`./questions/${question}.mjs`);
const options = cases[caseIndex];

const folder = await mkdtemp(join(directory ?? tmpdir(), "moraine-bench-"));
try {
  const engine = await openEngine(engineName, locationOf(options.store), options.settings);
  const rows = workload({ valueBytes: 100 });
  const figures = await measure({ engine, rows, seconds, options, server: serverAt(endpoint) });
  await engine.close();
  console.log(JSON.stringify(figures));
} finally {
  await rm(folder, { recursive: true, force: true });
}
// A peer's native threads may keep the process from ending.
process.exit(0);

function locationOf(store) {
  if (store === "file") return { kind: "file", directory: folder };
  if (store === "memory") return { kind: "memory" };
  const credentials = { accessKeyId: "bench", secretAccessKey: "bench" };
  return { kind: "s3", endpoint, bucket: "bench", credentials };
}

/** What the slow server has counted, and starting it again from zero. */
function serverAt(url) {
  return {
    counts: async () => (await fetch(`${url}/__counts`)).json(),
    reset: async () => void (await fetch(`${url}/__counts`, { method: "DELETE" })),
  };
}
