/** `PushedBody`: the bytes of a put that the main thread pulls out of a source in this one, in pieces that change hands. */
import { allocateBytes, type Bytes, copyBytes } from "../common/bytes.js";
import { pieceBytesMax } from "./store-messages.js";

export interface PieceReceiver {
  piece(pass: number, bytes: Bytes): void;
  /** There is no more, or the source has failed. */
  end(pass: number, failure: { readonly error: unknown } | undefined): void;
}

export class PushedBody {
  readonly #source: () => AsyncIterable<Uint8Array>;
  readonly #receiver: PieceReceiver;
  /** Those that have not ended. */
  readonly #passes = new Map<number, Pass>();
  #lastPass = 0;

  constructor(source: () => AsyncIterable<Uint8Array>, receiver: PieceReceiver) {
    this.#source = source;
    this.#receiver = receiver;
  }

  /** So many pieces more; the first pull of a pass begins the source anew. */
  pull(id: number, count: number): void {
    let pass = this.#passes.get(id);
    if (pass === undefined) {
      // One that has ended is pulled once more where both messages have crossed.
      if (id <= this.#lastPass) return;
      this.#lastPass = id;
      pass = { pieces: piecesOf(this.#source), wanted: 0, isPushing: false };
      this.#passes.set(id, pass);
    }
    pass.wanted += count;
    if (!pass.isPushing) void this.#push(id, pass);
  }

  stop(id: number): void {
    const pass = this.#passes.get(id);
    this.#passes.delete(id);
    pass?.pieces.return(undefined).catch(() => undefined);
  }

  stopAll(): void {
    for (const id of [...this.#passes.keys()]) this.stop(id);
  }

  /** Never rejects. */
  async #push(id: number, pass: Pass): Promise<void> {
    pass.isPushing = true;
    try {
      while (pass.wanted > 0 && this.#passes.has(id)) {
        pass.wanted--;
        const next = await pass.pieces.next();
        if (!this.#passes.has(id)) return;
        if (next.done) this.#end(id, undefined);
        else this.#receiver.piece(id, next.value);
      }
    } catch (error) {
      if (this.#passes.has(id)) this.#end(id, { error });
    }
    pass.isPushing = false;
  }

  #end(id: number, failure: { readonly error: unknown } | undefined): void {
    this.#passes.delete(id);
    this.#receiver.end(id, failure);
  }
}

interface Pass {
  readonly pieces: AsyncGenerator<Bytes, undefined>;
  /** Pulled, and not pushed yet. */
  wanted: number;
  isPushing: boolean;
}

/**
 * The bytes of a source, cut anew: pieces of one size, and a last one with what is left, each in memory of its own. The chunks of the
 * source are left to it: it may have to give them again, and their memory may be a part of something larger.
 */
async function* piecesOf(
  source: () => AsyncIterable<Uint8Array>,
): AsyncGenerator<Bytes, undefined> {
  let piece: Bytes | undefined;
  let used = 0;
  for await (const chunk of source()) {
    for (let from = 0; from < chunk.length; ) {
      piece ??= allocateBytes(pieceBytesMax);
      const count = Math.min(chunk.length - from, pieceBytesMax - used);
      piece.set(chunk.subarray(from, from + count), used);
      from += count;
      used += count;
      if (used < pieceBytesMax) continue;
      yield piece;
      piece = undefined;
      used = 0;
    }
  }
  if (piece !== undefined) yield copyBytes(piece, 0, used);
}
