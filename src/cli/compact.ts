/** `moraine compact`: compacts a database beside its writer, once or for as long as it runs, alone or as one of many workers. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import Table from "cli-table3";
import { type Command, Option } from "commander";
import { InvalidArgumentError } from "../common/errors.js";
import type { StrategyName } from "../db/compaction-option.js";
import { Compactor, type CompactorStats } from "../db/compactor.js";
import { addUrl, wholeNumber } from "./arguments.js";
import type { Context } from "./context.js";
import { count } from "./count.js";
import { exitCodes } from "./exit-code.js";

interface CompactArguments {
  worker?: boolean;
  once?: boolean;
  full?: boolean;
  strategy?: StrategyName;
  workers?: number;
  threads?: number;
  bytesPerSecond?: number;
  functions?: string;
  json?: boolean;
}

/** A path, or a URL. */
const toModule = (text: string): string =>
  /^[a-z][a-z0-9+.-]+:/i.test(text) ? text : pathToFileURL(resolve(text)).href;

export function addCompact(program: Command, context: Context): void {
  addUrl(program.command("compact"))
    .description(
      "Compacts until it is interrupted. The writer goes on, and so do other compactors: one plans, the others stand by or work for it.",
    )
    .option("--once", "do what is due, and end; a worker does one job after another")
    .option("--full", "merge everything into one sorted run, and end")
    .option("--worker", "only carry out jobs that another compactor plans")
    .option("--workers <count>", "plan so many jobs for workers of other processes", wholeNumber)
    .addOption(
      new Option(
        "--strategy <name>",
        "how to merge, which should be as the writer does (size-tiered)",
      ).choices(["size-tiered", "leveled"]),
    )
    .option("--threads <count>", "threads that compact (1)", wholeNumber)
    .option("--bytes-per-second <bytes>", "how fast it reads and writes", wholeNumber)
    .option(
      "--functions <module>",
      "a module that exports mergeOperators, compactionFilter, prefixExtractor, or some of them",
      toModule,
    )
    .option("--json", "print what was done as one JSON object")
    .action((url: string, options: CompactArguments) => compact(context, url, options));
}

async function compact(context: Context, url: string, options: CompactArguments): Promise<void> {
  const { signal } = context;
  if (options.worker === true && options.full === true) {
    throw new InvalidArgumentError("A worker plans nothing: leave --worker or --full out.");
  }
  if (options.once === true && options.full === true) {
    throw new InvalidArgumentError("--full merges everything and ends: leave --once out.");
  }
  const compactor = await Compactor.open(url, {
    ...{ ...context.settings(), signal, name: `${hostname()} ${process.pid}` },
    ...{ worker: options.worker, strategy: options.strategy, functions: options.functions },
    ...{ workerJobsMax: options.workers, compactionThreads: options.threads },
    compactionBytesPerSecond: options.bytesPerSecond,
  });
  try {
    if (options.full === true) await compactor.compact(undefined, { signal });
    else if (options.once === true) await compactor.runOnce({ signal });
    else await compactor.run({ signal });
  } finally {
    await compactor.close();
    const stats = compactor.stats();
    const text = options.json ? `${JSON.stringify(stats)}\n` : report(stats);
    // The output is closed to whoever interrupts, and they want to know what was done all the same.
    if (signal.aborted) context.err.write(text);
    else await context.out.write(text);
  }
  const { failures } = compactor.stats();
  if (failures.length > 0) {
    context.err.write(`moraine: ${failures.length} jobs failed: ${failures.at(-1)!.message}\n`);
    context.exitCode = exitCodes.corruption;
  }
}

function report(stats: CompactorStats): string {
  const table = new Table({ style: { head: [], border: [], compact: true } });
  table.push(
    ["jobs done", count(stats.jobsDone)],
    ["jobs failed", count(stats.jobsFailed)],
    ["bytes merged", count(stats.inputBytes)],
    ["bytes written", count(stats.outputBytes)],
    ["SSTs moved", count(stats.movedSsts)],
    ["L0 entries", count(stats.l0Count)],
    ["sorted runs", count(stats.runCount)],
    ["requests", count(stats.requests.total.requests)],
  );
  return `${table.toString()}\n`;
}
