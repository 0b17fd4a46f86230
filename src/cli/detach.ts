/** `moraine detach`: a clone copies what it shares, and lets go of those that it was made from. */
import type { Command } from "commander";
import { Admin } from "../admin/admin.js";
import { addUrl, wholeNumber } from "./arguments.js";
import type { Context } from "./context.js";
import { count } from "./count.js";
import { notReleasedText } from "./not-released.js";
import { withProgress } from "./progress.js";

interface DetachArguments {
  copies?: number;
  force?: boolean;
  json?: boolean;
}

export function addDetach(program: Command, context: Context): void {
  addUrl(program.command("detach"))
    .description("Copies what a clone shares with others to its own path. Then they may go.")
    .option("--copies <count>", "objects that are copied at once (8)", wholeNumber)
    .option("--force", "lets go of databases that are not found too: they are gone")
    .option("--json", "as one JSON object")
    .action(async (url: string, { copies, force, json }: DetachArguments) => {
      const { err, signal } = context;
      const admin = await Admin.open(url, { ...context.settings(), signal });
      try {
        const about = { label: "copying", unit: "bytes" } as const;
        const result = await withProgress(err, about, (report) =>
          admin.detach({
            ...{ copiesInFlight: copies, force, signal },
            onProgress: ({ copiedBytes, bytes }) => report(copiedBytes, bytes),
          }),
        );
        const { copiedFiles, copiedBytes, notReleased } = result;
        const text = `Copied ${count(copiedFiles, "object")} of ${count(copiedBytes, "byte")}. It shares nothing any more.\n`;
        const all = text + notReleasedText(notReleased);
        await context.out.write(json ? `${JSON.stringify(result)}\n` : all);
      } finally {
        await admin.close();
      }
    });
}
