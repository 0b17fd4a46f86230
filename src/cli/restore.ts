/** `moraine restore`: makes a checkpoint the newest state, and keeps the one that it replaces. */
import type { Command } from "commander";
import { Admin } from "../admin/admin.js";
import { addUrl, wholeNumber } from "./arguments.js";
import type { Context } from "./context.js";
import { withProgress } from "./progress.js";

interface RestoreArguments {
  name?: string;
  ttl?: number;
  json?: boolean;
}

export function addRestore(program: Command, context: Context): void {
  addUrl(program.command("restore"))
    .description("Makes a checkpoint the newest state. The replaced state becomes a checkpoint.")
    .argument("<checkpoint>", "its id or its name")
    .option("--name <name>", "of the checkpoint that keeps the replaced state")
    .option("--ttl <seconds>", "how long that is kept (until it is expired)", wholeNumber)
    .option("--json", "as one JSON object")
    .action(async (url: string, checkpoint: string, options: RestoreArguments) => {
      const { err, signal } = context;
      const admin = await Admin.open(url, { ...context.settings(), signal });
      try {
        const about = { label: "restoring", unit: "objects" } as const;
        const result = await withProgress(err, about, (report) =>
          admin.restore(checkpoint, {
            ...{ name: options.name, signal },
            ttlMs: options.ttl === undefined ? undefined : options.ttl * 1000,
            onProgress: ({ sstsStored, sstsTotal }) => report(sstsStored, sstsTotal),
          }),
        );
        const { checkpoint: replaced, seq, manifestNumber } = result;
        const text = `Restored, as manifest ${manifestNumber} and seq ${seq}. What was there before is checkpoint ${replaced.id}${replaced.name === undefined ? "" : ` ("${replaced.name}")`}.\n`;
        await context.out.write(options.json ? `${JSON.stringify(result)}\n` : text);
      } finally {
        await admin.close();
      }
    });
}
