/** The options of a strategy as a table of numbers, as settings are: with bounds, default and reason. */
import { InvalidArgumentError } from "../common/errors.js";
import { checkOptions } from "../common/options.js";

export interface StrategyOption {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** True where fractions and `Infinity` are allowed. */
  readonly real?: boolean;
  readonly reason: string;
}

export type StrategyOptionTable<Name extends string> = Readonly<Record<Name, StrategyOption>>;
export type StrategyOptions<Name extends string> = { readonly [name in Name]?: number | undefined };

/** The table's defaults with the given values in their place. Throws `InvalidArgumentError`. */
export function toStrategyOptions<Name extends string>(
  table: StrategyOptionTable<Name>,
  given: StrategyOptions<Name>,
  what: string,
): Readonly<Record<Name, number>> {
  const names = Object.keys(table) as Name[];
  checkOptions(given, names, what);
  const values: Partial<Record<Name, number>> = {};
  for (const name of names) {
    const { default: usual, min, max, real = false, reason } = table[name];
    const value: unknown = given[name] ?? usual;
    const fits = typeof value === "number" && (real || Number.isInteger(value));
    if (!fits || !(value >= min && value <= max)) {
      throw new InvalidArgumentError(
        `"${name}" of ${what} must be a ${real ? "number" : "whole number"} from ${min} to ${max}, not ${String(value)}. ${reason}`,
      );
    }
    values[name] = value;
  }
  return values as Readonly<Record<Name, number>>;
}
