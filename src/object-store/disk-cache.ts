/**
 * `DiskCache`: parts of immutable objects as files, for the next process, and for what memory has no room for.
 *
 * It never fails: what cannot be read, or is not what it should be, is not there; what cannot be written is not kept. Entries are
 * written in the background, under another name first, and checked when they are read, so that neither a crash at any
 * moment nor another process in the same folder does harm. There are no locks and no index: a lookup opens a file, and
 * whoever finds the folder full lists it and gives up what is oldest, but for what it has used itself since it last looked.
 *
 * Bound: one process keeps to `bytes`, see `disk-cache-space.ts`; n at once may exceed it by n eighths. A disk that is full lowers it for a
 * while.
 */
import { constants } from "node:fs";
import { join } from "node:path";
import type { Bytes } from "../common/bytes.js";
import { allocateBytes } from "../common/bytes.js";
import type { Clock } from "../common/clock.js";
import { type Deferred, deferred } from "../common/deferred.js";
import type { Ulid } from "../common/ids.js";
import type { Random } from "../common/random.js";
import {
  type CachedPart,
  decodePart,
  encodePart,
  type PartPlace,
  partFileBytes,
} from "./cached-part.js";
import { type CacheFileSystem, listFolder, nodeCacheFileSystem } from "./disk-cache-files.js";
import { DiskCacheSpace } from "./disk-cache-space.js";
import { codeOf, isAbsent, makeFolders } from "./file-system.js";
import type { ObjectMeta } from "./object-store.js";

export interface DiskCacheOptions {
  /** Made when it does not exist. Only its owner may write to it: entries are checked for damage, not for malice. */
  dir: string;
  /** What its files may hold. */
  bytes: number;
  clock: Clock;
  random: Random;
  fileSystem?: CacheFileSystem | undefined;
  /** The unit of reading and keeping; default 64 KiB. */
  partBytes?: number | undefined;
  /** What may wait to be written; default 16 MiB. More is not kept. */
  queueBytesMax?: number | undefined;
}

export interface DiskCacheStats {
  /** About: other processes add and remove too. 0 before the first write. */
  readonly bytes: number;
  readonly bytesMax: number;
  /** Reads of ranges that needed no request, and those that did. */
  readonly hits: number;
  readonly misses: number;
  /** Of all reads, those that hit, from 0 to 1; 0 before the first. */
  readonly hitRatio: number;
  /** Entries written. */
  readonly writes: number;
  /** Entries not kept because too many waited, or while writing was off. */
  readonly skipped: number;
  readonly evictions: number;
  /** Entries that were damaged or foreign, and were dropped. */
  readonly damaged: number;
  /** How often reading or writing was turned off for half a minute because the disk failed. */
  readonly pauses: number;
}

interface Write {
  readonly folder: string;
  readonly path: string;
  readonly place: PartPlace;
  readonly part: CachedPart;
  /** Of the file. */
  readonly bytes: number;
  /** It is written, or given up. */
  readonly end: Deferred<void>;
}

const pauseMs = 30_000;
const closeMs = 250;
/** Node has four threads for files: half of them stay free for reads. */
const writesAtOnce = 2;
/** Opening what is no file must not wait for whoever writes to it. */
const readFlags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

export class DiskCache {
  readonly partBytes: number;
  readonly #dir: string;
  readonly #bytesMax: number;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #fileSystem: CacheFileSystem;
  readonly #queueBytesMax: number;
  readonly #space: DiskCacheSpace;
  readonly #counts = {
    hits: 0,
    misses: 0,
    writes: 0,
    skipped: 0,
    damaged: 0,
    pauses: 0,
  };
  readonly #queue: Write[] = [];
  #queueBytes = 0;
  #writing = 0;
  /** Entries that are waiting or being written, by path: they are read from here, and need no second write. */
  readonly #pending = new Map<string, Write>();
  /** Folders of objects of which nothing may be read. */
  readonly #inDoubt = new Set<string>();
  /** How often something was dropped. */
  #drops = 0;
  #readsOffUntil = 0;
  #writesOffUntil = 0;
  #isClosed = false;
  #whenIdle: (() => void)[] = [];

  constructor(options: DiskCacheOptions) {
    this.#dir = options.dir;
    this.#bytesMax = options.bytes;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#fileSystem = options.fileSystem ?? nodeCacheFileSystem;
    const { dir, bytes, clock } = options;
    this.#space = new DiskCacheSpace({ dir, bytes, clock, fileSystem: this.#fileSystem });
    this.partBytes = options.partBytes ?? 64 * 1024;
    this.#queueBytesMax = options.queueBytesMax ?? 16 * 1024 * 1024;
  }

  stats(): DiskCacheStats {
    const { hits, misses } = this.#counts;
    return {
      bytes: this.#space.bytes,
      bytesMax: this.#bytesMax,
      ...this.#counts,
      evictions: this.#space.evictions,
      hitRatio: hits + misses === 0 ? 0 : hits / (hits + misses),
    };
  }

  /** A read of a range was answered without a request, or was not. */
  count(isHit: boolean): void {
    if (isHit) this.#counts.hits++;
    else this.#counts.misses++;
  }

  /** A part, as it was written. Never rejects. */
  async read(databaseId: Ulid, objectId: Ulid, part: number): Promise<CachedPart | undefined> {
    const { name, path, folder, offset } = this.#place(databaseId, objectId, part);
    if (this.#inDoubt.has(folder)) return undefined;
    const pending = this.#pending.get(path);
    if (pending !== undefined) return pending.part;
    if (this.#clock.monotonic() < this.#readsOffUntil) return undefined;
    const drops = this.#drops;
    let file: Bytes | undefined;
    try {
      file = await this.#readFile(path, partFileBytes(name, this.partBytes));
    } catch (error) {
      if (!isAbsent(error)) this.#pauseReads();
      return undefined;
    }
    // It may be this that was dropped meanwhile: whoever reads it after that must not be given it.
    if (this.#drops !== drops) return undefined;
    const found = file && decodePart(file, { name, offset });
    if (found === undefined) {
      this.#counts.damaged++;
      await this.#fileSystem.unlink(path).catch(() => undefined);
      return undefined;
    }
    this.#space.use(path);
    return found;
  }

  /** Keeps a part, soon or not at all. The bytes must not change. */
  write(databaseId: Ulid, objectId: Ulid, part: number, object: ObjectMeta, bytes: Bytes): void {
    const { name, path, folder, offset } = this.#place(databaseId, objectId, part);
    if (this.#pending.has(path)) return;
    const isOff =
      this.#isClosed || this.#clock.monotonic() < this.#writesOffUntil || this.#inDoubt.has(folder);
    const fileBytes = partFileBytes(name, bytes.length);
    if (
      isOff ||
      !this.#space.canHold(fileBytes) ||
      this.#queueBytes + fileBytes > this.#queueBytesMax
    ) {
      this.#counts.skipped++;
      return;
    }
    const write: Write = {
      ...{ folder, path, place: { name, offset } },
      ...{ part: { object, bytes }, bytes: fileBytes, end: deferred() },
    };
    this.#queue.push(write);
    this.#queueBytes += fileBytes;
    this.#pending.set(path, write);
    if (this.#writing < writesAtOnce) void this.#work();
  }

  /**
   * What was read of an object is in doubt, though it is what was written: from now on nothing of it is found, and what is on the
   * disk is removed in the background. Never rejects.
   */
  async drop(databaseId: Ulid, objectId: Ulid): Promise<void> {
    const { folder } = this.#place(databaseId, objectId, 0);
    if (this.#inDoubt.has(folder)) return;
    this.#inDoubt.add(folder);
    this.#drops++;
    this.#counts.damaged++;
    this.#skipQueue((write) => write.folder === folder);
    try {
      // What is being written would come after.
      await this.idle();
      for (const file of await listFolder(this.#fileSystem, folder)) {
        if (!file.isTemporary) await this.#space.remove(file.path, file.bytes);
      }
    } catch {
      // What cannot be removed must not be read again.
      return;
    }
    this.#inDoubt.delete(folder);
  }

  /**
   * Waits until what is to be written of a range of an object is, and of nothing else. True when all of it is on the disk then. Never
   * rejects.
   */
  async kept(
    databaseId: Ulid,
    objectId: Ulid,
    range: { readonly offset: number; readonly length: number },
  ): Promise<boolean> {
    const paths: string[] = [];
    const end = range.offset + range.length;
    for (let part = Math.floor(range.offset / this.partBytes); part * this.partBytes < end; part++)
      paths.push(this.#place(databaseId, objectId, part).path);
    for (const path of paths) await this.#pending.get(path)?.end.promise;
    const isThere = (path: string): Promise<boolean> =>
      this.#fileSystem.stat(path).then(
        () => true,
        () => false,
      );
    return (await Promise.all(paths.map(isThere))).every(Boolean);
  }

  /** Resolves when nothing waits to be written. */
  idle(): Promise<void> {
    if (this.#writing === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  /** Keeps nothing more. Resolves when what waits is written, or after a quarter of a second without what is left. Twice is harmless. */
  async close(): Promise<void> {
    this.#isClosed = true;
    let cancel = (): void => undefined;
    const timeout = new Promise<void>((resolve) => {
      const timer = this.#clock.after(closeMs, resolve, { idle: true });
      cancel = () => timer.cancel();
    });
    await Promise.race([this.idle(), timeout]);
    cancel();
    this.#skipQueue();
  }

  #place(databaseId: Ulid, objectId: Ulid, part: number) {
    const folder = join(this.#dir, databaseId, objectId);
    const path = join(folder, `${part}.part`);
    return { name: `${databaseId}/${objectId}`, folder, path, offset: part * this.partBytes };
  }

  /** Undefined when it is longer than an entry can be, or no file. */
  async #readFile(path: string, bytesMax: number): Promise<Bytes | undefined> {
    const file = await this.#fileSystem.open(path, readFlags);
    try {
      const buffer = allocateBytes(bytesMax + 1);
      let length = 0;
      while (length < buffer.length) {
        const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
        if (bytesRead === 0) break;
        length += bytesRead;
        // The last part of an object is short, and so is a damaged one: its end has to be looked for.
        if (length === bytesMax) break;
      }
      return length > bytesMax ? undefined : buffer.subarray(0, length);
    } catch (error) {
      const code = codeOf(error);
      if (code === "EISDIR" || code === "EAGAIN") return undefined;
      throw error;
    } finally {
      await file.close();
    }
  }

  async #work(): Promise<void> {
    this.#writing++;
    try {
      for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
        await this.#space.makeRoom(next.bytes);
        if (this.#queue[0] !== next) continue;
        this.#queue.shift();
        this.#queueBytes -= next.bytes;
        try {
          if (this.#space.take(next.bytes)) await this.#writeFile(next);
          else this.#counts.skipped++;
        } finally {
          this.#ended(next);
        }
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#writing--;
      if (this.#writing === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
    }
  }

  async #writeFile({ folder, path, place, part, bytes }: Write): Promise<void> {
    const token = Buffer.from(this.#random.bytes(8)).toString("hex");
    const temporary = join(folder, `${token}.tmp`);
    try {
      // Whoever gives up the last entry of a folder removes it, maybe at this moment.
      const file = await this.#create(folder, temporary).catch((error: unknown) => {
        if (!isAbsent(error)) throw error;
        return this.#create(folder, temporary);
      });
      try {
        // Encoded only now: earlier would be on the way of a read.
        await file.writeFile(encodePart(place, part.object, part.bytes));
      } finally {
        await file.close();
      }
      await this.#fileSystem.rename(temporary, path);
      this.#counts.writes++;
    } catch (error) {
      await this.#fileSystem.unlink(temporary).catch(() => undefined);
      throw error;
    } finally {
      this.#space.written(bytes);
    }
  }

  async #create(folder: string, temporary: string) {
    try {
      return await this.#fileSystem.open(temporary, "wx");
    } catch (error) {
      if (!isAbsent(error)) throw error;
      await makeFolders(this.#fileSystem, folder);
      return this.#fileSystem.open(temporary, "wx");
    }
  }

  #failed(error: unknown): void {
    const now = this.#clock.monotonic();
    if (now >= this.#writesOffUntil) this.#counts.pauses++;
    this.#writesOffUntil = now + pauseMs;
    this.#skipQueue();
    const code = codeOf(error);
    if (code === "ENOSPC" || code === "EDQUOT") this.#space.giveWay();
  }

  #pauseReads(): void {
    const now = this.#clock.monotonic();
    if (now >= this.#readsOffUntil) this.#counts.pauses++;
    this.#readsOffUntil = now + pauseMs;
  }

  #skipQueue(isSkipped: (write: Write) => boolean = () => true): void {
    for (const write of this.#queue.splice(0)) {
      if (!isSkipped(write)) {
        this.#queue.push(write);
        continue;
      }
      this.#counts.skipped++;
      this.#queueBytes -= write.bytes;
      this.#ended(write);
    }
  }

  #ended(write: Write): void {
    this.#pending.delete(write.path);
    write.end.resolve();
  }
}
