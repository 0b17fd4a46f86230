/** `moraine scan`: rows of a range, in order, as a reader; no more is read than somebody takes. */
import type { Command } from "commander";
import type { KeyRange } from "../common/key-range.js";
import { DbReader } from "../db/db-reader.js";
import {
  addMoment,
  addUrl,
  keyEncodingOption,
  type MomentArguments,
  momentOf,
  wholeNumber,
} from "./arguments.js";
import type { Context } from "./context.js";
import { jsonBytes, parseBytes, showBytes, type TextEncoding } from "./encoding.js";

const boundNames = ["prefix", "gt", "gte", "lt", "lte"] as const;

type ScanArguments = MomentArguments & { [name in (typeof boundNames)[number]]?: string } & {
  reverse?: boolean;
  limit?: number;
  keysOnly?: boolean;
  json?: boolean;
  keyEncoding: TextEncoding;
};

/** Lines are collected up to this many characters, so that small rows do not cost a system call each. */
const chunkCharacters = 32 * 1024;

export function addScan(program: Command, context: Context): void {
  addMoment(addUrl(program.command("scan")))
    .description("Prints rows in the order of their keys, one a line: the key, a tab, the value.")
    .option("--prefix <key>", "keys that begin with this")
    .option("--gt <key>", "keys after this")
    .option("--gte <key>", "keys from this on")
    .option("--lt <key>", "keys before this")
    .option("--lte <key>", "keys up to this")
    .option("--reverse", "from the last key to the first")
    .option("--limit <rows>", "at most this many", wholeNumber)
    .option("--keys-only", "no values")
    .option("--json", "a JSON object a line; bytes that are no UTF-8 are keyBase64 or valueBase64")
    .addOption(keyEncodingOption())
    .action((url: string, options: ScanArguments) => scan(context, url, options));
}

async function scan(context: Context, url: string, options: ScanArguments): Promise<void> {
  const { signal } = context;
  const range = toRange(options);
  const reader = await DbReader.open(url, { ...context.settings(), ...momentOf(options), signal });
  try {
    const { reverse, limit, keysOnly } = options;
    const request = { ...range, reverse, limit, signal };
    const rows = keysOnly === true ? reader.keys(request) : reader.scan(request);
    let chunk = "";
    for await (const row of rows) {
      const key = row instanceof Uint8Array ? row : row.key;
      const value = row instanceof Uint8Array ? undefined : row.value;
      chunk += options.json === true ? jsonLine(key, value) : textLine(key, value);
      if (chunk.length < chunkCharacters) continue;
      await context.out.write(chunk);
      chunk = "";
    }
    await context.out.write(chunk);
  } finally {
    await reader.close();
  }
}

function toRange(options: ScanArguments): KeyRange {
  const range: KeyRange = {};
  for (const name of boundNames) {
    const text = options[name];
    if (text !== undefined) range[name] = parseBytes(text, options.keyEncoding, `bound "${name}"`);
  }
  return range;
}

function jsonLine(key: Uint8Array, value: Uint8Array | undefined): string {
  const row = { ...jsonBytes("key", key), ...(value && jsonBytes("value", value)) };
  return `${JSON.stringify(row)}\n`;
}

function textLine(key: Uint8Array, value: Uint8Array | undefined): string {
  return value === undefined ? `${showBytes(key)}\n` : `${showBytes(key)}\t${showBytes(value)}\n`;
}
