/** Options of calls that make checkpoints, and their checks. */
import { InvalidArgumentError } from "../common/errors.js";
import {
  checkOptions,
  requireBoolean,
  requireInteger,
  requireOneOf,
  requireSignal,
} from "../common/options.js";
import type { CheckpointRetention, KeepByAge } from "../manifest/checkpoint-retention.js";

export interface NewCheckpointOptions {
  /** 1 to 256 characters, unique among the checkpoints that are listed. Default: none. */
  name?: string | undefined;
  /** How long it is kept, in ms, from 1; default: until it is ended. */
  ttlMs?: number | undefined;
  /** Id or name of a checkpoint to make another one of, of the same state; instead of a scope. Default: none. */
  source?: string | undefined;
  /** Id or name of a checkpoint that stays for as long as this one, even when it has ended. Default: none. */
  base?: string | undefined;
  /** Policies leave it alone. Default: false. */
  retained?: boolean | undefined;
  /** Which of all checkpoints are kept, decided in the commit that adds this one. Default: the handle's `checkpointRetention`. */
  retention?: CheckpointRetention | undefined;
  /** Aborted before its commit is sent, leaves no trace of it; after that only the waiting ends. */
  signal?: AbortSignal | undefined;
}

export interface CheckpointOptions extends NewCheckpointOptions {
  /**
   * `"all"` (the default): everything accepted before the call, which is brought to L0. `"durable"`: everything that is durable; what is not in
   * L0 yet stays in the write-ahead log for as long as the checkpoint is there. Without a log that is what L0 has.
   */
  scope?: "all" | "durable" | undefined;
}

export interface CheckedCheckpoint<Scope extends string> {
  /** The first one where none is given. */
  readonly scope: Scope;
  /** Empty: none. */
  readonly name: string;
  /** 0: it does not expire. */
  readonly ttlMs: number;
  /** Empty: none. */
  readonly source: string;
  /** Empty: none. */
  readonly base: string;
  readonly retained: boolean;
  readonly retention: CheckpointRetention | undefined;
}

export const checkpointOptionNames = [
  "scope",
  "name",
  "ttlMs",
  "source",
  "base",
  "retained",
  "retention",
  "signal",
] as const;

/** The names of the options are checked before. `scopes`: what there is to choose from, the default first. */
export function checkCheckpointOptions<Scope extends string>(
  options: (NewCheckpointOptions & { scope?: Scope | undefined }) | undefined,
  scopes: readonly [Scope, ...Scope[]],
): CheckedCheckpoint<Scope> {
  const { scope, name, ttlMs, source, base, retained, retention, signal } = options ?? {};
  requireOneOf(scope, "scope", scopes);
  requireInteger(ttlMs, "ttlMs", 1, Number.MAX_SAFE_INTEGER);
  requireBoolean(retained, "retained");
  requireSignal(signal);
  if (source !== undefined && scope !== undefined) {
    throw new InvalidArgumentError(
      'Give "scope" or "source", not both: a copy has in it what its source has.',
    );
  }
  return {
    ...{ scope: scope ?? scopes[0], ttlMs: ttlMs ?? 0, retained: retained ?? false },
    name: optionalName(name, "name"),
    source: optionalName(source, "source"),
    base: optionalName(base, "base"),
    retention: toRetention(retention, "retention"),
  };
}

function optionalName(value: unknown, what: string): string {
  if (value === undefined) return "";
  requireCheckpointName(value, what);
  return value;
}

/** Throws `InvalidArgumentError` for what can be neither the name nor the id of a checkpoint. */
export function requireCheckpointName(value: unknown, what: string): asserts value is string {
  if (typeof value === "string" && value.length >= 1 && value.length <= 256) return;
  throw new InvalidArgumentError(`"${what}" must be a string of 1 to 256 characters.`);
}

const rulesMax = 16;

/** A copy: what the caller does to the object later changes nothing. */
export function toRetention(value: unknown, what: string): CheckpointRetention | undefined {
  if (value === undefined) return undefined;
  checkOptions(value, ["keepNewest", "keepByAge"], what);
  const { keepNewest, keepByAge } = value as CheckpointRetention;
  requireInteger(keepNewest, `${what}.keepNewest`, 1, Number.MAX_SAFE_INTEGER);
  if (keepByAge !== undefined && (!Array.isArray(keepByAge) || keepByAge.length > rulesMax)) {
    throw new InvalidArgumentError(
      `"${what}.keepByAge" must be an array of at most ${rulesMax} rules { everyMs, forMs }.`,
    );
  }
  return { keepNewest, keepByAge: keepByAge?.map((rule) => toRule(rule, `${what}.keepByAge`)) };
}

function toRule(rule: unknown, what: string): KeepByAge {
  if (rule === undefined) throw new InvalidArgumentError(`A rule of "${what}" is undefined.`);
  checkOptions(rule, ["everyMs", "forMs"], what);
  const { everyMs, forMs } = rule as KeepByAge;
  if (everyMs === undefined || forMs === undefined) {
    throw new InvalidArgumentError(`A rule of "${what}" needs both "everyMs" and "forMs".`);
  }
  requireInteger(everyMs, `${what}.everyMs`, 1, Number.MAX_SAFE_INTEGER);
  requireInteger(forMs, `${what}.forMs`, 1, Number.MAX_SAFE_INTEGER);
  return { everyMs, forMs };
}
