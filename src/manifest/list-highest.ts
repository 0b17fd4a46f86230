/** The highest number of a series, by listing: in any order, and with other objects between. */
import type { ObjectStore } from "../object-store/object-store.js";

export interface ListedSeries {
  readonly store: ObjectStore;
  readonly prefix: string;
  path(number: number): string;
  /** Undefined for other objects. */
  parse(path: string): number | undefined;
}

/** The highest number above `above`, or undefined when there is none. */
export async function listHighest(
  series: ListedSeries,
  above: number,
  signal?: AbortSignal,
): Promise<number | undefined> {
  let highest: number | undefined;
  const after = above > 0 ? series.path(above) : undefined;
  for await (const { key } of series.store.list({ prefix: series.prefix, after, signal })) {
    const number = series.parse(key);
    if (number !== undefined && number > above && number > (highest ?? 0)) highest = number;
  }
  return highest;
}
