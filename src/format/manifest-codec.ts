/** Manifests, runs and the entries of load records to and from bytes: protobuf, the first two in an envelope. */
import { type Bytes, compareBytes, emptyBytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import { type Ulid, ulidToBytes } from "../common/ids.js";
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
import { decodeMessage, type Fields, noUlid } from "./message-fields.js";

const { Manifest: ManifestMessage, Run: RunMessage, LoadRecord: LoadMessage } = moraine.v1;

export function encodeManifest(manifest: Manifest): Bytes {
  const payload = ManifestMessage.encode({
    ...manifest,
    databaseId: ulidToBytes(manifest.databaseId),
    writerFloor: optionalUlid(manifest.writerFloor),
    compactorFloor: optionalUlid(manifest.compactorFloor),
    l0: manifest.l0.map(l0Message),
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
  const fields = decodeMessage(ManifestMessage.decode, envelope.payload, object);
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
  const fields = decodeMessage(RunMessage.decode, envelope.payload, object);
  const found = fields.ulid("id");
  if (found !== id) throw new CorruptionError(object, `it says that it is run ${found}`);
  return fields.messages("ssts").map(sstInfo);
}

/** What a load record holds besides its header. */
export function encodeLoadEntries(entries: readonly L0Entry[]): Bytes {
  return LoadMessage.encode({ entries: entries.map(l0Message) }).finish() as Bytes;
}

/** `object` is the WAL object, for messages. Throws `CorruptionError`. */
export function decodeLoadEntries(payload: Uint8Array, object: string): L0Entry[] {
  return decodeMessage(LoadMessage.decode, payload, object).messages("entries").map(l0Entry);
}

const optionalUlid = (id: Ulid): Bytes => (id === noUlid ? emptyBytes : ulidToBytes(id));
const sstMessage = (info: SstInfo): object => ({ ...info, id: ulidToBytes(info.id) });
const l0Message = ({ seq, ssts }: L0Entry): object => ({ seq, ssts: ssts.map(sstMessage) });

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
