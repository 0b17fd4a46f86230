// Runs the scenarios: node test/protocol/run.mjs [--only <id>] [--seconds <n>] [--states <n>] [--threads <n>] [--trace]
// [--list]
//
// A clean scenario must be exhausted without a violation, or searched up to the bounds and then walked at random;
// a planted one must be violated, for which it has six times the seconds. The bounds are for each scenario.

import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { scenarios } from "./scenarios.mjs";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    seconds: { type: "string", default: "10" },
    states: { type: "string", default: "300000" },
    threads: { type: "string", default: "2" },
    trace: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});

/** Begun first, so that no thread is left alone with one of them at the end. */
const largest = [
  "sweep-beside-all",
  "manifest-history",
  "no-wal-gate",
  "parallel-fences-three-writers",
  "load-non-durable",
  "load-and-successor",
  "load-without-wal",
  "load-given-up",
  "load-three-writers",
  "clean-close",
  "flush-and-collect",
  "two-sleepers",
  "jobs-lost-and-late",
  "taken-off-the-list",
  "snapshot-of-writer",
  "snapshot-and-filter",
];

const rankOf = ({ id }) => (largest.includes(id) ? largest.indexOf(id) : largest.length);

function print({ id, kind }, { found, walked }) {
  const violation = [found, walked].find((each) => each?.result === "violated");
  const passed = kind === "planted" ? violation !== undefined : !violation && found.stuck === 0;
  const { result, states, edges, depth, stuck, ms } = found;
  console.log(
    `${passed ? "ok    " : "FAILED"} ${kind.padEnd(7)} ${id.padEnd(36)} ${result.padEnd(9)} ` +
      `states=${states} edges=${edges} depth=${depth} stuck=${stuck} ${ms}ms` +
      (walked ? `; ${walked.result} in ${walked.walks} walks of ${walked.steps} steps` : ""),
  );
  if (violation && (options.trace || !passed)) {
    console.log(`       ${violation.why}`);
    violation.trace.forEach((label, index) => {
      console.log(`       ${index + 1}. ${label}`);
    });
  }
  return passed;
}

/** Several threads take scenarios from one list; the results are printed in the order of the scenarios. */
async function run(wanted) {
  const bounds = { msMax: Number(options.seconds) * 1000, statesMax: Number(options.states) };
  const todo = [...wanted].sort((one, other) => rankOf(one) - rankOf(other));
  const results = new Map();
  let printed = 0;
  let failed = 0;
  const work = () =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL("./worker.mjs", import.meta.url));
      const next = () => {
        const scenario = todo.shift();
        if (scenario) worker.postMessage({ index: scenarios.indexOf(scenario), ...bounds });
        else worker.terminate().then(resolve, reject);
      };
      worker.on("error", reject);
      worker.on("message", (result) => {
        results.set(scenarios[result.index], result);
        for (; results.has(wanted[printed]); printed++) {
          if (!print(wanted[printed], results.get(wanted[printed]))) failed++;
        }
        next();
      });
      next();
    });
  const threads = Math.min(Number(options.threads), wanted.length);
  await Promise.all(Array.from({ length: threads }, work));
  console.log(`${wanted.length - failed} passed, ${failed} failed`);
  return failed;
}

const wanted = scenarios.filter(({ id }) => options.only?.includes(id) ?? true);
const unknown = options.only?.find((only) => !scenarios.some(({ id }) => id === only));
if (unknown) {
  console.error(`No scenario is called ${unknown}; --list prints their ids.`);
  process.exitCode = 2;
} else if (options.list) {
  for (const { id, kind, title } of wanted) console.log(`${kind}\t${id}\t${title}`);
} else {
  process.exitCode = (await run(wanted)) ? 1 : 0;
}
