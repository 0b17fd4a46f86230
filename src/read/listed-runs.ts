/**
 * Runs whose lists stand in objects of their own: which SSTs of them a read of one key or of some keys looks into, from memory or with the
 * requests that it takes. A read that waits is made of a view in which such runs have the SSTs of its keys, as if they stood in the manifest.
 */
import { compareBytes } from "../common/bytes.js";
import { type KeyBounds, overlaps } from "../common/key-range.js";
import type { SortedRun, SstInfo } from "../format/manifest.js";
import { type OpenList, type PartOfRun, partAt, type RunLists } from "../sst/run-lists.js";
import type { StoredView } from "./candidates.js";
import { spanHolding } from "./stored-range-deletes.js";

/** How many parts of lists one call holds at a time: with some 400 KiB each in memory, 25 MiB. */
const partsMax = 64;

export const isListed = ({ listBytes }: SortedRun): boolean => listBytes !== 0;

export function hasListed({ manifest }: StoredView): boolean {
  for (const { listBytes } of manifest.runs) if (listBytes !== 0) return true;
  return false;
}

/** True when the list of a run may name an SST that has the key, or a range delete that covers it. */
export function mayHold(run: SortedRun, key: Uint8Array): boolean {
  if (compareBytes(run.firstKey, key) <= 0 && compareBytes(run.lastKey, key) >= 0) return true;
  return run.rangeDeletes.length > 0 && spanHolding(run, key) !== undefined;
}

const none: PartOfRun = { ssts: [], holders: [] };

/** The SSTs of a run that may have the key, or a range delete that covers it, if its list is in memory as far as that takes. */
export function listedIfLoaded(
  run: SortedRun,
  lists: RunLists,
  key: Uint8Array,
): PartOfRun | undefined {
  if (!mayHold(run, key)) return none;
  const list = lists.getIfOpen(run);
  if (list === undefined) return undefined;
  const number = partAt(list, key);
  const part = lists.getIfLoaded(list, number);
  if (part === undefined) return undefined;
  if (run.rangeDeletes.length === 0) return part;
  let all = part;
  for (const neighbour of neighboursAt(list, number, part, key)) {
    const beside = lists.getIfLoaded(list, neighbour);
    if (beside === undefined) return undefined;
    all = neighbour < number ? join(beside, all) : join(all, beside);
  }
  return all;
}

/** The same with the requests that it takes. Rejects as `RunLists.open` does. */
export async function loadListed(
  run: SortedRun,
  lists: RunLists,
  key: Uint8Array,
  signal?: AbortSignal,
): Promise<PartOfRun> {
  if (!mayHold(run, key)) return none;
  const list = await lists.open(run, signal);
  const number = partAt(list, key);
  const part = await lists.load(list, number, signal);
  if (run.rangeDeletes.length === 0) return part;
  const neighbours = neighboursAt(list, number, part, key);
  const loaded = await Promise.all(neighbours.map((n) => lists.load(list, n, signal)));
  return loaded.reduce(
    (all, beside, i) => (neighbours[i]! < number ? join(beside, all) : join(all, beside)),
    part,
  );
}

/**
 * The parts beside one that may have a range delete over a key of it. Where spans are not exact they reach farther than range deletes do, so
 * what is known of a range delete between two SSTs does not always say which of them has it.
 */
function neighboursAt(
  { parts }: OpenList,
  number: number,
  { ssts }: PartOfRun,
  key: Uint8Array,
): number[] {
  const neighbours: number[] = [];
  const isBefore = compareBytes(key, ssts[0]!.firstKey) < 0;
  if (isBefore && parts[number - 1]?.hasRangeDeletes) neighbours.push(number - 1);
  const isBehind = compareBytes(key, ssts[ssts.length - 1]!.lastKey) > 0;
  if (isBehind && parts[number + 1]?.hasRangeDeletes) neighbours.push(number + 1);
  return neighbours;
}

function join(a: PartOfRun, b: PartOfRun): PartOfRun {
  return { ssts: [...a.ssts, ...b.ssts], holders: [...a.holders, ...b.holders] };
}

/** The view for a read of one key, if that takes no request; undefined when it does. */
export function listedViewIfLoaded<V extends StoredView>(
  view: V,
  lists: RunLists,
  key: Uint8Array,
): V | undefined {
  if (!hasListed(view)) return view;
  const runs: SortedRun[] = [];
  for (const run of view.manifest.runs) {
    const part = isListed(run) ? listedIfLoaded(run, lists, key) : undefined;
    if (part === undefined && isListed(run)) return undefined;
    runs.push(part === undefined ? run : withSsts(run, part.ssts));
  }
  return { ...view, manifest: { ...view.manifest, runs } };
}

/** The view for a read of one key. */
export async function listedView<V extends StoredView>(
  view: V,
  lists: RunLists,
  key: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<V> {
  if (!hasListed(view)) return view;
  const load = async (run: SortedRun): Promise<SortedRun> =>
    isListed(run) ? withSsts(run, (await loadListed(run, lists, key, signal)).ssts) : run;
  const runs = await Promise.all(view.manifest.runs.map(load));
  return { ...view, manifest: { ...view.manifest, runs } };
}

/** The view without the runs whose lists are not in it: what can be asked at once. */
export function unlistedView<V extends StoredView>(view: V): V {
  const runs = view.manifest.runs.filter((run) => !isListed(run));
  return { ...view, manifest: { ...view.manifest, runs } };
}

export interface ListedSlice<V> {
  readonly view: V;
  /** The index of the first key that the view is not for. */
  readonly end: number;
}

/** The view for reads of the sorted keys from `from` on, of as many as there is room for: at least one. */
export async function listedViewOf<V extends StoredView>(
  view: V,
  lists: RunLists,
  keys: readonly Uint8Array[],
  from: number,
  signal: AbortSignal | undefined,
): Promise<ListedSlice<V>> {
  const { runs } = view.manifest;
  const listed = runs.filter(isListed);
  if (listed.length === 0) return { view, end: keys.length };
  const wanted = listed.filter((run) => keys.some((key) => mayHold(run, key)));
  const opened = await Promise.all(wanted.map((run) => lists.open(run, signal)));
  const numbers = opened.map(() => new Set<number>());
  let end = from;
  for (let count = 0; end < keys.length && (end === from || count < partsMax); end++) {
    const key = keys[end]!;
    for (const [i, list] of opened.entries()) {
      const run = wanted[i]!;
      if (!mayHold(run, key)) continue;
      const number = partAt(list, key);
      // Whether the key is at an edge of its part is not known yet.
      const isCovered = run.rangeDeletes.length > 0;
      for (let n = number - 1; n <= number + 1; n++) {
        const part = list.parts[n];
        if (part === undefined || (n !== number && !(isCovered && part.hasRangeDeletes))) continue;
        if (!numbers[i]!.has(n)) count++;
        numbers[i]!.add(n);
      }
    }
  }
  const ssts = new Map<SortedRun, readonly SstInfo[]>();
  await Promise.all(
    opened.map(async (list, i) => {
      const inOrder = [...numbers[i]!].sort((a, b) => a - b);
      const parts = await Promise.all(inOrder.map((n) => lists.load(list, n, signal)));
      const all = parts.flatMap((part) => part.ssts);
      ssts.set(wanted[i]!, all);
    }),
  );
  const resolved = runs.map((run) => (isListed(run) ? withSsts(run, ssts.get(run) ?? []) : run));
  return { view: { ...view, manifest: { ...view.manifest, runs: resolved } }, end };
}

/** The parts of a list that may have keys from `lower` up to `upper`; undefined: there is no such bound. */
export function partsWithin(
  list: OpenList,
  lower: Uint8Array | undefined,
  upper: Uint8Array | undefined,
): { readonly first: number; readonly last: number } {
  return {
    first: lower === undefined ? 0 : partAt(list, lower),
    last: upper === undefined ? list.parts.length - 1 : partAt(list, upper),
  };
}

/** The parts of a run that may have keys inside the bounds, one after another. */
export async function* partsOf(
  run: SortedRun,
  lists: RunLists,
  bounds: KeyBounds,
  signal: AbortSignal | undefined,
): AsyncGenerator<PartOfRun, void, undefined> {
  if (!overlaps(bounds, run.firstKey, run.lastKey)) return;
  const list = await lists.open(run, signal);
  const { first, last } = partsWithin(list, bounds.lower, bounds.upper);
  for (let number = first; number <= last; number++) yield lists.load(list, number, signal);
}

function withSsts(run: SortedRun, ssts: readonly SstInfo[]): SortedRun {
  return { ...run, ssts, listBytes: 0 };
}
