/** Options objects: unknown names are refused with the nearest known one, so that a typing error never passes silently. */
import { describeType } from "./bytes.js";
import { InvalidArgumentError } from "./errors.js";

/**
 * Throws `InvalidArgumentError` unless `options` is undefined or a plain object with known names only. `elsewhere` knows other names: the
 * error for those says where they belong, since the nearest known one would be no help.
 */
export function checkOptions(
  options: unknown,
  known: readonly string[],
  what: string,
  elsewhere?: { readonly names: readonly string[]; readonly what: string },
): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new InvalidArgumentError(
      `The options of ${what} must be an object, not ${describeType(options)}.`,
    );
  }
  // Without an array of the names: every write and read comes by here.
  for (const name in options) {
    if (known.includes(name) || !Object.hasOwn(options, name)) continue;
    if (elsewhere?.names.includes(name)) {
      throw new InvalidArgumentError(
        `${what} has no option "${name}": it is an option of ${elsewhere.what} only.`,
      );
    }
    const nearest = suggestion(name, known);
    throw new InvalidArgumentError(
      `${what} has no option "${name}".${nearest === undefined ? ` It takes ${known.join(", ")}.` : ` Did you mean "${nearest}"?`}`,
    );
  }
}

/** A plain object as it is now, for a call that waits before it looks at it; anything else as it is. */
export function asOfNow<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  return Object.getPrototypeOf(value) === Object.prototype ? { ...value } : value;
}

/** The known name with the least edit distance, if it is near enough to be what was meant. */
export function suggestion(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein distance, by rows. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      current[j] = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + change);
    }
    previous = current;
  }
  return previous[b.length]!;
}

export function requireBoolean(value: unknown, name: string): void {
  if (value !== undefined && typeof value !== "boolean") {
    throw new InvalidArgumentError(`"${name}" must be true or false, not ${describeType(value)}.`);
  }
}

export function requireFunction(value: unknown, name: string): void {
  if (value !== undefined && typeof value !== "function") {
    throw new InvalidArgumentError(`"${name}" must be a function, not ${describeType(value)}.`);
  }
}

export function requireSignal(value: unknown): void {
  if (value === undefined) return;
  const signal = value as Partial<AbortSignal> | null;
  if (typeof signal !== "object" || signal === null || typeof signal.aborted !== "boolean") {
    throw new InvalidArgumentError(`"signal" must be an AbortSignal, not ${describeType(value)}.`);
  }
}

/** An integer within bounds, or one of `also`. */
export function requireInteger(value: unknown, name: string, min: number, max: number): void {
  if (value === undefined) return;
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
    throw new InvalidArgumentError(
      `"${name}" must be a whole number from ${min} to ${max}, not ${typeof value === "number" ? value : describeType(value)}.`,
    );
  }
}

export function requireOneOf(value: unknown, name: string, choices: readonly string[]): void {
  if (value !== undefined && !choices.includes(value as string)) {
    throw new InvalidArgumentError(
      `"${name}" must be ${choices.map((choice) => `"${choice}"`).join(" or ")}, not ${typeof value === "string" ? `"${value}"` : describeType(value)}.`,
    );
  }
}
