/**
 * `DiskCacheSpace`: what the files of a disk cache occupy, and how they are kept within a bound.
 *
 * It counts what its process adds, and lists the folder when it does not know better: at the first write, when the bound is
 * reached, and after each eighth of it, because other processes add and remove too. What a listing under way may have missed is
 * counted on top, so that the bound holds.
 */
import type { Clock } from "../common/clock.js";
import { type CacheFileSystem, chooseEviction, listCache } from "./disk-cache-files.js";
import { isAbsent } from "./file-system.js";

export interface DiskCacheSpaceOptions {
  dir: string;
  bytes: number;
  clock: Clock;
  fileSystem: CacheFileSystem;
}

const usedMax = 200_000;

export class DiskCacheSpace {
  evictions = 0;
  readonly #options: DiskCacheSpaceOptions;
  /** Of the files, as of the last listing and with what was added since; undefined before the first. */
  #bytes: number | undefined;
  /** What it keeps to now: less than the bound after the disk was full. */
  #limit: number;
  /** Since the last listing. */
  #addedBytes = 0;
  #writingBytes = 0;
  /** What the listing under way may have missed: all that was being written at any moment of it. */
  #unlistedBytes = 0;
  #listing: Promise<void> | undefined;
  /** Files that were read since some were last given up, each as a number: two may be taken for each other. */
  #used = new Set<number>();

  constructor(options: DiskCacheSpaceOptions) {
    this.#options = options;
    this.#limit = options.bytes;
  }

  /** About; 0 before the first write. */
  get bytes(): number {
    return this.#bytes ?? 0;
  }

  /** A file was read: others are given up before it. */
  use(path: string): void {
    if (this.#used.size < usedMax) this.#used.add(markOf(path));
  }

  /** True when a file of so many bytes could ever be kept. */
  canHold(bytes: number): boolean {
    return bytes <= this.#limit;
  }

  /** Resolves when `bytes` more are within the bound, as far as that is possible. Rejects when the disk fails. */
  async makeRoom(bytes: number): Promise<void> {
    const isKnown = this.#bytes !== undefined && this.#addedBytes < this.#limit / 8;
    if (!isKnown || !this.#hasRoom(bytes)) await this.#list();
  }

  /** Takes room for a file that will be written now, until `written`. False when there is none. */
  take(bytes: number): boolean {
    if (!this.#hasRoom(bytes)) return false;
    this.#bytes = this.bytes + bytes;
    this.#addedBytes += bytes;
    this.#writingBytes += bytes;
    this.#unlistedBytes += bytes;
    return true;
  }

  /** The file is complete, or was given up. */
  written(bytes: number): void {
    this.#writingBytes -= bytes;
  }

  async remove(path: string, bytes: number): Promise<void> {
    try {
      await this.#options.fileSystem.unlink(path);
      this.evictions++;
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
    this.#bytes = Math.max(0, this.bytes - bytes);
  }

  /** The disk is full: gives way to whatever else needs it. The bound comes back with time. */
  giveWay(): void {
    const limit = Math.floor(this.bytes * 0.75);
    this.#limit = Math.max(Math.min(this.#limit, limit), this.#options.bytes / 16);
    this.#list().catch(() => undefined);
  }

  #hasRoom(bytes: number): boolean {
    return this.bytes + bytes <= this.#limit;
  }

  #list(): Promise<void> {
    this.#listing ??= this.#listAndEvict().finally(() => {
      this.#listing = undefined;
    });
    return this.#listing;
  }

  async #listAndEvict(): Promise<void> {
    const { fileSystem, dir, clock, bytes: bytesMax } = this.#options;
    this.#unlistedBytes = this.#writingBytes;
    const { files, folders } = await listCache(fileSystem, dir);
    const total = files.reduce((sum, file) => sum + file.bytes, 0);
    const used = this.#used;
    const isFull = total > this.#limit * 0.875;
    const eviction = chooseEviction(files, {
      bytesMax: isFull ? this.#limit * 0.75 : this.#limit,
      nowMs: clock.now(),
      isUsed: (path) => used.has(markOf(path)),
    });
    this.#bytes = total + this.#unlistedBytes;
    this.#addedBytes = 0;
    for (const file of eviction.remove) await this.remove(file.path, file.bytes);
    const now = clock.now() / 1000;
    for (const { path } of eviction.spare) {
      await fileSystem.utimes(path, now, now).catch(() => undefined);
    }
    if (eviction.remove.length > 0) {
      this.#used = new Set();
      // Fails for those that are not empty.
      for (const folder of folders) await fileSystem.rmdir(folder).catch(() => undefined);
    }
    // A disk that was full may have space again.
    this.#limit = Math.min(bytesMax, this.#limit * 1.125);
  }
}

function markOf(path: string): number {
  let mark = 0;
  for (let i = path.length - 1; i >= 0; i--) mark = (Math.imul(mark, 31) + path.charCodeAt(i)) | 0;
  return mark;
}
