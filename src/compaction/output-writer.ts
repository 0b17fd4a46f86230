/**
 * `storeOutput`: an output of a job to the store, with one PUT where it is small, and sent while it is being built where it is larger. Then
 * no more of it is in memory than what is on its way; what has to be sent again is built again.
 */
import { bodyPool } from "../common/byte-pool.js";
import { concatBytes } from "../common/bytes.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { MergedRows } from "./merge-range.js";
import { buildOutput, type FinishedOutput, type OutputPlace, pieceBytes } from "./output-build.js";

type Build = AsyncGenerator<Uint8Array, FinishedOutput, undefined>;

/** Resolves when the object is stored; nothing is where nothing is kept. Rejects with what building or the store fails with. */
export async function storeOutput(
  place: OutputPlace,
  rows: MergedRows | undefined,
): Promise<FinishedOutput> {
  const build = buildOutput(place, rows);
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  try {
    while (bytes < pieceBytes) {
      const piece = await build.next();
      if (piece.done !== true) {
        pieces.push(piece.value);
        bytes += piece.value.length;
        continue;
      }
      if (bytes > 0) await putWhole(place, pieces);
      return piece.value;
    }
    const { finished, isSentOnce } = await putStreamed(place, pieces, build);
    // Of an attempt that failed, something may still be sending.
    if (isSentOnce) for (const piece of pieces) bodyPool.giveBack(piece);
    return finished;
  } finally {
    for (const piece of pieces) bodyPool.forget(piece);
  }
}

async function putWhole(
  { context: { store, signal }, id }: OutputPlace,
  pieces: readonly Uint8Array[],
): Promise<void> {
  const body = pieces.length === 1 ? pieces[0]! : concatBytes(pieces);
  await store.put(ObjectPaths.sst(id()), body, { signal, background: true });
  for (const piece of pieces) bodyPool.giveBack(piece);
}

async function putStreamed(
  place: OutputPlace,
  pieces: readonly Uint8Array[],
  first: Build,
): Promise<{ finished: FinishedOutput; isSentOnce: boolean }> {
  const { store, signal } = place.context;
  const stop = new AbortController();
  let finished: FinishedOutput | undefined;
  let attempts = 0;
  const source = async function* (): AsyncGenerator<Uint8Array> {
    const build = attempts++ === 0 ? first : buildOutput(place, undefined);
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
  return { finished: finished!, isSentOnce: attempts === 1 };
}
