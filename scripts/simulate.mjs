// Runs the simulations: `npm run test:sim -- --seed N` replays one case, `--runs N` says how many duels there are (default
// 1500, and the sweep's seeds in proportion). Everything else goes to vitest.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, parse } from "node:path";

const args = process.argv.slice(2);
const take = (name) => {
  const at = args.indexOf(name);
  return at < 0 ? undefined : args.splice(at, 2)[1];
};
const seed = take("--seed");
const runs = take("--runs") ?? "1500";
const files = seed === undefined ? ["test/simulation", ...sampledElsewhere()] : [fileOf(seed)];
const env = { ...process.env, MORAINE_SIM_RUNS: runs, MORAINE_SIM_VERBOSE: "1" };
if (seed !== undefined) env.MORAINE_SIM_SEED = seed;

const { status } = spawnSync(
  process.execPath,
  [
    ...["node_modules/vitest/vitest.mjs", "run", "--project", "unit", "--testTimeout", "600000"],
    ...files,
    ...args,
  ],
  { stdio: "inherit", env },
);
process.exitCode = status ?? 1;

/** Tests that run a sample in `npm test`: those that ask how much there is to run, or whose helper beside them does. */
function sampledElsewhere() {
  const asks = (file) => readFileSync(`test/${file}`, "utf8").includes("/run-counts.js");
  const files = readdirSync("test", { recursive: true }).filter((file) => file.endsWith(".ts"));
  const helpers = files.filter((file) => !file.endsWith(".test.ts") && asks(file));
  const isHelped = (file) =>
    helpers.some((helper) => {
      const { dir, name } = parse(helper);
      return dirname(file) === dir && readFileSync(`test/${file}`, "utf8").includes(`./${name}.js`);
    });
  const tests = files.filter((file) => file.endsWith(".test.ts") && (asks(file) || isHelped(file)));
  return tests.filter((file) => !file.startsWith("simulation")).map((file) => `test/${file}`);
}

/** Cases of the sweep have a slash in their name, duels are numbers; histories of transactions say what they are. */
function fileOf(name) {
  if (name.startsWith("maintained/")) return "test/simulation/maintained-duels.test.ts";
  if (name.startsWith("points/")) return "test/simulation/points-duels.test.ts";
  if (name.startsWith("maintenance/")) return "test/simulation/maintenance-sweep.test.ts";
  if (name.startsWith("crashes/")) return "test/simulation/isolation-crashes.test.ts";
  return name.includes("/")
    ? "test/simulation/crash-sweep.test.ts"
    : "test/simulation/duels.test.ts";
}
