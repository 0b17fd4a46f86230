/**
 * `SyncedFolders`: makes the names in folders durable.
 *
 * A sync covers what was done before it began. So those who ask while one of the same folder is under way wait for the next
 * one, all together; when the one before it fails, they fail with it, as it may have been their names that were lost.
 * The handle of a folder stays open for a while: a folder that is written to is written to again.
 */
import type { FileHandle } from "node:fs/promises";
import { systemClock } from "../common/clock.js";
import type { FileSystem } from "./file-system.js";

/** Handles that are kept; folders beyond are opened each time. */
const handlesMax = 16;
/** ms; in files of a process that has nothing to do, a handle would only be in the way. */
const idleMs = 1000;

/** The handle of a folder, and which folder it was. */
interface OpenFolder {
  readonly file: FileHandle;
  readonly dev: number;
  readonly ino: number;
}

interface Folder {
  running: Promise<void> | undefined;
  next: Promise<void> | undefined;
  open: OpenFolder | undefined;
  used: boolean;
}

export class SyncedFolders {
  readonly #fs: FileSystem;
  readonly #folders = new Map<string, Folder>();

  constructor(fileSystem: FileSystem) {
    this.#fs = fileSystem;
  }

  /** Resolves when all names that `folder` has now are durable. */
  sync(folder: string): Promise<void> {
    // Windows neither opens nor needs to sync a folder: NTFS writes names through its journal.
    if (process.platform === "win32") return Promise.resolve();
    const known = this.#folders.get(folder) ?? this.#add(folder);
    if (known === undefined) return this.#syncOnce(folder);
    if (known.next !== undefined) return known.next;
    if (known.running === undefined) return this.#start(folder, known);
    known.next = known.running.then(() => {
      known.next = undefined;
      return this.#start(folder, known);
    });
    return known.next;
  }

  #add(path: string): Folder | undefined {
    if (this.#folders.size >= handlesMax) return undefined;
    const folder = { running: undefined, next: undefined, open: undefined, used: true };
    this.#folders.set(path, folder);
    this.#closeWhenIdle(path, folder);
    return folder;
  }

  #start(path: string, folder: Folder): Promise<void> {
    folder.used = true;
    const running = this.#sync(path, folder).then(
      () => {
        if (folder.running === running) folder.running = undefined;
      },
      async (error: unknown) => {
        this.#folders.delete(path);
        await folder.open?.file.close().catch(() => undefined);
        throw error;
      },
    );
    folder.running = running;
    return running;
  }

  async #sync(path: string, folder: Folder): Promise<void> {
    const { open } = folder;
    if (open !== undefined) {
      const isSame = this.#fs.stat(path).then(
        ({ dev, ino }) => dev === open.dev && ino === open.ino,
        () => false,
      );
      await open.file.sync();
      if (await isSame) return;
      // Removed and made again, by whomever: the names are in the new one.
      folder.open = undefined;
      await open.file.close();
    }
    const file = await this.#fs.open(path, "r");
    try {
      const { dev, ino } = await file.stat();
      await file.sync();
      folder.open = { file, dev, ino };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async #syncOnce(path: string): Promise<void> {
    const file = await this.#fs.open(path, "r");
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /** By the system's clock: an open handle is of the real world, also where a test makes time. */
  #closeWhenIdle(path: string, folder: Folder): void {
    folder.used = false;
    const look = (): void => {
      if (this.#folders.get(path) !== folder) return;
      if (folder.used || folder.running !== undefined) {
        this.#closeWhenIdle(path, folder);
        return;
      }
      this.#folders.delete(path);
      folder.open?.file.close().catch(() => undefined);
    };
    systemClock.after(idleMs, look, { idle: true });
  }
}
