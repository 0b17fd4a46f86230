/** The program: its commands, its options, and how its errors end. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { seconds } from "./arguments.js";
import { addCheckpoints } from "./checkpoints.js";
import { addClone } from "./clone.js";
import { addCompact } from "./compact.js";
import type { CliIo, Context } from "./context.js";
import { addDelete } from "./delete.js";
import { addDestroy } from "./destroy.js";
import { addDetach } from "./detach.js";
import { describeError, exitCodeOf, interruptedExitCode, usageExitCode } from "./exit-code.js";
import { addExport } from "./export.js";
import { addGc } from "./gc.js";
import { addGet } from "./get.js";
import { addInspect } from "./inspect.js";
import { BrokenPipeError, Output } from "./output.js";
import { addPut } from "./put.js";
import { addRestore } from "./restore.js";
import { addScan } from "./scan.js";
import { addUnion } from "./union.js";
import { addVerify } from "./verify.js";

export type { CliIo } from "./context.js";

const commands = [
  ...[addGet, addPut, addDelete, addScan, addInspect, addCompact, addGc],
  ...[addCheckpoints],
  ...[addExport, addRestore, addVerify, addDestroy],
  ...[addClone, addUnion, addDetach],
];

/** Runs the program and gives its exit code. `argv` holds the arguments only. Never rejects. */
export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  const out = new Output(io.stdout, io.signal);
  const program = newProgram(io);
  const context: Context = {
    ...{ stdin: io.stdin, err: io.stderr, signal: io.signal, out, exitCode: 0 },
    settings: () => {
      const { timeout } = program.opts<{ timeout?: number }>();
      return timeout === undefined ? {} : { storeDeadlineMs: timeout * 1000 };
    },
  };
  for (const add of commands) add(program, context);
  try {
    await program.parseAsync(argv, { from: "user" });
    await out.finish();
    return context.exitCode;
  } catch (error) {
    if (error instanceof BrokenPipeError) return 0;
    if (io.signal.aborted) return interruptedExitCode;
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usageExitCode;
    io.stderr.write(describeError(error, program.opts<{ verbose?: boolean }>().verbose === true));
    return exitCodeOf(error);
  }
}

function newProgram(io: CliIo): Command {
  return new Command("moraine")
    .description("Reads and writes Moraine databases in an object store.")
    .version(version())
    .option("--verbose", "show the stack of an error and of its causes")
    .option("--timeout <seconds>", "how long a failing request is tried again (60)", seconds)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => {
        const line = text
          .replace(/^error: /, "")
          .replace(/\s+/g, " ")
          .trim();
        write(`moraine: invalid: ${line.replace(/[^.?)]$/, "$&.")} See "moraine help".\n`);
      },
    });
}

function version(): string {
  // The same relative path from src/cli and from dist/cli.
  const path = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}
