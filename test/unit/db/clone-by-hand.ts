/** A clone as simple as it can be: a first manifest at another path that names what a database has, by its owners. Nobody pins it. */
import { compareBytes } from "../../../src/common/bytes.js";
import type { Ulid } from "../../../src/common/ids.js";
import {
  type ExternalDatabase,
  Feature,
  type Manifest,
  type SortedRun,
  type SstInfo,
  type TombstoneSpan,
} from "../../../src/format/manifest.js";
import { encodeManifest } from "../../../src/format/manifest-codec.js";
import { encodeRunList } from "../../../src/format/run-list.js";
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
  /** Lists of runs stand in objects of the parent, in parts of one SST each. */
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
    const isOwn = run.listBytes > 0 || listed;
    const owner = run.owner || (isOwn ? parent.databaseId : "");
    const given = listed && run.listBytes === 0 ? await withList(store, from, parent, run) : run;
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

async function withList(
  store: ObjectStore,
  path: string,
  { databaseId }: Manifest,
  run: SortedRun,
): Promise<SortedRun> {
  const { bytes, indexOffset } = encodeRunList(databaseId, run.id, run.ssts, 1);
  await store.put(`${path}/${ObjectPaths.run(run.id)}`, bytes);
  const spans = run.ssts.flatMap(({ rangeDeletes }) => rangeDeletes);
  const rangeDeletes = spans.length === 0 ? [] : [hullOf(spans)];
  return { ...run, ssts: [], listBytes: bytes.length, indexOffset, rangeDeletes };
}

function hullOf(spans: readonly TombstoneSpan[]): TombstoneSpan {
  const start = spans.map((span) => span.start).sort(compareBytes)[0]!;
  const endless = spans.some((span) => span.endless);
  const end = endless
    ? new Uint8Array(0)
    : spans
        .map((span) => span.end)
        .sort(compareBytes)
        .at(-1)!;
  return {
    ...{ start, end, endless, minSeq: 0 },
    count: spans.reduce((sum, span) => sum + span.count, 0),
    maxSeq: Math.max(...spans.map(({ maxSeq }) => maxSeq)),
  };
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
