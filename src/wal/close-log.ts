/**
 * Closing the log of an older epoch, so that its writer can never acknowledge again.
 *
 * A fence is created at the first free id at or above where replay starts. The create is the judge, the listing only a
 * guess: what exists is read; a fence there ends the log, a record there is replayed, and later ids are tried. As many ids
 * as the old writer may have in flight, and one more, are tried at once: it is enough that every id up to the first fence
 * is taken.
 */
import type { Ulid } from "../common/ids.js";
import type { Random } from "../common/random.js";
import { decodeWalObject, encodeWalFence, type WalObject } from "../format/wal-object.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths, parseWalPath } from "../object-store/paths.js";

export interface CloseLogOptions {
  store: ObjectStore;
  databaseId: Ulid;
  random: Random;
  /** The log to close. */
  epoch: number;
  /** Where replay of it starts. */
  fromId: number;
  /** How many PUTs its writer may have in flight. */
  putsInFlight: number;
  /** Who closes it. */
  closerEpoch: number;
  signal?: AbortSignal | undefined;
}

export interface ClosedLog {
  readonly epoch: number;
  readonly fromId: number;
  /** The id of the first fence that is known; replay may find an earlier one. */
  readonly endId: number;
  /** Objects that had to be read on the way, by id. */
  readonly objects: ReadonlyMap<number, WalObject>;
}

/** Undefined when an object is gone that was there: a newer writer took over, or it is damage. */
export async function closeLog(options: CloseLogOptions): Promise<ClosedLog | undefined> {
  const { epoch, fromId } = options;
  const objects = new Map<number, WalObject>();
  const listed = await listLog(options);
  let firstFree = fromId;
  while (listed.has(firstFree)) firstFree++;
  const last = firstFree - 1;
  if (last >= fromId && listed.get(last) === fenceBytes(options)) {
    // It has the size of a fence, so it probably is one, and then no other is made.
    const object = await readWalObject(options, last);
    if (object === undefined) return undefined;
    objects.set(last, object);
    if (object.fence) return { epoch, fromId, endId: last, objects };
  }
  if (await isMissing(options, firstFree, listed)) return undefined;
  for (;;) {
    const ids = Array.from({ length: options.putsInFlight + 1 }, (_, i) => firstFree + i);
    const placed = await Promise.all(ids.map((id) => placeFence(options, id)));
    for (const [i, id] of ids.entries()) {
      const found = placed[i];
      if (found === "gone") return undefined;
      if (found === "placed") return { epoch, fromId, endId: id, objects };
      objects.set(id, found!);
      if (found!.fence) return { epoch, fromId, endId: id, objects };
    }
    firstFree += ids.length;
  }
}

/**
 * A record says up to which id every object of the log was stored when it was sealed; and as a writer sends an id only when
 * fewer than `putsInFlight` are on their way, a record at id r says so of every id up to r - `putsInFlight`. If one of those
 * is absent it has been deleted, and a fence there would make acknowledged records void without a word. Listings are only
 * guesses: both objects are looked at.
 */
async function isMissing(
  options: CloseLogOptions,
  firstFree: number,
  listed: ReadonlyMap<number, number>,
): Promise<boolean> {
  const fence = fenceBytes(options);
  let lastRecord = 0;
  for (const [id, size] of listed) if (size !== fence && id > lastRecord) lastRecord = id;
  if (firstFree > lastRecord) return false;
  const [free, record] = await Promise.all([
    readWalObject(options, firstFree),
    readWalObject(options, lastRecord),
  ]);
  if (free !== undefined || record === undefined || record.fence) return false;
  return firstFree <= Math.max(lastRecord - options.putsInFlight, record.acknowledgedId);
}

/** One object of a log, checked; undefined when absent. */
export async function readWalObject(
  options: {
    store: ObjectStore;
    databaseId: Ulid;
    epoch: number;
    signal?: AbortSignal | undefined;
  },
  id: number,
): Promise<WalObject | undefined> {
  const { store, databaseId, epoch, signal } = options;
  const path = ObjectPaths.wal(epoch, id);
  const object = await store.get(path, { signal });
  return object && decodeWalObject(object.bytes, path, databaseId, { epoch, id });
}

async function listLog(options: CloseLogOptions): Promise<Map<number, number>> {
  const { store, epoch, fromId, signal } = options;
  const after = ObjectPaths.wal(epoch, fromId - 1);
  const sizes = new Map<number, number>();
  for await (const { key, size } of store.list({
    prefix: ObjectPaths.walPrefix(epoch),
    after,
    signal,
  })) {
    const position = parseWalPath(key);
    if (position !== undefined && position.id >= fromId) sizes.set(position.id, size);
  }
  return sizes;
}

function encodeFence(options: CloseLogOptions, id: number): Uint8Array {
  const { databaseId, random, epoch, closerEpoch } = options;
  return encodeWalFence(databaseId, { epoch, id, token: random.bytes(16), closerEpoch });
}

const fenceBytes = (options: CloseLogOptions): number => encodeFence(options, 1).length;

async function placeFence(
  options: CloseLogOptions,
  id: number,
): Promise<"placed" | "gone" | WalObject> {
  const { store, epoch, signal } = options;
  const outcome = await store.create(ObjectPaths.wal(epoch, id), encodeFence(options, id), {
    signal,
  });
  if (outcome === "created") return "placed";
  return (await readWalObject(options, id)) ?? "gone";
}
