/** `Context`: what a command of the program is run with. */
import type { Readable, Writable } from "node:stream";
import type { ReaderSettingsOptions } from "../db/settings.js";
import type { Output } from "./output.js";

/** The program's surroundings; a test passes its own. */
export interface CliIo {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Aborted when the user interrupts. */
  readonly signal: AbortSignal;
}

export interface Context {
  readonly stdin: Readable;
  readonly out: Output;
  readonly err: Writable;
  readonly signal: AbortSignal;
  /** Settings that options of the program have changed, for any handle. */
  readonly settings: () => ReaderSettingsOptions;
  /** What the program exits with when nothing fails. */
  exitCode: number;
}
