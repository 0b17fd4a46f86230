/**
 * `SstReader`: reads ranges of SSTs, and of the lists of long runs, from the store until it is closed. A missing, shorter or longer object
 * than the manifest says is `CorruptionError`.
 */
import { throwIfAborted, whenAborted, withSignal } from "../common/abort.js";
import type { Bytes } from "../common/bytes.js";
import { CorruptionError, MissingObjectError } from "../common/errors.js";
import type { SstInfo } from "../format/manifest.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";

interface SizedObject {
  readonly key: string;
  /** bytes */
  readonly size: number;
}

interface ObjectRange {
  readonly offset: number;
  readonly length: number;
}

export class SstReader {
  readonly #store: ObjectStore;
  /** What ends each request, and each wait, that is under way. Listeners on one signal would be as many: Node warns of eleven. */
  readonly #underWay = new Set<(reason: Error) => void>();
  #closed: Error | undefined;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /**
   * `length` bytes from `offset` in one GET; `background` requests give way to others. Rejects at once when `signal` is aborted or the
   * reader is closed: the store is told, and not waited for.
   */
  read(
    info: SstInfo,
    offset: number,
    length: number,
    background = false,
    signal?: AbortSignal,
  ): Promise<Bytes> {
    const object = { key: ObjectPaths.sst(info.id, info.owner), size: info.size };
    return this.readObject(object, { offset, length }, background, signal);
  }

  /** The same of any object, of which the manifest says how large it is. */
  async readObject(
    object: SizedObject,
    range: ObjectRange,
    background: boolean,
    signal?: AbortSignal,
  ): Promise<Bytes> {
    if (this.#closed !== undefined) throw this.#closed;
    throwIfAborted(signal);
    const request = new AbortController();
    const end = (reason: unknown): void => request.abort(reason);
    this.#underWay.add(end);
    const stopListening = whenAborted(signal, end);
    try {
      return await this.#get(object, range, background, request.signal);
    } finally {
      this.#underWay.delete(end);
      stopListening();
    }
  }

  /** Settles as `promise` does, or rejects when the reader is closed. */
  untilClosed<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) reject(this.#closed);
      this.#underWay.add(reject);
      promise.then(resolve, reject).finally(() => this.#underWay.delete(reject));
    });
  }

  /** What is under way, and whatever is asked for later, rejects with `reason`. The first one counts. */
  close(reason: Error): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    for (const end of this.#underWay) end(reason);
  }

  async #get(
    { key, size }: SizedObject,
    range: ObjectRange,
    background: boolean,
    signal: AbortSignal,
  ): Promise<Bytes> {
    const { offset, length } = range;
    const isWhole = offset === 0 && length === size;
    const getting = this.#store.get(key, {
      ...(isWhole ? {} : { range }),
      ...(background ? { background } : {}),
      signal,
    });
    const stored = await withSignal(getting, signal);
    if (stored === undefined) throw new MissingObjectError(key);
    if (stored.size !== size) {
      throw new CorruptionError(key, `it has ${stored.size} bytes, expected ${size}`);
    }
    if (stored.bytes.length !== length) {
      throw new CorruptionError(
        key,
        `the store answered ${stored.bytes.length} of ${length} bytes`,
        { offset },
      );
    }
    return stored.bytes;
  }
}
