/** `moraine destroy`: ends a database and deletes its objects. */
import type { Command } from "commander";
import { Admin } from "../admin/admin.js";
import type { DestroyResult } from "../admin/destroy.js";
import { addUrl } from "./arguments.js";
import type { Context } from "./context.js";
import { count } from "./count.js";
import { notReleasedText } from "./not-released.js";
import { withProgress } from "./progress.js";

interface DestroyArguments {
  confirm: string;
  force?: boolean;
  json?: boolean;
}

export function addDestroy(program: Command, context: Context): void {
  addUrl(program.command("destroy"))
    .description("Ends a database and deletes its objects, for good. Nothing else is deleted.")
    .requiredOption("--confirm <id>", "the id of the database, or its path in the store")
    .option("--force", "also when clones of it are not found where they were made: they are gone")
    .option("--json", "as one JSON object")
    .action(async (url: string, { confirm, force, json }: DestroyArguments) => {
      const { err, signal } = context;
      const admin = await Admin.open(url, { ...context.settings(), signal });
      try {
        const about = { label: "destroying", unit: "objects" } as const;
        const result = await withProgress(err, about, (report) =>
          admin.destroy({
            ...{ confirm, force, signal },
            onProgress: ({ deleted, objects }) => report(deleted, objects),
          }),
        );
        await context.out.write(json ? `${JSON.stringify(result)}\n` : toText(result));
      } finally {
        await admin.close();
      }
    });
}

function toText({ deleted, kept, foreignCount, databaseId, notReleased }: DestroyResult): string {
  const { bytes, ...kinds } = deleted;
  const objects = Object.values(kinds).reduce((sum, some) => sum + some, 0);
  const left = Object.values(kept).reduce((sum, some) => sum + some, 0);
  const lines = [
    `Database ${databaseId} is destroyed: ${count(objects, "object")} of ${count(bytes, "byte")} ${objects === 1 ? "is" : "are"} deleted.`,
    `Its end stays, ${count(left, "small object")}, so that nobody takes a later database at this path for it.`,
  ];
  if (foreignCount > 0) lines.push(`Not of this database, and left alone: ${count(foreignCount)}.`);
  return `${lines.join("\n")}\n${notReleasedText(notReleased)}`;
}
