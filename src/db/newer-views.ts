/**
 * `NewerViews`: what a read goes on with that finds an object of its view gone.
 *
 * Objects are deleted when the newest manifest has not named them for a while, so the newest manifest is looked for. If it still names the
 * object, that is damage. Otherwise it has what has become of the object. A read of what there is now begins again there; one of a seq goes on there,
 * as long as compactions have dropped nothing that it sees.
 */
import { throwIfAborted, withSignal } from "../common/abort.js";
import { MissingObjectError, SnapshotGoneError } from "../common/errors.js";
import type { SstInfo } from "../format/manifest.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { DbView } from "../read/db-view.js";
import type { ReadView, ViewSource } from "./read-view.js";

export interface NewerViewsOptions {
  /** The view that the handle has now. */
  current(): ReadView;
  /** Looks for a newer manifest, and takes it over into the handle's view. */
  refresh(): Promise<unknown>;
}

/** Each time somebody else has committed a manifest, and collected what the one before named. */
const attemptsMax = 100;

export class NewerViews implements ViewSource {
  readonly #options: NewerViewsOptions;
  #refreshing: Promise<unknown> | undefined;

  constructor(options: NewerViewsOptions) {
    this.#options = options;
  }

  async after(
    heldNumber: number,
    error: MissingObjectError,
    signal?: AbortSignal | undefined,
  ): Promise<ReadView> {
    const isPast = ({ view }: ReadView): boolean =>
      view.manifest.number > heldNumber && !names(view, error.object);
    const { current } = this.#options;
    if (isPast(current())) return current();
    // A look that is under way may be too early: the object may have gone since.
    if (this.#refreshing !== undefined) {
      await withSignal(
        this.#refreshing.catch(() => undefined),
        signal,
      );
      if (isPast(current())) return current();
    }
    await withSignal(this.#refresh(), signal);
    if (isPast(current())) return current();
    throw error;
  }

  /** All that ask at the same time share it. */
  #refresh(): Promise<unknown> {
    this.#refreshing ??= this.#options.refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }
}

/** What a view, and the list of a long run, says of other lists is not known here: a read that misses the object again asks again. */
function names({ loads, manifest }: DbView, object: string): boolean {
  const isIn = (ssts: readonly Pick<SstInfo, "id" | "owner">[]): boolean =>
    ssts.some(({ id, owner }) => ObjectPaths.sst(id, owner) === object);
  return (
    loads.some(({ ssts }) => isIn(ssts)) ||
    manifest.l0.some(({ ssts }) => isIn(ssts)) ||
    manifest.runs.some(
      ({ id, ssts, listBytes, owner }) =>
        isIn(ssts) || (listBytes !== 0 && ObjectPaths.run(id, owner) === object),
    )
  );
}

/** A read of `held` has failed for the `attempt`th time, from 0: what it goes on with where it reads what there is now. Throws `error` where it cannot. */
export async function newestView(
  held: ReadView,
  error: unknown,
  attempt: number,
  signal: AbortSignal | undefined,
): Promise<ReadView> {
  if (!(error instanceof MissingObjectError) || held.newer === undefined) throw error;
  const newest = await held.newer.after(held.view.manifest.number, error, signal);
  throwIfAborted(signal);
  held.requireOpen();
  if (attempt < attemptsMax) return newest;
  throw new SnapshotGoneError(
    `What this read needed was compacted and deleted ${attempt} times before it could be read. Keep it for longer: raise "gcGraceMs" of whoever collects.`,
    { cause: error },
  );
}

/**
 * The same for a read that stays at a seq: its own view, with all that is stored and in memory from the newest one. `SnapshotGoneError` where that
 * does not have what the read sees any more.
 */
export async function viewAtSeq(
  held: ReadView,
  seq: number,
  error: unknown,
  attempt: number,
  signal: AbortSignal | undefined,
): Promise<ReadView> {
  const { view } = await newestView(held, error, attempt, signal);
  const { compactedSeq, rewrittenNumber } = view.manifest;
  // Before the first write there is nothing that could be dropped.
  const isDropped = seq >= 1 && compactedSeq > seq;
  if (isDropped || rewrittenNumber > held.view.manifest.number) {
    const done = isDropped
      ? `versions below seq ${compactedSeq} have been dropped`
      : "a filter has changed what was there";
    throw new SnapshotGoneError(
      `What was seen at seq ${Math.floor(seq)} is gone: ${done}, and what they were in is deleted. Take a new snapshot, or read what there is now. A reader keeps what it sees with "pin", or for as long as "gcGraceMs" of whoever collects says.`,
      { cause: error },
    );
  }
  held.moveTo?.(view);
  const own = held.view.tables.slice(0, held.ownTableCount);
  return { ...held, view: { ...view, tables: [...own, ...view.tables] } };
}

/** What `work` answers for the view, or for a newer one where an object is gone; and for which it was. */
export async function onNewest<T>(
  first: ReadView,
  signal: AbortSignal | undefined,
  work: (read: ReadView) => Promise<T>,
): Promise<{ readonly read: ReadView; readonly result: T }> {
  let read = first;
  for (let attempt = 0; ; attempt++) {
    try {
      return { read, result: await work(read) };
    } catch (error) {
      read = await newestView(read, error, attempt, signal);
    }
  }
}
