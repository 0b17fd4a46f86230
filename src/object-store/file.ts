/** `FileObjectStore`: objects as files below a folder, for development, tests and single machines. */
import { realpathSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { throwIfAborted } from "../common/abort.js";
import { allocateBytes } from "../common/bytes.js";
import { type Clock, systemClock } from "../common/clock.js";
import { InvalidArgumentError, StoreError } from "../common/errors.js";
import { readParts, SourceFailure, writeSource } from "./file-parts.js";
import { FilePublisher, temporaryFolder } from "./file-publisher.js";
import { codeOf, type FileSystem, isAbsent, nodeFileSystem, storeErrorOf } from "./file-system.js";
import { requireCanonicalKey, requireCanonicalPrefix } from "./keys.js";
import { resolveRange } from "./memory.js";
import type {
  CopyOptions,
  GetOptions,
  ListedObject,
  ListOptions,
  ObjectMeta,
  ObjectStore,
  PutSource,
  RequestOptions,
  StoredObject,
} from "./object-store.js";
import { rootedAt } from "./store-root.js";
import { copiesWithin, innermost } from "./wrappers.js";

export interface FileObjectStoreOptions {
  /** A folder on a file system with hard links. Nothing else may write into it. */
  directory: string;
  /** Whether the first write creates the folder when it is missing. Default true. */
  createDirectory?: boolean | undefined;
  /** Judges the age of temporary files that a crash has left. Default: the system's. */
  clock?: Clock | undefined;
  /** The calls into the operating system; tests put a failing disk in their place. */
  fileSystem?: FileSystem | undefined;
}

/** Bytes of one read; the operating system takes no more than 2 GiB. */
const readBytesMax = 64 * 1024 * 1024;
/** Files that are asked for or removed at once; the thread pool has four threads. */
const filesAtOnce = 16;

/**
 * A key is the path of its file. So "a" and "a/b" cannot both be objects (the later one is refused as "invalid"), names
 * have the limits of the file system, and where that ignores case, so do keys. Folders are never removed.
 * Writes are synced when they resolve. Several processes on one machine may share a folder.
 */
export class FileObjectStore implements ObjectStore {
  readonly id: string;
  readonly #directory: string;
  readonly #fs: FileSystem;
  readonly #publisher: FilePublisher;

  constructor(options: FileObjectStoreOptions) {
    this.#directory = realDirectory(options.directory);
    this.id = `file:${this.#directory}`;
    copiesWithin(this, "file");
    rootedAt(this, {
      id: "file",
      // A link below the folder is resolved as well: one folder, one path.
      pathOf: (path) => realDirectory(join(this.#directory, path)).slice(1),
      at: (path) => new FileObjectStore({ ...options, directory: `/${path}` }),
    });
    this.#fs = options.fileSystem ?? nodeFileSystem;
    this.#publisher = new FilePublisher({
      directory: this.#directory,
      createDirectory: options.createDirectory ?? true,
      clock: options.clock ?? systemClock,
      fileSystem: this.#fs,
    });
  }

  get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    return this.#run("read", key, options, async (path) => {
      const file = await this.#openFile(path);
      if (file === undefined) return undefined;
      try {
        const stats = await file.stat();
        if (!stats.isFile()) return undefined;
        const { start, end } = resolveRange(options?.range, stats.size);
        const bytes = allocateBytes(end - start);
        for (let offset = 0; offset < bytes.length; ) {
          throwIfAborted(options?.signal);
          const count = Math.min(bytes.length - offset, readBytesMax);
          const { bytesRead } = await file.read(bytes, offset, count, start + offset);
          if (bytesRead === 0) throw shrunk(key);
          offset += bytesRead;
        }
        return {
          bytes: new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length),
          size: stats.size,
          lastModified: Math.floor(stats.mtimeMs),
        };
      } finally {
        await file.close();
      }
    });
  }

  head(key: string, options?: RequestOptions): Promise<ObjectMeta | undefined> {
    return this.#run("look up", key, options, (path) => this.#meta(path));
  }

  create(key: string, bytes: Uint8Array, options?: RequestOptions): Promise<"created" | "exists"> {
    return this.#run("create", key, options, (path) =>
      this.#publisher.create(path, (file) => file.writeFile(bytes), options?.signal),
    );
  }

  put(key: string, source: PutSource, options?: RequestOptions): Promise<void> {
    const signal = options?.signal;
    return this.#run("write", key, options, (path) =>
      this.#publisher.replace(path, (file) => writeSource(file, source, signal), signal),
    );
  }

  async *list(options: ListOptions): AsyncIterable<ListedObject> {
    const { prefix, signal, limit = Infinity } = options;
    throwIfAborted(signal);
    requireCanonicalPrefix(prefix);
    let yielded = 0;
    if (limit <= 0) return;
    try {
      for await (const object of this.#walk(
        prefix.slice(0, prefix.lastIndexOf("/") + 1),
        options,
      )) {
        throwIfAborted(signal);
        yield object;
        if (++yielded >= limit) return;
      }
    } catch (error) {
      throw storeErrorOf(error, `list "${prefix}"`, this.#directory, prefix);
    }
  }

  async delete(keys: readonly string[], options?: RequestOptions): Promise<void> {
    const failures: unknown[] = [];
    const folders = new Set<string>();
    for (let i = 0; i < keys.length; i += filesAtOnce) {
      const removals = keys.slice(i, i + filesAtOnce).map((key) =>
        this.#run("delete", key, options, async (path) => {
          if (await this.#remove(path)) folders.add(dirname(path));
        }).catch((error: unknown) => failures.push(error)),
      );
      await Promise.all(removals);
    }
    for (const folder of folders) {
      await this.#publisher.syncFolder(folder).catch((error: unknown) => {
        if (!isAbsent(error)) failures.push(storeErrorOf(error, "delete", this.#directory));
      });
    }
    throwIfAborted(options?.signal);
    if (failures.length > 0) throw failures[0];
  }

  /** A copy of the bytes, not a link: it has a time of its own. Also from another folder. */
  copy(from: string, to: string, options?: CopyOptions): Promise<void> {
    const source = options?.source === undefined ? undefined : innermost(options.source, from);
    return this.#run("copy", to, options, async (path) => {
      const folder = source?.store ?? this;
      if (!(folder instanceof FileObjectStore)) {
        throw new StoreError(
          "invalid",
          `${folder.id} is no folder: read it, and put what it gives.`,
        );
      }
      const original = await folder.#openFile(folder.#path(source?.key ?? from));
      if (original === undefined) {
        throw new StoreError("invalid", `There is no object "${from}" to copy.`, { object: from });
      }
      try {
        const parts = (): AsyncIterable<Uint8Array> => readParts(original);
        const signal = options?.signal;
        await this.#publisher.replace(path, (file) => writeSource(file, parts, signal), signal);
      } finally {
        await original.close();
      }
    });
  }

  /** Runs the body of an operation, and says what its failures mean. */
  async #run<T>(
    doing: string,
    key: string,
    options: RequestOptions | undefined,
    body: (path: string) => Promise<T>,
  ): Promise<T> {
    throwIfAborted(options?.signal);
    const path = this.#path(key);
    try {
      return await body(path);
    } catch (error) {
      throwIfAborted(options?.signal);
      if (error instanceof SourceFailure) throw error.cause;
      throw storeErrorOf(error, `${doing} "${key}"`, this.#directory, key);
    }
  }

  #path(key: string): string {
    requireCanonicalKey(key);
    if (key === temporaryFolder || key.startsWith(`${temporaryFolder}/`)) {
      throw new StoreError("invalid", `"${temporaryFolder}" is the store's own folder.`, {
        object: key,
      });
    }
    return join(this.#directory, key);
  }

  async #openFile(path: string): Promise<FileHandle | undefined> {
    try {
      return await this.#fs.open(path, "r");
    } catch (error) {
      if (isAbsent(error) || codeOf(error) === "EISDIR") return undefined;
      throw error;
    }
  }

  async #meta(path: string): Promise<ObjectMeta | undefined> {
    try {
      const stats = await this.#fs.stat(path);
      return stats.isFile()
        ? { size: stats.size, lastModified: Math.floor(stats.mtimeMs) }
        : undefined;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  /** Whether a file was removed; a folder is no object. */
  async #remove(path: string): Promise<boolean> {
    try {
      await this.#fs.unlink(path);
      return true;
    } catch (error) {
      if (isAbsent(error)) return false;
      const stats = await this.#fs.stat(path).catch(() => undefined);
      if (stats?.isDirectory()) return false;
      throw error;
    }
  }

  /** The objects below `folder` (empty, or ending in `/`) in the order of their keys. */
  async *#walk(folder: string, options: ListOptions): AsyncIterable<ListedObject> {
    const { prefix, after = "", signal } = options;
    throwIfAborted(signal);
    const names = (await this.#entries(folder)).filter(
      (name) =>
        name.startsWith(prefix) &&
        // All keys of a folder start with its name, so a folder below `after` holds nothing above it.
        (name > after || (name.endsWith("/") && after.startsWith(name))),
    );
    let files: string[] = [];
    for (const name of names) {
      if (!name.endsWith("/")) {
        files.push(name);
        if (files.length < filesAtOnce) continue;
      }
      yield* await this.#listed(files);
      files = [];
      if (name.endsWith("/")) yield* this.#walk(name, options);
    }
    yield* await this.#listed(files);
  }

  /** What lies in `folder`, as whole keys; those of folders end in `/`, and are sorted as the keys below them. */
  async #entries(folder: string): Promise<string[]> {
    try {
      const entries = await this.#fs.readdir(join(this.#directory, folder), {
        withFileTypes: true,
      });
      return entries
        .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? "/" : ""}`)
        .filter((name) => name !== `${temporaryFolder}/`)
        .sort();
    } catch (error) {
      if (isAbsent(error)) return [];
      throw error;
    }
  }

  async #listed(keys: readonly string[]): Promise<ListedObject[]> {
    const metas = await Promise.all(keys.map((key) => this.#meta(join(this.#directory, key))));
    return keys.flatMap((key, i) => (metas[i] === undefined ? [] : [{ key, ...metas[i] }]));
  }
}

/** The id must not change when the folder is made: links are resolved as far down as there is something. */
function realDirectory(directory: string): string {
  if (typeof directory !== "string" || directory === "" || directory.includes("\0")) {
    throw new InvalidArgumentError(`"directory" must be the path of a folder.`);
  }
  const missing: string[] = [];
  for (let existing = resolve(directory); ; existing = dirname(existing)) {
    try {
      return join(realpathSync(existing), ...missing);
    } catch {
      if (dirname(existing) === existing) return resolve(directory);
      missing.unshift(basename(existing));
    }
  }
}

function shrunk(key: string): StoreError {
  return new StoreError("unavailable", `The file of "${key}" became shorter while it was read.`, {
    object: key,
  });
}
