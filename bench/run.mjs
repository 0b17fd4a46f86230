/**
 * Runs the benches: every case of every question, one fresh process for each engine and round, the engines by turns.
 *
 *   node bench/run.mjs [questions] [--pairs 5] [--seconds 2] [--engines a,b] [--json file] [--directory dir] [--profile dir]
 *                                 [--rows 10000000] [--range-deletes 1000000]
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, writeFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { isInstalled } from "./engines/registry.mjs";
import { summarize, tableOf } from "./lib/report.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const latencyMs = 25;
// The AWS SDK says with each start that it will not support Node 20 for ever.
const quiet = "--no-warnings";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pairs: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    engines: { type: "string" },
    json: { type: "string" },
    directory: { type: "string" },
    profile: { type: "string" },
    rows: { type: "string" },
    "range-deletes": { type: "string" },
  },
});
const pairs = positive("pairs", values.pairs);
const seconds = positive("seconds", values.seconds);
// Those that are not given are left to the question.
const sizes = {
  ...(values.rows && { rows: positive("rows", values.rows) }),
  ...(values["range-deletes"] && {
    rangeDeletes: positive("range-deletes", values["range-deletes"]),
  }),
};
const wanted = values.engines?.split(",");

const all = (await readdir(join(here, "questions")))
  .map((file) => file.replace(/\.mjs$/, ""))
  .sort();
const names = positionals.length > 0 ? positionals : all;
const unknown = names.find((name) => !all.includes(name));
if (unknown !== undefined) fail(`There is no question "${unknown}". There are: ${all.join(", ")}.`);

const results = [];
const broken = [];
for (const name of names) {
  const { question, cases, figures, limits = {} } = await import(`./questions/${name}.mjs`);
  const result = { name, question, cases: [] };
  for (const [caseIndex, one] of cases.entries()) {
    const engines = one.engines.filter(
      (engine) => isInstalled(engine) && (wanted?.includes(engine) ?? true),
    );
    if (engines.length === 0) continue;
    const rounds = Math.min(pairs, one.rounds ?? pairs);
    const samples = Object.fromEntries(engines.map((engine) => [engine, []]));
    for (let round = 0; round < rounds; round++) {
      for (const turn of engines.keys()) {
        // Each round starts with another engine: what one leaves to the disk then falls on each of the others.
        const engineName = engines[(turn + round) % engines.length];
        samples[engineName].push(await runPhase({ question: name, caseIndex, engineName, one }));
      }
    }
    const summary = summarize({ figures, engines, samples });
    result.cases.push({ name: one.name, engines, rounds, summary, samples });
    for (const [figure, limit] of Object.entries(limits)) {
      const worst = Math.max(...(samples.moraine ?? []).map((sample) => sample[figure]));
      if (worst > limit) broken.push(`${name}, ${one.name}: ${figure} ${worst}, not ${limit}`);
    }
  }
  results.push(result);
  if (result.cases.length > 0) console.log(`${tableOf(result)}\n`);
}

const missing = ["uniffi", "classic-level", "lmdb"].filter((engine) => !isInstalled(engine));
if (missing.length > 0) {
  console.log(`Without ${missing.join(", ")}: "npm ci --prefix bench" installs the peers.`);
}
const machine = {
  node: process.version,
  platform: `${process.platform} ${process.arch}`,
  cores: cpus().length,
  loadAtEnd: loadavg(),
};
const file = values.json ?? join(await mkdtemp(join(tmpdir(), "moraine-bench-")), "results.json");
await writeFile(file, `${JSON.stringify({ machine, pairs, seconds, results }, undefined, 2)}\n`);
console.log(`${machine.node}, ${machine.platform}, ${machine.cores} cores. Samples: ${file}`);
if (broken.length > 0) fail(broken.join("\n"));

/** The figures of one case on one engine. The store's server, where there is one, is as fresh as the process. */
async function runPhase({ question, caseIndex, engineName, one }) {
  const server = one.store === "slow-s3" ? await startServer() : undefined;
  try {
    const profiling =
      values.profile !== undefined && engineName === "moraine"
        ? ["--cpu-prof", `--cpu-prof-dir=${join(values.profile, `${question}-${caseIndex}`)}`]
        : [];
    const task = {
      ...{ question, caseIndex, engineName, seconds },
      ...{ endpoint: server?.url, directory: values.directory, sizes },
    };
    const output = await outputOf(
      [quiet, ...profiling, join(here, "phase.mjs"), JSON.stringify(task)],
      one.minutesMax,
    );
    return JSON.parse(output.trim().split("\n").at(-1));
  } catch (error) {
    throw new Error(`${question}, ${one.name}, ${engineName}: ${error.message}`, { cause: error });
  } finally {
    server?.process.kill();
  }
}

async function startServer() {
  const server = spawn(process.execPath, [join(here, "slow-s3.mjs"), "0"], {
    env: { ...process.env, LAT_MS: String(latencyMs) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(server.stdout, "data");
  return { process: server, url: String(line).trim() };
}

/** What a process prints. It is ended when it takes much longer than any phase should. */
async function outputOf(args, minutesMax = 2) {
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: (minutesMax + seconds) * 60_000,
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    output += text;
  });
  const [code, signal] = await once(child, "close");
  if (code !== 0) throw new Error(`the process ended with ${signal ?? `code ${code}`}`);
  return output;
}

function positive(name, text) {
  const number = Number(text);
  if (!(number > 0)) fail(`--${name} takes a number above zero, not "${text}".`);
  return number;
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
