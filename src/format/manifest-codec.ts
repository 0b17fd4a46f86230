/** Manifests and runs to and from bytes: protobuf in an envelope. The only place that sees the 64-bit objects of protobufjs. */
import type { Bytes } from "../common/bytes.js";
import { compareBytes, copyBytes, emptyBytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import { type Ulid, ulidFromBytes, ulidToBytes } from "../common/ids.js";
import { EnvelopeKind, openEnvelope, sealEnvelope } from "./envelope.js";
import { moraine } from "./generated/manifest.js";
import type {
  Checkpoint,
  ExternalDatabase,
  L0Entry,
  Manifest,
  PinnedSettings,
  RetiredKind,
  RetiredObjects,
  SortedRun,
  SstInfo,
  WalLocation,
} from "./manifest.js";

const { Manifest: ManifestMessage, Run: RunMessage } = moraine.v1;

/** No id: the floor of a role that has named nothing. */
export const noUlid: Ulid = "";

export function encodeManifest(manifest: Manifest): Bytes {
  const payload = ManifestMessage.encode({
    ...manifest,
    databaseId: ulidToBytes(manifest.databaseId),
    writerFloor: optionalUlid(manifest.writerFloor),
    compactorFloor: optionalUlid(manifest.compactorFloor),
    l0: manifest.l0.map((entry) => ({ seq: entry.seq, ssts: entry.ssts.map(sstMessage) })),
    runs: manifest.runs.map((run) => ({
      ...run,
      id: ulidToBytes(run.id),
      ssts: run.ssts.map(sstMessage),
    })),
    checkpoints: manifest.checkpoints.map((checkpoint) => ({
      ...checkpoint,
      id: ulidToBytes(checkpoint.id),
    })),
    externals: manifest.externals.map((external) => ({
      ...external,
      databaseId: ulidToBytes(external.databaseId),
      checkpointId: ulidToBytes(external.checkpointId),
    })),
    retired: manifest.retired.map((entry) => ({ ...entry, ids: entry.ids.map(ulidToBytes) })),
  }).finish();
  return sealEnvelope(EnvelopeKind.manifest, manifest.databaseId, [payload]);
}

/** `number` is what the object's name says; undefined for the hint. Throws `CorruptionError` or `UnsupportedError`. */
export function decodeManifest(bytes: Uint8Array, object: string, number?: number): Manifest {
  const envelope = openEnvelope(bytes, EnvelopeKind.manifest, object);
  const fields = new Fields(
    decodeMessage(ManifestMessage.decode, envelope.payload, object),
    object,
  );
  const manifest: Manifest = {
    number: fields.integer("number"),
    databaseId: fields.ulid("databaseId"),
    createdAt: fields.integer("createdAt"),
    token: fields.bytes("token"),
    destroyed: fields.boolean("destroyed"),
    requiredFeatures: fields.integers("requiredFeatures"),
    optionalFeatures: fields.integers("optionalFeatures"),
    writerEpoch: fields.integer("writerEpoch"),
    compactorEpoch: fields.integer("compactorEpoch"),
    lastL0Seq: fields.integer("lastL0Seq"),
    lastSeq: fields.integer("lastSeq"),
    snapshotSeq: fields.integer("snapshotSeq"),
    walStart: walPosition(fields.message("walStart")),
    walChain: fields.messages("walChain").map((epoch) => ({
      epoch: epoch.integer("epoch"),
      putsInFlight: epoch.integer("putsInFlight"),
    })),
    l0: fields.messages("l0").map(l0Entry),
    runs: fields.messages("runs").map(sortedRun),
    checkpoints: fields.messages("checkpoints").map(checkpoint),
    externals: fields.messages("externals").map(external),
    retired: fields.messages("retired").map(retiredObjects),
    writerFloor: fields.ulidOrNone("writerFloor"),
    compactorFloor: fields.ulidOrNone("compactorFloor"),
    pinned: pinnedSettings(fields.message("pinned")),
  };
  if (manifest.databaseId !== envelope.databaseId) {
    throw new CorruptionError(object, "its two database ids differ");
  }
  if (number !== undefined && manifest.number !== number) {
    throw new CorruptionError(object, `it says that it is manifest ${manifest.number}`);
  }
  return manifest;
}

/** @internal Until compaction writes runs. */
export function encodeRun(databaseId: Ulid, id: Ulid, ssts: readonly SstInfo[]): Bytes {
  const payload = RunMessage.encode({ id: ulidToBytes(id), ssts: ssts.map(sstMessage) }).finish();
  return sealEnvelope(EnvelopeKind.run, databaseId, [payload]);
}

/** @internal Until compaction writes runs. */
export function decodeRun(
  bytes: Uint8Array,
  object: string,
  databaseId: Ulid,
  id: Ulid,
): readonly SstInfo[] {
  const envelope = openEnvelope(bytes, EnvelopeKind.run, object, databaseId);
  const fields = new Fields(decodeMessage(RunMessage.decode, envelope.payload, object), object);
  const found = fields.ulid("id");
  if (found !== id) throw new CorruptionError(object, `it says that it is run ${found}`);
  return fields.messages("ssts").map(sstInfo);
}

const optionalUlid = (id: Ulid): Bytes => (id === noUlid ? emptyBytes : ulidToBytes(id));
const sstMessage = (info: SstInfo): object => ({ ...info, id: ulidToBytes(info.id) });

const walPosition = (fields: Fields): Manifest["walStart"] => ({
  epoch: fields.integer("epoch"),
  id: fields.integer("id"),
});

const l0Entry = (fields: Fields): L0Entry => ({
  ssts: fields.messages("ssts").map(sstInfo),
  seq: fields.integer("seq"),
});

function sstInfo(fields: Fields): SstInfo {
  const info: SstInfo = {
    id: fields.ulid("id"),
    size: fields.integer("size"),
    metaOffset: fields.integer("metaOffset"),
    topOffset: fields.integer("topOffset"),
    firstKey: fields.bytes("firstKey"),
    lastKey: fields.bytes("lastKey"),
    minSeq: fields.integer("minSeq"),
    maxSeq: fields.integer("maxSeq"),
    rowCount: fields.integer("rowCount"),
    deleteCount: fields.integer("deleteCount"),
    maxExpiresAt: fields.integer("maxExpiresAt"),
  };
  if (
    info.metaOffset > info.topOffset ||
    info.topOffset > info.size ||
    info.minSeq > info.maxSeq ||
    compareBytes(info.firstKey, info.lastKey) > 0
  ) {
    fields.fail(`what it says of SST ${info.id} contradicts itself`);
  }
  return info;
}

const sortedRun = (fields: Fields): SortedRun => ({
  id: fields.ulid("id"),
  ssts: fields.messages("ssts").map(sstInfo),
  listBytes: fields.integer("listBytes"),
  firstKey: fields.bytes("firstKey"),
  lastKey: fields.bytes("lastKey"),
  sstCount: fields.integer("sstCount"),
  rowCount: fields.integer("rowCount"),
  size: fields.integer("size"),
  level: fields.integer("level"),
});

const checkpoint = (fields: Fields): Checkpoint => ({
  id: fields.ulid("id"),
  name: fields.string("name"),
  manifestNumber: fields.integer("manifestNumber"),
  createdAt: fields.integer("createdAt"),
  ttlMs: fields.integer("ttlMs"),
  refreshedNumber: fields.integer("refreshedNumber"),
});

const external = (fields: Fields): ExternalDatabase => ({
  databaseId: fields.ulid("databaseId"),
  path: fields.string("path"),
  checkpointId: fields.ulid("checkpointId"),
});

const retiredObjects = (fields: Fields): RetiredObjects => ({
  kind: fields.integer("kind") as RetiredKind,
  manifestNumber: fields.integer("manifestNumber"),
  ids: fields.list("ids").map((id) => fields.toUlid(id, "ids")),
  epoch: fields.integer("epoch"),
  fromId: fields.integer("fromId"),
  toId: fields.integer("toId"),
});

const pinnedSettings = (fields: Fields): PinnedSettings => ({
  walLocation: fields.integer("walLocation") as WalLocation,
  walStoreId: fields.string("walStoreId"),
  walPath: fields.string("walPath"),
  mergeOperators: fields.list("mergeOperators").map(String),
  encryption: fields.integer("encryption"),
});

function decodeMessage(
  decode: (bytes: Uint8Array) => unknown,
  payload: Uint8Array,
  object: string,
): unknown {
  try {
    return decode(payload);
  } catch (cause) {
    throw new CorruptionError(object, "its protobuf message does not decode", { cause });
  }
}

/** One decoded message, read field by field with checks; an absent field is its default. */
class Fields {
  readonly #message: Record<string, unknown>;
  readonly #object: string;

  constructor(message: unknown, object: string) {
    this.#message = message as Record<string, unknown>;
    this.#object = object;
  }

  fail(detail: string): never {
    throw new CorruptionError(this.#object, detail);
  }

  integer(name: string): number {
    return this.#toInteger(this.#message[name], name);
  }

  integers(name: string): number[] {
    return this.list(name).map((value) => this.#toInteger(value, name));
  }

  boolean(name: string): boolean {
    return this.#message[name] === true;
  }

  string(name: string): string {
    return String(this.#message[name] ?? "");
  }

  bytes(name: string): Bytes {
    const value = this.#message[name];
    return value instanceof Uint8Array ? copyBytes(value) : emptyBytes;
  }

  ulid(name: string): Ulid {
    return this.toUlid(this.#message[name], name);
  }

  ulidOrNone(name: string): Ulid {
    const value = this.#message[name];
    return value instanceof Uint8Array && value.length > 0 ? this.toUlid(value, name) : noUlid;
  }

  toUlid(value: unknown, name: string): Ulid {
    if (!(value instanceof Uint8Array) || value.length !== 16) {
      return this.fail(`field ${name} is not an id`);
    }
    return ulidFromBytes(value);
  }

  message(name: string): Fields {
    const value = this.#message[name];
    if (value === null || value === undefined) return this.fail(`field ${name} is missing`);
    return new Fields(value, this.#object);
  }

  messages(name: string): Fields[] {
    return this.list(name).map((value) => new Fields(value, this.#object));
  }

  list(name: string): readonly unknown[] {
    return (this.#message[name] as readonly unknown[] | undefined) ?? [];
  }

  #toInteger(value: unknown, name: string): number {
    const number =
      typeof value === "object" && value !== null ? Number(String(value)) : (value ?? 0);
    if (!Number.isSafeInteger(number)) this.fail(`field ${name} is not a safe integer`);
    return number as number;
  }
}
