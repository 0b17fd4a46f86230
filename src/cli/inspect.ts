/** `moraine inspect`: what a database is made of. Reads the manifest and lists the WAL; writes nothing. */
import type { Command } from "commander";
import { addUrl } from "./arguments.js";
import type { Context } from "./context.js";
import { inspectDatabase } from "./inspect-database.js";
import { toJson } from "./inspect-json.js";
import { toTables } from "./inspect-tables.js";

export function addInspect(program: Command, context: Context): void {
  addUrl(program.command("inspect"))
    .description("Shows the newest manifest, L0, runs, the write-ahead log, and their sizes.")
    .option("--wal", "read the objects of the write-ahead log: records, seqs, fences")
    .option("--objects", "list every object below the path, by kind")
    .option("--json", "as one JSON object")
    .action(async (url: string, options: { wal?: boolean; objects?: boolean; json?: boolean }) => {
      const inspection = await inspectDatabase(url, {
        ...{ signal: context.signal, settings: context.settings() },
        ...{ readWal: options.wal === true, listObjects: options.objects === true },
      });
      const text = options.json
        ? `${JSON.stringify(toJson(inspection), undefined, 2)}\n`
        : toTables(inspection);
      await context.out.write(text);
    });
}
