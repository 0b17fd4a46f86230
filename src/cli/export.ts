/** `moraine export`: an independent copy of a checkpoint elsewhere. */
import { hostname } from "node:os";
import process from "node:process";
import Table from "cli-table3";
import { type Command, Option } from "commander";
import { Admin } from "../admin/admin.js";
import type { CopyMode } from "../admin/copy-objects.js";
import type { ExportInfo } from "../admin/export-options.js";
import { addUrl, toUrl, wholeNumber } from "./arguments.js";
import type { Context } from "./context.js";
import { count } from "./count.js";
import { withProgress } from "./progress.js";

interface ExportArguments {
  checkpoint?: string;
  incremental?: boolean;
  copyMode?: CopyMode;
  copies?: number;
  json?: boolean;
}

export function addExport(program: Command, context: Context): void {
  addUrl(program.command("export"))
    .argument("<target>", "where the copy goes: as <url>, and empty", toUrl)
    .description("Copies a checkpoint, or what is durable now, to where it opens on its own.")
    .option("--checkpoint <checkpoint>", "id or name of the checkpoint (what is durable now)")
    .option("--incremental", "add to what an earlier export has left at the target")
    .addOption(
      new Option(
        "--copy-mode <mode>",
        "who copies SSTs: the server, or this process (auto)",
      ).choices(["auto", "server", "stream"]),
    )
    .option("--copies <count>", "objects that are copied at once (16)", wholeNumber)
    .option("--json", "as one JSON object")
    .action(async (url: string, target: string, options: ExportArguments) => {
      const { signal, err } = context;
      const { checkpoint, incremental, copyMode, copies } = options;
      const admin = await Admin.open(url, { ...context.settings(), signal });
      try {
        const info = await withProgress(err, { label: "exporting", unit: "bytes" }, (report) =>
          admin.export(checkpoint, target, {
            ...{ incremental, copyMode, copiesInFlight: copies, signal },
            name: `${hostname()} ${process.pid}`,
            onProgress: ({ copiedBytes, bytes }) => report(copiedBytes, bytes),
          }),
        );
        await context.out.write(options.json ? `${JSON.stringify(info)}\n` : toTable(info));
      } finally {
        await admin.close();
      }
    });
}

function toTable(info: ExportInfo): string {
  const table = new Table({ style: { head: [], border: [], compact: true } });
  table.push(
    ["SSTs", count(info.sstFiles)],
    ["bytes in them", count(info.totalBytes)],
    ["seq", count(info.seq)],
    ["manifest", count(info.version)],
    ["objects copied now", count(info.copiedFiles)],
    ["bytes copied now", count(info.copiedBytes)],
  );
  return `${table.toString()}\n`;
}
