/** `moraine gc`: deletes what nothing needs any more, or says what it would delete. */
import Table from "cli-table3";
import { type Command, InvalidArgumentError as InvalidOption } from "commander";
import { type CollectReport, collect } from "../db/collect.js";
import { addUrl } from "./arguments.js";
import type { Context } from "./context.js";
import { count } from "./count.js";
import { notReleasedText } from "./not-released.js";

interface GcArguments {
  dryRun?: boolean;
  grace?: number;
  sweep?: boolean;
  json?: boolean;
}

/** For times in seconds, 0 among them. */
function graceSeconds(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidOption("It must be a whole number of seconds.");
  return Number(text);
}

export function addGc(program: Command, context: Context): void {
  addUrl(program.command("gc"))
    .description("Deletes objects that no manifest and no checkpoint needs any more.")
    .option("--dry-run", "say what would be deleted, and delete nothing")
    .option("--grace <seconds>", "keep what was needed so long ago (3600)", graceSeconds)
    .option("--sweep", "list everything, and delete orphans too: what never became a part of it")
    .option("--json", "as one JSON object")
    .action(async (url: string, options: GcArguments) => {
      const { dryRun, sweep, grace } = options;
      const report = await collect(url, {
        ...{ ...context.settings(), dryRun, sweep, signal: context.signal },
        graceMs: grace === undefined ? undefined : grace * 1000,
      });
      await context.out.write(options.json ? `${JSON.stringify(report)}\n` : toTable(report));
    });
}

function toTable(report: CollectReport): string {
  const {
    dryRun,
    deleted,
    kept,
    checkpointsDropped,
    databasesReleased,
    notReleased,
    sweep,
    requests,
  } = report;
  const table = new Table({
    head: ["", dryRun ? "would go" : "deleted", ...(sweep ? ["orphans"] : [])],
    style: { head: [], border: [], compact: true },
  });
  const row = (name: string, freed: number | undefined, swept: number | undefined): void => {
    const shown = (value: number | undefined): string => (value === undefined ? "" : count(value));
    table.push([name, shown(freed), ...(sweep ? [shown(swept)] : [])]);
  };
  row("SSTs", deleted.ssts, sweep?.deleted.ssts);
  row("lists of runs", deleted.runs, sweep?.deleted.runs);
  row("lists of retired objects", deleted.lists, sweep?.deleted.lists);
  row("WAL objects", deleted.wal, sweep?.deleted.wal);
  row("manifests", deleted.manifests, sweep?.deleted.manifests);
  row("states of compactions", undefined, sweep?.deleted.compactions);
  row("probes", undefined, sweep?.deleted.probes);
  // What is retired has no size of its own: only who saw it named knows that.
  const isKnown = deleted.bytes > 0 || deleted.ssts === 0;
  table.push([
    "bytes",
    isKnown ? count(deleted.bytes) : "unknown",
    ...(sweep ? [count(sweep.deleted.bytes)] : []),
  ]);
  const foreign = sweep?.foreignCount ?? 0;
  const lines = [
    table.toString(),
    `Kept: ${count(kept.young)} that were needed too recently, ${count(kept.named)} that checkpoints need.`,
    ...(checkpointsDropped > 0 ? [`Expired checkpoints: ${count(checkpointsDropped)}.`] : []),
    ...(databasesReleased > 0
      ? [`Given up in other databases: ${count(databasesReleased, "checkpoint")}.`]
      : []),
    ...(foreign > 0 ? [`Left as they are, because they belong to others: ${count(foreign)}.`] : []),
    `Requests: ${count(requests)}.`,
  ];
  return `${lines.join("\n")}\n${notReleasedText(notReleased, '"moraine detach --force"')}`;
}
