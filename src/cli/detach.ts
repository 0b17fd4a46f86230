/** `moraine detach`: a clone copies what it shares, and lets go of those that it was made from. */
import type { Command } from "commander";
import { Admin } from "../admin/admin.js";
import { addUrl, wholeNumber } from "./arguments.js";
import type { Context } from "./context.js";
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
        const count = (value: number): string => value.toLocaleString("en");
        const text = `Copied ${count(copiedFiles)} objects of ${count(copiedBytes)} bytes. It shares nothing any more.\n`;
        const all = text + notReleasedText(notReleased);
        await context.out.write(json ? `${JSON.stringify(result)}\n` : all);
      } finally {
        await admin.close();
      }
    });
}

/** What a clone still holds elsewhere. Empty: nothing. */
export function notReleasedText(paths: readonly string[]): string {
  if (paths.length === 0) return "";
  const shown = paths.slice(0, 10).map((path) => `"${path}"`);
  return `Not found, and so not told that its objects are needed no more: ${shown.join(", ")}. Repeat this where it can be reached, or with --force when it is gone.\n`;
}
