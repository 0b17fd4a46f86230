/** `Output`: the program's standard output. A write waits until there is room for more; a closed pipe is not an error to show. */
import type { Writable } from "node:stream";
import { encodeUtf8 } from "../common/bytes.js";

/** Whoever read the output has had enough. */
export class BrokenPipeError extends Error {}

export class Output {
  readonly #stream: Writable;
  readonly #signal: AbortSignal;
  #failure: Error | undefined;
  /** Ends the wait that is under way. */
  #wake: (() => void) | undefined;

  constructor(stream: Writable, signal: AbortSignal) {
    this.#stream = stream;
    this.#signal = signal;
    stream.on("error", this.#onError);
  }

  /** Rejects with `BrokenPipeError` when nobody reads any more, and with `signal.reason` when the user interrupts. */
  async write(data: string | Uint8Array): Promise<void> {
    this.#requireOpen();
    const bytes = typeof data === "string" ? encodeUtf8(data) : data;
    if (bytes.length === 0 || this.#stream.write(bytes)) return;
    await this.#wait((done) => {
      this.#stream.once("drain", done);
      return () => this.#stream.off("drain", done);
    });
  }

  /** Resolves when everything has left the process, and lets go of the stream. */
  async finish(): Promise<void> {
    try {
      this.#requireOpen();
      await this.#wait((done) => {
        this.#stream.write("", done);
        return () => undefined;
      });
    } finally {
      this.#stream.off("error", this.#onError);
      // An error that comes later has nobody left to tell.
      this.#stream.on("error", () => undefined);
    }
  }

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    this.#failure = error.code === "EPIPE" ? new BrokenPipeError("closed pipe") : error;
    this.#wake?.();
  };

  /** Until `listen` calls back, the stream fails, or the user interrupts. */
  async #wait(listen: (done: () => void) => () => void): Promise<void> {
    this.#requireOpen();
    await new Promise<void>((resolve) => {
      const done = (): void => {
        unlisten();
        this.#wake = undefined;
        this.#signal.removeEventListener("abort", done);
        resolve();
      };
      this.#wake = done;
      this.#signal.addEventListener("abort", done, { once: true });
      const unlisten = listen(done);
    });
    this.#requireOpen();
  }

  #requireOpen(): void {
    this.#signal.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure;
  }
}
