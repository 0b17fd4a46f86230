/**
 * One case of one question on one engine, in a process of its own. Started by `run.mjs` with a JSON argument; answers with
 * one line of JSON, the figures.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEngine } from "./engines/registry.mjs";
import { workload } from "./lib/workload.mjs";

const { question, caseIndex, engineName, seconds, endpoint, directory, sizes } = JSON.parse(
  process.argv[2],
);
const { cases, prepare, measure } = await import(`./questions/${question}.mjs`);
const options = cases[caseIndex];

const folder = await mkdtemp(join(directory ?? tmpdir(), "moraine-bench-"));
try {
  const location = locationOf(options.store);
  const open = () => openEngine(engineName, location, options.settings);
  const rows = workload({ valueBytes: options.valueBytes ?? 100 });
  const server = serverAt(endpoint);
  const task = { rows, seconds, options, engineName, location, server, sizes };
  let engine = await open();
  // What reads are measured on is written first, and then opened again: by this process, or by the question.
  if (prepare !== undefined) {
    await prepare({ ...task, engine });
    if (options.state !== "just written") {
      await engine.close();
      engine = options.state === "closed" ? undefined : await open();
    }
  }
  const figures = await measure({ ...task, engine });
  await engine?.close();
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
