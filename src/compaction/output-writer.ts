/**
 * `storeOutput`: an output of a job to the store, with one PUT where it is small, and sent while it is being built where it is larger. Then
 * no more of it is in memory than what is on its way; what has to be sent again is built again.
 */
import { assert } from "../common/assert.js";
import { bodyPool } from "../common/byte-pool.js";
import { type Bytes, concatBytes } from "../common/bytes.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { MergedRows } from "./merge-range.js";
import { buildOutput, type FinishedOutput, type OutputPlace, pieceBytes } from "./output-build.js";

type Build = AsyncGenerator<Uint8Array, FinishedOutput, undefined>;

/** Resolves when the object is stored; nothing is where nothing is kept. Rejects with what building or the store fails with. */
export async function storeOutput(
  place: OutputPlace,
  rows: MergedRows | undefined,
): Promise<FinishedOutput> {
  let lent: Bytes | undefined;
  const lend = (length: number): Bytes => {
    lent = bodyPool.lend(length);
    return lent;
  };
  try {
    const { finished, attempts } = await store(place, buildOutput(place, { rows, lend }));
    // Of an attempt that failed, something may still be sending.
    if (lent !== undefined && attempts === 1) bodyPool.giveBack(lent);
    else if (lent !== undefined) bodyPool.forget(lent);
    return finished;
  } catch (error) {
    if (lent !== undefined) bodyPool.forget(lent);
    throw error;
  }
}

interface Stored {
  readonly finished: FinishedOutput;
  /** How often it was sent, as far as is known here. */
  readonly attempts: number;
}

async function store(place: OutputPlace, build: Build): Promise<Stored> {
  const { context, id } = place;
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < pieceBytes) {
    const piece = await build.next();
    if (piece.done !== true) {
      pieces.push(piece.value);
      bytes += piece.value.length;
      continue;
    }
    if (bytes > 0) {
      const body = pieces.length === 1 ? pieces[0]! : concatBytes(pieces);
      const { signal } = context;
      // One that is sent more than once is forgotten by whoever sends it again.
      await context.store.put(ObjectPaths.sst(id()), body, { signal, background: true });
    }
    return { finished: piece.value, attempts: 1 };
  }
  return putStreamed(place, pieces, build);
}

async function putStreamed(
  place: OutputPlace,
  pieces: readonly Uint8Array[],
  first: Build,
): Promise<Stored> {
  const { store, signal } = place.context;
  const stop = new AbortController();
  let finished: FinishedOutput | undefined;
  let attempts = 0;
  const source = async function* (): AsyncGenerator<Uint8Array> {
    const build = attempts++ === 0 ? first : buildOutput(place);
    try {
      if (build === first) yield* pieces;
      finished = yield* build;
    } catch (error) {
      // Not the store's failure: sending again would not help.
      if (!signal.aborted) stop.abort(error);
      throw error;
    }
  };
  const options = { signal: AbortSignal.any([signal, stop.signal]), background: true };
  try {
    await store.put(ObjectPaths.sst(place.id()), source, options);
  } finally {
    // Of a request that never came to it.
    if (attempts === 0) await first.return(undefined as never).catch(() => undefined);
  }
  stop.signal.throwIfAborted();
  assert(finished !== undefined, "a put that has resolved has taken all of its source");
  return { finished, attempts };
}
