/**
 * The newest of a series, from one that is known: the numbers after it until one is absent; after four hits in a row gallop (2, 4, 8 …
 * further, then bisect). Sound while nothing after the known one may have been deleted.
 */
import { CorruptionError } from "../common/errors.js";
import type { Numbered, SeriesObjects } from "./numbered-series.js";

const hitsBeforeGallop = 4;

type Probed<T extends Numbered> = Pick<SeriesObjects<T>, "get" | "path">;

/** The newest at or after `start`. */
export async function probeNewest<T extends Numbered>(
  objects: Probed<T>,
  start: T,
  signal?: AbortSignal,
): Promise<T> {
  let newest = start;
  const take = async (number: number): Promise<boolean> => {
    const found = await objects.get(number, signal);
    if (found === undefined) return false;
    requireSameDatabase(objects, start, found.value);
    if (number > newest.number) newest = found.value;
    return true;
  };
  for (let hits = 0; hits < hitsBeforeGallop; hits++) {
    if (!(await take(newest.number + 1))) return newest;
  }
  let stride = 2;
  while (await take(newest.number + stride)) stride *= 2;
  // `newest` exists and `newest + stride` does not.
  let absent = newest.number + stride;
  while (absent - newest.number > 1) {
    const middle = newest.number + Math.floor((absent - newest.number) / 2);
    if (!(await take(middle))) absent = middle;
  }
  return newest;
}

export function requireSameDatabase<T extends Numbered>(
  objects: Pick<SeriesObjects<T>, "path">,
  expected: T,
  found: T,
): void {
  if (expected.databaseId !== found.databaseId) {
    throw new CorruptionError(
      objects.path(found.number),
      `it belongs to database ${found.databaseId}, not to ${expected.databaseId}`,
    );
  }
}
