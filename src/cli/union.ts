/** `moraine union`: one database of several that have no key in common, which shares their objects. */
import type { Command } from "commander";
import { Admin } from "../admin/admin.js";
import { toUrl } from "./arguments.js";
import type { Context } from "./context.js";

export function addUnion(program: Command, context: Context): void {
  program
    .command("union")
    .argument("<target>", "where the union is made: in the same store, and empty", toUrl)
    .argument("<url...>", "databases that have no key in common")
    .description("Makes one database of several, as they are now: they share what is there.")
    .option("--json", "as one JSON object")
    .action(async (target: string, urls: readonly string[], { json }: { json?: boolean }) => {
      const sources = urls.map((url) => ({ location: toUrl(url) }));
      const { signal } = context;
      const result = await Admin.union(target, sources, { ...context.settings(), signal });
      const text = `Joined ${urls.length} databases, as database ${result.databaseId}.\n`;
      await context.out.write(json ? `${JSON.stringify(result)}\n` : text);
    });
}
