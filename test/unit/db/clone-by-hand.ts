/** A clone as simple as it can be: a first manifest at another path that names what a database has, by its owners. Nobody pins it. */
import type { Ulid } from "../../../src/common/ids.js";
import {
  type ExternalDatabase,
  Feature,
  type Manifest,
  type SortedRun,
  type SstInfo,
} from "../../../src/format/manifest.js";
import { encodeManifest } from "../../../src/format/manifest-codec.js";
import { decodeRunList, encodeRunList } from "../../../src/format/run-list.js";
import { emptyManifest } from "../../../src/manifest/transitions.js";
import type { ObjectStore } from "../../../src/object-store/object-store.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { newest } from "./compact-by-hand.js";

export interface CloneByHand {
  /** Of both databases. */
  readonly store: ObjectStore;
  /** Whose newest manifest has no WAL above it. */
  readonly from: string;
  readonly to: string;
  /** Lists of runs that have an object of their own are in parts of one SST each. */
  readonly listed?: boolean;
  readonly changed?: Partial<Manifest>;
}

let count = 0;
const nextId = (): Ulid => `01CX5ZZKBKACTAV9WEVG${String(100_000 + count++)}`;

export async function cloneByHand(options: CloneByHand): Promise<Manifest> {
  const { store, from, to, listed = false, changed } = options;
  const parent = await newest(prefixed(store, from));
  const owned = (ssts: readonly SstInfo[]): SstInfo[] =>
    ssts.map((sst) => ({ ...sst, owner: sst.owner || parent.databaseId }));
  const runs: SortedRun[] = [];
  for (const run of parent.runs) {
    const owner = run.owner || (run.listBytes > 0 ? parent.databaseId : "");
    const isOwn = run.listBytes > 0 && run.owner === "";
    const given = listed && isOwn ? await inParts(store, from, parent, run) : run;
    runs.push({ ...given, owner, ssts: owned(given.ssts) });
  }
  const external: ExternalDatabase = {
    ...{ databaseId: parent.databaseId, path: from, checkpointId: "", isLeaving: false },
  };
  const manifest: Manifest = {
    ...emptyManifest(nextId(), parent.pinned),
    ...{ number: 1, createdAt: Date.now(), token: new Uint8Array(16).fill(count) },
    requiredFeatures: [...parent.requiredFeatures.filter(isNot), Feature.externals],
    ...{ lastSeq: parent.lastL0Seq, lastL0Seq: parent.lastL0Seq, runs },
    compactedSeq: parent.compactedSeq,
    l0: parent.l0.map((entry) => ({ ...entry, ssts: owned(entry.ssts) })),
    externals: [...parent.externals, external],
    ...changed,
  };
  await store.put(`${to}/${ObjectPaths.manifest(1)}`, encodeManifest(manifest));
  return manifest;
}

const isNot = (feature: number): boolean => feature !== Feature.externals;

/** The same run with another list object. */
async function inParts(
  store: ObjectStore,
  path: string,
  { databaseId }: Manifest,
  run: SortedRun,
): Promise<SortedRun> {
  const object = ObjectPaths.run(run.id);
  const stored = (await store.get(`${path}/${object}`))!.bytes;
  const id = nextId();
  const ssts = decodeRunList(stored, object, databaseId, run);
  const { bytes, indexOffset } = encodeRunList(databaseId, id, ssts, 1);
  await store.put(`${path}/${ObjectPaths.run(id)}`, bytes);
  return { ...run, id, listBytes: bytes.length, indexOffset };
}

/** All objects below a path, or some of them, to another one. */
export async function copyPath(
  store: ObjectStore,
  from: string,
  to: string,
  below = "",
): Promise<void> {
  for await (const { key } of store.list({ prefix: `${from}/${below}` })) {
    await store.put(to + key.slice(from.length), (await store.get(key))!.bytes);
  }
}

/** Keys and sizes of what lies below a path. */
export async function objectsBelow(store: ObjectStore, path: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { key, size } of store.list({ prefix: `${path}/` }))
    found.push(`${key} ${size}`);
  return found.sort();
}
