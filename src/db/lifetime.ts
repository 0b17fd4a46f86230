/**
 * `Lifetime`: how long a value lives, from options to the time that is stored with its row.
 *
 * Inside it is one number, so that a write carries it without an object: positive is a ttl in ms (`Infinity`: for ever),
 * negative is the time at which it ends, negated, and 0 says nothing. A ttl becomes a time when the write gets its seq.
 */
import { describeType } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";

/**
 * When a value ceases to be. It is seen while the clock of the handle that reads is before that instant; then there is no value, nor any
 * older one. At most one of the two; neither: as the whole write says, and otherwise as `defaultTtlMs` does.
 */
export interface LifetimeOptions {
  /** ms from the write's `createdAt`: a whole number from 1. `Infinity`: it does not expire, whatever the default is. */
  ttlMs?: number | undefined;
  /** ms since 1970: a whole number from 1. One in the past is allowed: the value is never seen, and hides older ones. */
  expiresAt?: number | undefined;
}

export const lifetimeNames = ["ttlMs", "expiresAt"] as const;

/** Nothing is said: 0. Throws `InvalidArgumentError`. */
export function toLifetime(options: LifetimeOptions): number {
  const { ttlMs, expiresAt } = options;
  if (ttlMs === undefined && expiresAt === undefined) return 0;
  if (expiresAt === undefined) {
    requireTtl(ttlMs, "ttlMs");
    return ttlMs!;
  }
  if (ttlMs !== undefined) {
    throw new InvalidArgumentError('Give "ttlMs" or "expiresAt", not both.');
  }
  if (!Number.isSafeInteger(expiresAt) || expiresAt < 1) {
    throw new InvalidArgumentError(
      `"expiresAt" must be a whole number of ms since 1970, from 1, not ${shown(expiresAt)}. Leave it out for a value that does not expire.`,
    );
  }
  return -expiresAt;
}

/** Throws `InvalidArgumentError` for what is neither a ttl nor undefined. */
export function requireTtl(ttlMs: unknown, name: string): void {
  if (ttlMs === undefined || ttlMs === Number.POSITIVE_INFINITY) return;
  if (Number.isSafeInteger(ttlMs) && (ttlMs as number) >= 1) return;
  throw new InvalidArgumentError(
    `"${name}" must be a whole number of ms from 1, or Infinity for what does not expire, not ${shown(ttlMs)}. To remove a value now, delete it.`,
  );
}

/** ms since 1970, as rows store it; 0: never. */
export function expiryOf(lifetime: number, createdAt: number): number {
  if (lifetime < 0) return -lifetime;
  if (lifetime === 0 || lifetime === Number.POSITIVE_INFINITY) return 0;
  return Math.min(createdAt + lifetime, Number.MAX_SAFE_INTEGER);
}

const shown = (value: unknown): string =>
  typeof value === "number" ? String(value) : describeType(value);
