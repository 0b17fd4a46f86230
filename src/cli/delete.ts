/** `moraine delete`: deletes keys, all of them or none. */
import type { Command } from "commander";
import { addUrl, keyEncodingOption } from "./arguments.js";
import type { Context } from "./context.js";
import { parseBytes, type TextEncoding } from "./encoding.js";
import { withWriter } from "./with-writer.js";

export function addDelete(program: Command, context: Context): void {
  addUrl(program.command("delete"))
    .description(
      "Deletes keys, in one batch; keys that are not there are fine. It opens the database for writing, which ends any other writer.",
    )
    .argument("<key...>")
    .addOption(keyEncodingOption())
    .action(async (url: string, keyTexts: string[], options: { keyEncoding: TextEncoding }) => {
      const keys = keyTexts.map((text) => parseBytes(text, options.keyEncoding, "key"));
      await withWriter(context, url, "never", (db) => {
        const batch = db.batch();
        for (const key of keys) batch.delete(key);
        return db.write(batch, { signal: context.signal });
      });
    });
}
