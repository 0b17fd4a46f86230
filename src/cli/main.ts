#!/usr/bin/env node
/** The `moraine` command as a process: its streams, its signals, its exit code. */
import process from "node:process";
import { run } from "./run.js";

// The SDK's advice on Node versions is not for the users of a command, and would break the one line of an error.
const environment: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED?: string } = process.env;
environment.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";
const interrupt = new AbortController();
let interrupted = 0;
for (const [name, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
] as const) {
  // Once: a second signal ends the process, whatever it is doing.
  process.once(name, () => {
    interrupted = 128 + number;
    interrupt.abort(new Error(`Interrupted by ${name}.`));
  });
}
const { stdin, stdout, stderr } = process;
const code = await run(process.argv.slice(2), { stdin, stdout, stderr, signal: interrupt.signal });
// Everything is written and closed; an open stdin or an idle socket must not keep the process alive.
process.exit(interrupted === 0 ? code : interrupted);
