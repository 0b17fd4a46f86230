/** `Snapshot`: a handle that reads the database as it was at one moment. */
import { ClosedError, InvalidArgumentError } from "../common/errors.js";
import type { DbView } from "../read/db-view.js";
import type { ReadView } from "./read-view.js";
import { Reads } from "./reads.js";
import type { SnapshotOption } from "./snapshot-option.js";

/**
 * The database as it was when `snapshot()` was called: no write, flush, load or compaction changes what it reads, for as long as it is open;
 * only rows that expire go, by the clock at each read. It has all the methods of reading, and may be given to those of its handle as `{ snapshot }`.
 *
 * It holds the MemTables of that moment, at most about `unflushedBytesMax` bytes, also when they have been flushed: close it when it is no
 * longer needed. It is closed with its handle; then, and after `close()`, reads of it and its scans reject with `ClosedError`.
 */
export class Snapshot extends Reads implements SnapshotOption, Disposable, AsyncDisposable {
  /** The newest seq that it sees. */
  readonly seq: number;
  readonly #owner: object;
  readonly #requireOwnerOpen: () => void;
  readonly #onClose: () => void;
  /** Undefined once it is closed. */
  #read: ReadView | undefined;

  /** @internal */
  constructor(owner: object, read: ReadView, onClose: () => void) {
    super();
    this.seq = read.seq;
    this.#owner = owner;
    this.#requireOwnerOpen = read.requireOpen;
    this.#onClose = onClose;
    this.#read = {
      ...read,
      isFixed: true,
      // It is kept itself, for as long as it is open.
      keep: undefined,
      // Scans ask it too, after the snapshot has been closed.
      requireOpen: () => void this.readView(),
      moveTo: (view) => this.#moveTo(view),
    };
  }

  /** Frees what it holds. Closing twice is harmless. */
  close(): void {
    if (this.#read === undefined) return;
    this.#read = undefined;
    this.#onClose();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** Its view, for reads of `owner` that were given it. For the engine. */
  viewFor(owner: object): ReadView {
    if (owner !== this.#owner) {
      throw new InvalidArgumentError(
        '"snapshot" is one of another handle. Use its own methods, or give it to the handle that made it.',
      );
    }
    return this.readView();
  }

  #moveTo(view: DbView): void {
    const read = this.#read;
    if (read === undefined || view.manifest.number <= read.view.manifest.number) return;
    this.#read = { ...read, view };
  }

  protected override readView(): ReadView {
    // A handle that was closed by an error says by which.
    this.#requireOwnerOpen();
    if (this.#read === undefined) {
      throw new ClosedError("The snapshot is closed. Take a new one.");
    }
    return this.#read;
  }
}
