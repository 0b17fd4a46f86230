/** `ownershipOf`: whether an object that is named like one of this database is one. What belongs to another is never deleted. */
import { CorruptionError, UnsupportedError } from "../common/errors.js";
import { type Ulid, ulidFromBytes, ulidToBytes } from "../common/ids.js";
import { envelopeHeaderBytes } from "../format/envelope.js";
import { readFooter } from "../format/sst-tail.js";
import { decodeWalObject, encodeWalFence } from "../format/wal-object.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { parseSstPath, parseWalPath } from "../object-store/paths.js";

export interface Owner {
  readonly databaseId: Ulid;
  /** Databases whose objects lie at this one's own path: copies that a detach or an export has made. */
  readonly copied: ReadonlySet<Ulid>;
  readonly signal: AbortSignal | undefined;
}

const isOwn = (found: Ulid | undefined, { databaseId, copied }: Owner): boolean =>
  found !== undefined && (found === databaseId || copied.has(found));

/** From the end of an SST: its footer and section table, with room for sections to come. */
const sstTailBytes = 512;

/** "gone": another one deleted it meanwhile. One GET of a few bytes. */
export async function ownershipOf(
  store: ObjectStore,
  path: string,
  owner: Owner,
): Promise<"own" | "foreign" | "gone"> {
  const sst = parseSstPath(path);
  const range =
    sst === undefined ? { offset: 0, length: envelopeHeaderBytes } : { suffix: sstTailBytes };
  const object = await store.get(path, { range, signal: owner.signal });
  if (object === undefined) return "gone";
  const { bytes, size } = object;
  const found = sst === undefined ? ownerOfEnvelope(bytes) : ownerOfSst(bytes, { size, path, sst });
  return isOwn(found, owner) ? "own" : "foreign";
}

function ownerOfEnvelope(header: Uint8Array): Ulid | undefined {
  const isOurs = header[0] === 0x4d && header[1] === 0x52 && header[2] === 0x4e;
  if (header.length < envelopeHeaderBytes || !isOurs) return undefined;
  return ulidFromBytes(header.subarray(8, 24));
}

/** Undefined: it is another SST, or none that can be read. */
function ownerOfSst(
  tail: Uint8Array,
  { size, path, sst }: { size: number; path: string; sst: Ulid },
): Ulid | undefined {
  try {
    const footer = readFooter(tail, size, path);
    return footer.sstId === sst ? footer.databaseId : undefined;
  } catch (error) {
    if (isUnreadable(error)) return undefined;
    throw error;
  }
}

const zeros = new Uint8Array(16);

/** A fence has no records, so whatever is longer is none. */
export const fenceBytes: number = encodeWalFence(ulidFromBytes(ulidToBytes("0".repeat(26))), {
  ...{ epoch: 1, id: 1, token: zeros, closerEpoch: 1 },
}).length;

/** What a WAL object is, read and checked whole. */
export async function walContentOf(
  store: ObjectStore,
  path: string,
  { databaseId, signal }: Pick<Owner, "databaseId" | "signal">,
): Promise<"record" | "fence" | "foreign" | "gone"> {
  const position = parseWalPath(path);
  const object = await store.get(path, { signal });
  if (position === undefined || object === undefined) return "gone";
  try {
    return decodeWalObject(object.bytes, path, databaseId, position).fence ? "fence" : "record";
  } catch (error) {
    if (isUnreadable(error)) return "foreign";
    throw error;
  }
}

/** Damaged, of another database or of a later version: not ours to delete. */
function isUnreadable(error: unknown): boolean {
  return error instanceof CorruptionError || error instanceof UnsupportedError;
}
