/** Runs the program in this process, with streams that are kept. */
import { Readable, Writable } from "node:stream";
import { type CliIo, run } from "../../../src/cli/run.js";

export interface CliResult {
  code: number;
  /** What was printed, as text and as bytes. */
  stdout: string;
  bytes: Uint8Array;
  stderr: string;
}

export async function cli(argv: readonly string[], io: Partial<CliIo> = {}): Promise<CliResult> {
  const out: Uint8Array[] = [];
  const err: Uint8Array[] = [];
  const code = await run(argv, {
    stdin: Readable.from([]),
    stdout: collecting(out),
    stderr: collecting(err),
    signal: new AbortController().signal,
    ...io,
  });
  const bytes = Buffer.concat(out);
  return { code, stdout: bytes.toString(), bytes, stderr: Buffer.concat(err).toString() };
}

function collecting(parts: Uint8Array[]): Writable {
  return new Writable({
    write(part: Uint8Array, _encoding, done) {
      parts.push(part);
      done();
    },
  });
}
