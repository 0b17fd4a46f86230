/** Runs a module in a process of its own. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What it prints. The AWS SDK says with each start that it will not support Node 20 for ever: not here. */
export async function outputOf(module, args) {
  const { stdout } = await run(
    process.execPath,
    ["--no-warnings", fileURLToPath(module), ...args],
    { timeout: 60_000 },
  );
  return stdout;
}
