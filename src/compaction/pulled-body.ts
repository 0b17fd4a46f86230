/** `PulledBody`: the bytes of a put that another thread has, pulled as the store takes them. */
import type { Bytes } from "../common/bytes.js";
import { type PullMessage, piecesAhead } from "./store-messages.js";

type Pull = PullMessage extends infer Message
  ? Message extends PullMessage
    ? Omit<Message, "id">
    : never
  : never;

interface Pass {
  /** Here, and not taken by the store. */
  readonly pieces: Bytes[];
  end: { readonly error: unknown } | undefined;
  wake: () => void;
}

/** Holds no more than a few pieces: a store that sends the put again makes another pass over the thread's source. */
export class PulledBody {
  readonly #post: (message: Pull) => void;
  readonly #passes = new Map<number, Pass>();
  #passCount = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(post: (message: Pull) => void) {
    this.#post = post;
  }

  /** For the store, which may call it again. */
  readonly source = (): AsyncIterable<Uint8Array> => this.#pull();

  add(pass: number, piece: Bytes): void {
    const waiting = this.#passes.get(pass);
    waiting?.pieces.push(piece);
    waiting?.wake();
  }

  /** The source has no more, or has failed. */
  end(pass: number, error: unknown): void {
    const waiting = this.#passes.get(pass);
    if (waiting === undefined) return;
    waiting.end = { error };
    waiting.wake();
  }

  /** No more comes: whoever waits for a piece is told `error`. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    for (const { wake } of this.#passes.values()) wake();
  }

  async *#pull(): AsyncGenerator<Uint8Array> {
    // Counted when the first piece is asked for: the thread hears of passes in their order.
    const id = ++this.#passCount;
    const pass: Pass = { pieces: [], end: undefined, wake: () => undefined };
    this.#passes.set(id, pass);
    this.#post({ type: "pull", pass: id, count: piecesAhead });
    try {
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure.error;
        const piece = pass.pieces.shift();
        if (piece !== undefined) {
          if (pass.end === undefined) this.#post({ type: "pull", pass: id, count: 1 });
          yield piece;
        } else if (pass.end === undefined) {
          await new Promise<void>((resolve) => {
            pass.wake = resolve;
          });
        } else if (pass.end.error === undefined) {
          return;
        } else {
          throw pass.end.error;
        }
      }
    } finally {
      this.#passes.delete(id);
      if (pass.end === undefined) this.#post({ type: "stop", pass: id });
    }
  }
}
