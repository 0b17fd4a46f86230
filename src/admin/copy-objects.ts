/**
 * `copyObjects`: copies what is planned, some objects at once, and checks each copy. Where both stores are one service the server copies; what
 * is not the server's to copy comes through this process in parts. After the first failure no more are begun, and those under way end: so that
 * who cleans up knows what there can be.
 */
import { CorruptionError, StoreError } from "../common/errors.js";
import { noUlid } from "../format/manifest.js";
import { decodeRunList } from "../format/run-list.js";
import { decodeWalObject } from "../format/wal-object.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { canCopyBetween } from "../object-store/wrappers.js";
import type { PlannedCopy } from "./copy-plan.js";
import { missing, openSstParts, readSstTail } from "./copy-sst-parts.js";
import { mapInFlight } from "./in-flight.js";

/** "server": only by the server; "stream": only through this process; "auto": by the server where it can. */
export type CopyMode = "auto" | "server" | "stream";

export interface CopyProgress {
  /** Objects that are there and checked, those of an earlier attempt among them; and how many there will be. */
  readonly copiedFiles: number;
  readonly files: number;
  /** Bytes of these, with what has arrived of others; and of all whose size is known. */
  readonly copiedBytes: number;
  readonly bytes: number;
}

export interface CopyOptions {
  readonly source: ObjectStore;
  readonly walSource: ObjectStore;
  readonly target: ObjectStore;
  readonly mode: CopyMode;
  readonly inFlight: number;
  /** Sizes of what is in the target, by key: left by an earlier attempt, or part of an earlier export. */
  readonly existing: ReadonlyMap<string, number>;
  /** Keys of WAL objects among them that are known to be equal to the source's; no other one is kept. Default: none are. */
  readonly sameWal?: ReadonlySet<string> | undefined;
  /** Called before an object is written that was not there. */
  readonly onWrite: (key: string) => void;
  readonly onProgress: ((progress: CopyProgress) => void) | undefined;
  readonly signal: AbortSignal;
}

export interface Copied {
  /** How many were copied now, and their bytes. */
  readonly copiedFiles: number;
  readonly copiedBytes: number;
  /** The size of each object, in the order of the plan. */
  readonly sizes: readonly number[];
}

/** Throws `CorruptionError` for an object that is missing or damaged in the source, or was damaged on its way. */
export async function copyObjects(
  plan: readonly PlannedCopy[],
  options: CopyOptions,
): Promise<Copied> {
  const copying = new Copying(plan, options);
  const sizes = await mapInFlight(plan, options.inFlight, (copy) => copying.copy(copy));
  return { ...copying.copied, sizes };
}

class Copying {
  readonly copied = { copiedFiles: 0, copiedBytes: 0 };
  readonly #options: CopyOptions;
  readonly #files: number;
  #doneFiles = 0;
  #doneBytes = 0;
  /** What has arrived of objects that are under way. */
  readonly #arrived = new Map<string, number>();
  #bytes: number;
  #isByServer: boolean;

  constructor(plan: readonly PlannedCopy[], options: CopyOptions) {
    const { source, target, mode } = options;
    this.#options = options;
    this.#files = plan.length;
    this.#bytes = plan.reduce((sum, { size }) => sum + (size ?? 0), 0);
    this.#isByServer = mode === "server" || (mode === "auto" && canCopyBetween(source, target));
    if (mode === "server" && !canCopyBetween(source, target)) {
      throw new StoreError(
        "unsupported",
        `The server cannot copy from "${source.id}" to "${target.id}". Leave copyMode out, or use "stream".`,
      );
    }
    this.#report();
  }

  /** Gives the size. */
  async copy(copy: PlannedCopy): Promise<number> {
    this.#options.signal.throwIfAborted();
    const kept = await this.#kept(copy);
    const size = kept ?? (await this.#write(copy));
    this.#arrived.delete(copy.key);
    this.#doneFiles++;
    this.#doneBytes += size;
    if (copy.size === undefined) this.#bytes += size;
    if (kept === undefined) {
      this.copied.copiedFiles++;
      this.copied.copiedBytes += size;
    }
    this.#report();
    return size;
  }

  /** Of an object that is there already, and is what it should be. */
  async #kept(copy: PlannedCopy): Promise<number | undefined> {
    const { existing, sameWal, target, signal } = this.#options;
    const size = existing.get(copy.key);
    // One that is whole can be of another history, unlike what has an id of its own.
    if (copy.kind === "wal") return sameWal?.has(copy.key) === true ? size : undefined;
    if (size === undefined || (copy.size !== undefined && copy.size !== size)) return undefined;
    try {
      const { key, owner } = copy;
      if (copy.kind === "sst") {
        await readSstTail({ store: target, key, owner, id: copy.id, size }, signal);
      } else {
        await readWhole(copy, target, key, signal);
      }
      return size;
    } catch (error) {
      if (error instanceof CorruptionError) return undefined;
      throw error;
    }
  }

  async #write(copy: PlannedCopy): Promise<number> {
    const { existing, onWrite } = this.#options;
    if (!existing.has(copy.key)) onWrite(copy.key);
    return copy.kind === "sst" ? await this.#writeSst(copy) : await this.#writeWhole(copy);
  }

  async #writeSst(copy: PlannedCopy & { kind: "sst" }): Promise<number> {
    const { source, target, signal } = this.#options;
    const { key, from, owner, id } = copy;
    if (!(this.#isByServer && (await this.#copyByServer(copy)))) {
      const sst = { store: source, key: from, owner, id, size: copy.size };
      const { parts } = await openSstParts(sst, signal);
      const arrived = this.#arrived;
      const report = (): void => this.#report();
      // What is sent is not cut off: it could land after it was cleaned up. What is read for it is.
      await target.put(key, async function* () {
        arrived.set(key, 0);
        for await (const part of parts()) {
          signal.throwIfAborted();
          yield part;
          arrived.set(key, (arrived.get(key) ?? 0) + part.length);
          report();
        }
      });
    }
    return (await readSstTail({ store: target, key, owner, id, size: copy.size }, signal)).size;
  }

  /** False: it has to come through this process. */
  async #copyByServer({ key, from }: PlannedCopy): Promise<boolean> {
    const { source, target, mode } = this.#options;
    try {
      await target.copy!(from, key, { source });
      return true;
    } catch (error) {
      if (mode === "server" || !(error instanceof StoreError)) throw error;
      // "invalid": the server does not find it, which the stream tells from an object that lies elsewhere.
      if (error.reason === "invalid") return false;
      if (error.reason !== "unsupported" && error.reason !== "denied") throw error;
      // What holds of one object need not of the next: it may have been too large.
      if (error.reason === "denied") this.#isByServer = false;
      return false;
    }
  }

  /** Small and read whole everywhere: checked before it is written. */
  async #writeWhole(copy: PlannedCopy & { kind: "run" | "wal" }): Promise<number> {
    const { source, walSource, target, signal } = this.#options;
    const { key, from } = copy;
    const bytes = await readWhole(copy, copy.kind === "wal" ? walSource : source, from, signal);
    await target.put(key, bytes);
    const stored = await target.head(key, { signal });
    if (stored?.size === bytes.length) return bytes.length;
    throw new CorruptionError(
      key,
      `${bytes.length} bytes were stored, and ${stored?.size ?? "none"} are there`,
    );
  }

  #report(): void {
    const { onProgress } = this.#options;
    if (onProgress === undefined) return;
    let copiedBytes = this.#doneBytes;
    for (const arrived of this.#arrived.values()) copiedBytes += arrived;
    onProgress({
      ...{ copiedFiles: this.#doneFiles, files: this.#files },
      ...{ copiedBytes, bytes: Math.max(this.#bytes, copiedBytes) },
    });
  }
}

/** Reads a list of a run or a WAL object, and checks it. Throws `CorruptionError`, also where it is missing. */
export async function readWhole(
  copy: PlannedCopy & { kind: "run" | "wal" },
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const found = await store.get(key, { signal });
  if (found === undefined) throw missing(key);
  const { bytes } = found;
  const { owner } = copy;
  if (copy.kind === "wal") decodeWalObject(bytes, key, owner, copy.position);
  else decodeRunList(bytes, key, owner, { ...copy.run, owner: noUlid });
  return bytes;
}
