/** `moraine put`: writes one key, with the value from an argument, a file or the standard input. */
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { type Command, Option } from "commander";
import { type Bytes, concatBytes, valueBytesMax } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import { addUrl, keyEncodingOption } from "./arguments.js";
import type { Context } from "./context.js";
import { parseBytes, type TextEncoding, textEncodings } from "./encoding.js";
import { withWriter } from "./with-writer.js";

interface PutOptions {
  file?: string;
  keyEncoding: TextEncoding;
  valueEncoding: TextEncoding;
  create: boolean;
}

export function addPut(program: Command, context: Context): void {
  addUrl(program.command("put"))
    .description(
      "Writes a key, and makes the database where there is none. It opens the database for writing, which ends any other writer.",
    )
    .argument("<key>")
    .argument("[value]", "the standard input when neither this nor --file is given")
    .option("--file <path>", 'the value is what is in this file; "-" is the standard input')
    .option("--no-create", "refuse where there is no database")
    .addOption(keyEncodingOption())
    .addOption(
      new Option("--value-encoding <encoding>", "what the value argument is given in")
        .choices(textEncodings)
        .default("utf8"),
    )
    .action(
      async (url: string, keyText: string, valueText: string | undefined, options: PutOptions) => {
        const key = parseBytes(keyText, options.keyEncoding, "key");
        const value = await readValue(context, valueText, options);
        const create = options.create ? "if-missing" : "never";
        await withWriter(context, url, create, (db) =>
          db.put(key, value, { signal: context.signal }),
        );
      },
    );
}

async function readValue(
  context: Context,
  valueText: string | undefined,
  options: PutOptions,
): Promise<Bytes> {
  if (valueText !== undefined) {
    if (options.file !== undefined) {
      throw new InvalidArgumentError("Give the value as an argument or as --file, not both.");
    }
    return parseBytes(valueText, options.valueEncoding, "value");
  }
  if (options.file === undefined || options.file === "-") return readAll(context.stdin, context);
  try {
    return await readAll(createReadStream(options.file), context);
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    throw new InvalidArgumentError(`The file cannot be read: ${error.message}.`, { cause: error });
  }
}

/** Before the database is opened: a value that comes slowly must not end another writer early. */
async function readAll(source: Readable, context: Context): Promise<Bytes> {
  const onAbort = (): void => void source.destroy(context.signal.reason);
  context.signal.addEventListener("abort", onAbort, { once: true });
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    context.signal.throwIfAborted();
    for await (const part of source as AsyncIterable<Uint8Array>) {
      length += part.length;
      if (length > valueBytesMax) {
        throw new InvalidArgumentError(`A value has at most ${valueBytesMax} bytes.`);
      }
      parts.push(part);
    }
  } finally {
    context.signal.removeEventListener("abort", onAbort);
  }
  return concatBytes(parts);
}
