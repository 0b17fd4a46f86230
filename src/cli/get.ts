/** `moraine get`: the value of one key, as a reader. */
import { type Command, Option } from "commander";
import type { Entry } from "../common/row.js";
import { DbReader } from "../db/db-reader.js";
import {
  addMoment,
  addUrl,
  keyEncodingOption,
  type MomentArguments,
  momentOf,
} from "./arguments.js";
import type { Context } from "./context.js";
import { formatBytes, jsonBytes, parseBytes, showBytes, type TextEncoding } from "./encoding.js";
import { absentExitCode } from "./exit-code.js";

type ValueFormat = "raw" | "json" | TextEncoding;

export function addGet(program: Command, context: Context): void {
  addMoment(addUrl(program.command("get")))
    .description("Prints the value of a key. Exits with 1 when there is none.")
    .argument("<key>")
    .addOption(keyEncodingOption())
    .addOption(
      new Option(
        "--encoding <encoding>",
        "how the value is printed; raw: its very bytes, json: with key, seq and times",
      )
        .choices(["raw", "utf8", "hex", "base64", "json"])
        .default("raw"),
    )
    .action(
      async (
        url: string,
        keyText: string,
        options: MomentArguments & { keyEncoding: TextEncoding; encoding: ValueFormat },
      ) => {
        const key = parseBytes(keyText, options.keyEncoding, "key");
        const entry = await readEntry(context, url, key, options);
        if (entry !== undefined) return context.out.write(format(entry, options.encoding));
        context.exitCode = absentExitCode;
        context.err.write(`moraine: The key "${showBytes(key)}" is not in the database.\n`);
      },
    );
}

async function readEntry(
  context: Context,
  url: string,
  key: Uint8Array,
  moment: MomentArguments,
): Promise<Entry | undefined> {
  const { signal } = context;
  const reader = await DbReader.open(url, { ...context.settings(), ...momentOf(moment), signal });
  try {
    return await reader.getEntry(key, { signal });
  } finally {
    await reader.close();
  }
}

function format(entry: Entry, encoding: ValueFormat): string | Uint8Array {
  if (encoding === "raw") return entry.value;
  if (encoding !== "json") return `${formatBytes(entry.value, encoding, "value")}\n`;
  const { key, value, ...about } = entry;
  return `${JSON.stringify({ ...jsonBytes("key", key), ...jsonBytes("value", value), ...about })}\n`;
}
