/** What the program says of an error, in one line, and the exit code of each kind. */
import { type ErrorKind, FencedError, isMoraineError, messageOf } from "../common/errors.js";

/** `get` of a key that is not there. */
export const absentExitCode = 1;
export const usageExitCode = 2;
export const interruptedExitCode = 130;

/** Scripts rely on them: never change one. README.md has the same table. */
export const exitCodes: Readonly<Record<ErrorKind, number>> = {
  invalid: usageExitCode,
  "not-found": 3,
  denied: 4,
  unavailable: 5,
  fenced: 6,
  closed: 7,
  conflict: 8,
  exists: 9,
  gone: 10,
  corruption: 11,
  unsupported: 12,
  unknown: 13,
  internal: 70,
};

/** What to do, where messages tend not to say it. */
const advice: Readonly<Record<ErrorKind, string>> = {
  invalid: 'See "moraine help".',
  "not-found": "Check the URL.",
  denied: "Check the credentials and the permissions in docs/protocol.md.",
  unavailable: "Try again; --timeout waits longer.",
  fenced: "Another writer has the database now; leave it to that one, or run the command again.",
  closed: "Run the command again.",
  conflict: "Run the command again.",
  exists: "Choose another name.",
  gone: "Run the command again.",
  corruption: "Do not write to it. Compare the object with a copy, and see docs/errors.md.",
  unsupported: "See docs/errors.md.",
  unknown: "Read the key back to learn whether the write has happened.",
  internal: "This is a defect of Moraine: please report it, with the output of --verbose.",
};

export function exitCodeOf(error: unknown): number {
  return exitCodes[isMoraineError(error) ? error.kind : "internal"];
}

/** `moraine: kind: message advice`, on one line whatever the message holds; with `verbose` the stack follows. */
export function describeError(error: unknown, verbose: boolean): string {
  const kind = isMoraineError(error) ? error.kind : "internal";
  const sentence = messageOf(error)
    .replace(/\s+/g, " ")
    .trim()
    .replace(/[^.!?]$/, "$&.");
  const epochs =
    error instanceof FencedError && error.seenEpoch !== undefined
      ? ` (epoch ${error.ownEpoch}, now ${error.seenEpoch})`
      : "";
  const line = `moraine: ${kind}: ${sentence}${epochs} ${advice[kind]}\n`;
  return verbose ? `${line}${stacks(error)}\n` : line;
}

/** The stack of the error and those of its causes. */
function stacks(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by: ${stacks(error.cause)}`;
}
