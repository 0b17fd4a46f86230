// Runs the scenarios: node test/protocol/run.mjs [--only <id>] [--seconds <n>] [--states <n>] [--trace] [--list]
//
// A clean scenario must be exhausted without a violation, or searched up to the bounds and then walked at random;
// a planted one must be violated. The bounds are for each scenario.

import { parseArgs } from "node:util";
import { search, walk } from "./checker.mjs";
import { scenarios } from "./scenarios.mjs";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    seconds: { type: "string", default: "12" },
    states: { type: "string", default: "300000" },
    trace: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});
const msMax = Number(options.seconds) * 1000;
const statesMax = Number(options.states);

function runScenario({ id, kind, config }, seed) {
  const found = search(config, { msMax, statesMax });
  const walked =
    found.result === "bounded" ? walk(config, { msMax: Math.min(msMax, 8000), seed }) : undefined;
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

const wanted = scenarios.filter(({ id }) => options.only?.includes(id) ?? true);
const unknown = options.only?.find((only) => !scenarios.some(({ id }) => id === only));
if (unknown) {
  console.error(`No scenario is called ${unknown}; --list prints their ids.`);
  process.exitCode = 2;
} else if (options.list) {
  for (const { id, kind, title } of wanted) console.log(`${kind}\t${id}\t${title}`);
} else {
  const results = wanted.map((scenario) => runScenario(scenario, scenarios.indexOf(scenario) + 1));
  const failed = results.filter((passed) => !passed).length;
  process.exitCode = failed ? 1 : 0;
  console.log(`${results.length - failed} passed, ${failed} failed`);
}
