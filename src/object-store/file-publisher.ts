/**
 * `FilePublisher`: how a file gets its final name, whole and durable or not at all.
 *
 * 1. The bytes are written to a temporary file, which is synced.
 * 2. Its name is published: by a hard link, which fails when the name is taken (create), or by a rename (put). The final
 *    name is never opened for writing: a crash would leave a part of an object under it, and for ever.
 * 3. The folder is synced. Folders that this process has not used before are synced into their parents first, also when
 *    they exist: whoever made them may not have got that far.
 *
 * Temporary files lie in `.moraine-tmp` in the store's folder. They are removed once the caller has been answered; what a
 * crash leaves there is removed an hour later.
 */
import type { FileHandle } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { throwIfAborted } from "../common/abort.js";
import type { Clock } from "../common/clock.js";
import { StoreError } from "../common/errors.js";
import { codeOf, type FileSystem, isAbsent, linkRefusalOf, makeFolders } from "./file-system.js";
import { SyncedFolders } from "./synced-folders.js";

export const temporaryFolder = ".moraine-tmp";
/** ms; a temporary file that nobody has written to for so long belongs to a process that is gone. */
const temporaryAgeMs = 3_600_000;
/** Folders that are remembered as durable, before they are forgotten and synced again. */
const foldersMax = 10_000;

export interface FilePublisherOptions {
  directory: string;
  createDirectory: boolean;
  clock: Clock;
  fileSystem: FileSystem;
}

export class FilePublisher {
  readonly #directory: string;
  readonly #createDirectory: boolean;
  readonly #clock: Clock;
  readonly #fs: FileSystem;
  readonly #folders = new Map<string, Promise<void>>();
  readonly #synced: SyncedFolders;
  #prepared: Promise<void> | undefined;
  /** The topmost folder that this instance has made on the way to its own, whose name may not be durable yet. */
  #firstMade: string | undefined;

  constructor(options: FilePublisherOptions) {
    this.#directory = options.directory;
    this.#createDirectory = options.createDirectory;
    this.#clock = options.clock;
    this.#fs = options.fileSystem;
    this.#synced = new SyncedFolders(options.fileSystem);
  }

  /** Publishes what `write` writes, unless `path` is taken. */
  async create(
    path: string,
    write: (file: FileHandle) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<"created" | "exists"> {
    return this.#withTemporary(write, async (temporary) => {
      throwIfAborted(signal);
      const result = await this.#inFolder(dirname(path), () => this.#link(temporary, path));
      // Also for "exists": its creator may have died before this, and the caller is about to build on it.
      await this.#syncPublished(path);
      return result;
    });
  }

  /** Publishes what `write` writes, in the place of what `path` may have held. */
  async replace(
    path: string,
    write: (file: FileHandle) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    await this.#withTemporary(write, async (temporary) => {
      throwIfAborted(signal);
      await this.#inFolder(dirname(path), () => this.#fs.rename(temporary, path));
      await this.#syncPublished(path);
    });
  }

  /** Resolves when the names in `folder` are durable. */
  syncFolder(folder: string): Promise<void> {
    return this.#synced.sync(folder);
  }

  async #withTemporary<T>(
    write: (file: FileHandle) => Promise<void>,
    publish: (temporary: string) => Promise<T>,
  ): Promise<T> {
    await this.#prepare();
    const temporary = join(this.#directory, temporaryFolder, `${crypto.randomUUID()}.tmp`);
    let file: FileHandle | undefined;
    try {
      file = await this.#fs.open(temporary, "wx");
      await write(file);
      await file.sync();
      // Windows renames no file that is open.
      if (process.platform === "win32") await file.close();
      const result = await publish(temporary);
      // Everything is durable: nobody has to wait for this.
      void this.#removeTemporary(temporary, file);
      return result;
    } catch (error) {
      await this.#removeTemporary(temporary, file);
      // Whoever removed the folders meanwhile: the next request makes them again.
      if (isAbsent(error)) this.#prepared = undefined;
      throw error;
    }
  }

  /** Should it fail, the file is taken for what a crash has left. */
  async #removeTemporary(temporary: string, file: FileHandle | undefined): Promise<void> {
    await file?.close().catch(() => undefined);
    await this.#fs.unlink(temporary).catch(() => undefined);
  }

  async #link(temporary: string, path: string): Promise<"created" | "exists"> {
    try {
      await this.#fs.link(temporary, path);
      return "created";
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw linkRefusalOf(error, this.#directory) ?? error;
      const stats = await this.#fs.stat(path).catch(() => undefined);
      if (stats?.isDirectory()) throw folderInTheWay(path);
      return "exists";
    }
  }

  /** Runs `publish` in a folder that is durable; once more when the folder was removed since it was found so. */
  async #inFolder<T>(folder: string, publish: () => Promise<T>): Promise<T> {
    await this.#ensureFolder(folder);
    try {
      return await publish();
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
      this.#folders.clear();
      await this.#ensureFolder(folder);
      return publish();
    }
  }

  #ensureFolder(folder: string): Promise<void> {
    if (folder === this.#directory) return Promise.resolve();
    const known = this.#folders.get(folder);
    if (known !== undefined) return known;
    if (this.#folders.size >= foldersMax) this.#folders.clear();
    const ensured = this.#makeFolder(folder);
    this.#folders.set(folder, ensured);
    ensured.catch(() => this.#folders.delete(folder));
    return ensured;
  }

  async #makeFolder(folder: string): Promise<void> {
    await makeFolders(this.#fs, folder);
    for (let child = folder; child !== this.#directory; child = dirname(child)) {
      await this.syncFolder(dirname(child));
    }
  }

  async #syncPublished(path: string): Promise<void> {
    try {
      await this.syncFolder(dirname(path));
    } catch (error) {
      throw new StoreError(
        "unknown-outcome",
        `The file ${path} got its name, but its folder could not be synced (${codeOf(error) ?? String(error)}): it may be gone after a power failure.`,
        { cause: error },
      );
    }
  }

  #prepare(): Promise<void> {
    if (this.#prepared === undefined) {
      const prepared = this.#makeDirectories().then(() => this.#sweep());
      this.#prepared = prepared;
      prepared.catch(() => {
        if (this.#prepared === prepared) this.#prepared = undefined;
      });
    }
    return this.#prepared;
  }

  async #makeDirectories(): Promise<void> {
    const temporary = join(this.#directory, temporaryFolder);
    if (!this.#createDirectory) {
      // Not recursive: a disk that is not mounted must not be replaced by a folder on the disk below it.
      await this.#fs.mkdir(temporary).catch((error: unknown) => {
        if (codeOf(error) === "ENOENT") throw missingDirectory(this.#directory, error);
        if (codeOf(error) !== "EEXIST") throw error;
      });
      return;
    }
    // A first try may have made folders and then failed to make the next, or to sync them.
    const mkdir = async (folder: string): Promise<void> => {
      await this.#fs.mkdir(folder);
      this.#firstMade ??= folder;
    };
    await makeFolders({ mkdir: mkdir as FileSystem["mkdir"] }, this.#directory);
    if (this.#firstMade === undefined) await this.#syncParent();
    else {
      const top = dirname(this.#firstMade);
      for (let child = this.#directory; child !== top; child = dirname(child)) {
        await this.syncFolder(dirname(child));
      }
      this.#firstMade = undefined;
    }
    await makeFolders(this.#fs, temporary);
  }

  /** The store's folder is there: whoever made it may not have got as far as syncing it into its parent. */
  async #syncParent(): Promise<void> {
    try {
      await this.syncFolder(dirname(this.#directory));
    } catch (error) {
      // Who may not read the parent has not made the folder, and who made it could sync it.
      if (codeOf(error) !== "EACCES" && codeOf(error) !== "EPERM") throw error;
    }
  }

  /** Removes what crashed processes have left. A failure here is nobody's concern: the next store tries again. */
  async #sweep(): Promise<void> {
    const folder = join(this.#directory, temporaryFolder);
    const names = await this.#fs.readdir(folder).catch((): string[] => []);
    for (const name of names) {
      try {
        const path = join(folder, name);
        const { mtimeMs } = await this.#fs.stat(path);
        if (this.#clock.now() - mtimeMs > temporaryAgeMs) await this.#fs.unlink(path);
      } catch {
        // Another process was quicker.
      }
    }
  }
}

function folderInTheWay(path: string): StoreError {
  return new StoreError(
    "invalid",
    `A folder is at ${path.split(sep).join("/")}, where the object's file would have to be.`,
  );
}

function missingDirectory(directory: string, cause: unknown): StoreError {
  return new StoreError(
    "invalid",
    `The folder ${directory} does not exist. Create it, mount the disk it belongs to, or set "createDirectory".`,
    { cause },
  );
}
