/** `moraine clone`: a database at another path that begins as this one is, or with a part of its keys, and shares its objects. */
import type { Command } from "commander";
import { Admin } from "../admin/admin.js";
import type { KeyRange } from "../common/key-range.js";
import { addUrl, keyEncodingOption, toUrl } from "./arguments.js";
import type { Context } from "./context.js";
import { parseBytes, type TextEncoding } from "./encoding.js";

interface CloneArguments {
  checkpoint?: string;
  from?: string;
  to?: string;
  keyEncoding: TextEncoding;
  json?: boolean;
}

export function addClone(program: Command, context: Context): void {
  addUrl(program.command("clone"))
    .argument("<target>", "where the clone is made: in the same store, and empty", toUrl)
    .description("Makes another database of this one, at once: they share what is there now.")
    .option("--checkpoint <checkpoint>", "id or name of the checkpoint (what is durable now)")
    .option("--from <key>", "only keys from this on")
    .option("--to <key>", "only keys before this")
    .addOption(keyEncodingOption())
    .option("--json", "as one JSON object")
    .action(async (url: string, target: string, options: CloneArguments) => {
      const { signal } = context;
      const { checkpoint, json } = options;
      const range = toRange(options);
      const admin = await Admin.open(url, { ...context.settings(), signal });
      try {
        const result = await admin.clone(target, { checkpoint, range, signal });
        const text = `Cloned up to seq ${result.seq}, as database ${result.databaseId}.\n`;
        await context.out.write(json ? `${JSON.stringify(result)}\n` : text);
      } finally {
        await admin.close();
      }
    });
}

function toRange({ from, to, keyEncoding }: CloneArguments): KeyRange | undefined {
  if (from === undefined && to === undefined) return undefined;
  const bound = (text: string | undefined, name: string): Uint8Array | undefined =>
    text === undefined ? undefined : parseBytes(text, keyEncoding, `bound "${name}"`);
  return { gte: bound(from, "from"), lt: bound(to, "to") };
}
