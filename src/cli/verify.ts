/** `moraine verify`: whether all that a database needs is there and sound. Exits as for corruption where it is not. */
import type { Command } from "commander";
import { Admin } from "../admin/admin.js";
import type { VerifyReport } from "../admin/verify.js";
import { addUrl } from "./arguments.js";
import type { Context } from "./context.js";
import { count } from "./count.js";
import { exitCodes } from "./exit-code.js";
import { withProgress } from "./progress.js";

interface VerifyArguments {
  deep?: boolean;
  json?: boolean;
}

export function addVerify(program: Command, context: Context): void {
  addUrl(program.command("verify"))
    .description("Checks that everything a database and its checkpoints need is there.")
    .option("--deep", "read everything, and check every byte")
    .option("--json", "as one JSON object")
    .action(async (url: string, { deep, json }: VerifyArguments) => {
      const { err, signal } = context;
      const admin = await Admin.open(url, { ...context.settings(), signal });
      try {
        const about = { label: "verifying", unit: "objects" } as const;
        const report = await withProgress(err, about, (show) =>
          admin.verify({
            ...{ deep, signal },
            onProgress: ({ objects, objectsTotal }) => show(objects, objectsTotal),
          }),
        );
        await context.out.write(json ? `${JSON.stringify(report)}\n` : toText(report));
        if (report.problems.length > 0) context.exitCode = exitCodes.corruption;
      } finally {
        await admin.close();
      }
    });
}

function toText(report: VerifyReport): string {
  const { problems, objects, bytes, checkpoints, orphans, foreign, deep } = report;
  const lines = problems.map(({ object, kind, detail }) => `${kind}: ${object}: ${detail}`);
  lines.push(
    `${deep ? "Read" : "Found"} ${count(objects, "object")} of ${count(bytes, "byte")}, ${count(checkpoints, "checkpoint")} among them: ${problems.length === 0 ? "nothing is wrong" : count(problems.length, "problem")}.`,
  );
  if (orphans !== undefined && orphans.count > 0) {
    lines.push(`Orphans, which "moraine gc --sweep" deletes: ${count(orphans.count)}.`);
  }
  if (foreign.count > 0) lines.push(`Not of this database: ${count(foreign.count)}.`);
  return `${lines.join("\n")}\n`;
}
