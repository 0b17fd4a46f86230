/**
 * A compactor and a collector of another process, as simple as they can be: everything that is stored is merged into one run, and what the
 * manifest then no longer names is deleted at once.
 */
import { compareBytes, decodeUtf8 } from "../../../src/common/bytes.js";
import { allKeys } from "../../../src/common/key-range.js";
import { compareRows, RowKind, type RowRef } from "../../../src/common/row.js";
import type { Manifest, SortedRun, SstInfo } from "../../../src/format/manifest.js";
import { encodeManifest } from "../../../src/format/manifest-codec.js";
import { encodeRunList } from "../../../src/format/run-list.js";
import { SstBuilder } from "../../../src/format/sst-builder.js";
import { Step } from "../../../src/iterator/row-iterator.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import { buildSortedRun } from "../../../src/manifest/sorted-run.js";
import type { ObjectStore } from "../../../src/object-store/object-store.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { SortedRunIterator } from "../../../src/read/sorted-run-iterator.js";
import { windowBytesFor } from "../../../src/read/window-bytes.js";
import { BlockCache } from "../../../src/sst/block-cache.js";
import { writeSst } from "../../../src/sst/sst-writer.js";
import { TableStore } from "../../../src/sst/table-store.js";
import { makeRow } from "../../support/array-iterator.js";

export interface CompactionByHand {
  /** Where the database is: a store whose root it is. */
  readonly store: ObjectStore;
  /** Default 3. */
  readonly keysPerSst?: number;
  /** Of a list that is long enough for an object of its own. Default: as a compactor has them. */
  readonly partBytes?: number;
  /** In place of what the manifest says that is still needed. */
  readonly retainSeq?: number;
  /** What is stored is merged into, by somebody who knows more. Default: what is made of puts and deletes. */
  readonly rows?: readonly RowRef[];
  /** Default true: what the manifest no longer names is deleted. */
  readonly collects?: boolean;
}

let count = 0;
const nextId = (): string => `01BX5ZZKBKACTAV9WEVG${String(100_000 + count++)}`;

/** Knows puts and deletes. Gives what it has committed. */
export async function compactByHand(options: CompactionByHand): Promise<Manifest> {
  const { store, collects = true } = options;
  const manifest = await newest(store);
  const { snapshotSeq, lastL0Seq } = manifest;
  const needed = snapshotSeq === 0 ? lastL0Seq : Math.min(snapshotSeq, lastL0Seq);
  const retainSeq = options.retainSeq ?? needed;
  const stored = await allRows(store, manifest);
  const rows = options.rows ?? retained(stored, retainSeq);
  const ssts = await writeSsts(options, manifest, rows);
  const runs = ssts.length === 0 ? [] : [await storeRun(options, manifest, ssts)];
  const compactedSeq = Math.max(manifest.compactedSeq, retainSeq);
  const committed = await commit(store, manifest, { l0: [], runs, compactedSeq });
  if (collects) await store.delete(objectsOf(manifest));
  return committed;
}

/** The SSTs of the oldest L0 entry become a run as they are, rows of loads without a seq. */
export async function moveByHand(store: ObjectStore): Promise<Manifest> {
  const manifest = await newest(store);
  const [oldest, ...l0] = manifest.l0;
  if (oldest === undefined) return manifest;
  const ssts = oldest.ssts.map((info) => ({ ...info, seq: oldest.seq }));
  const { run } = buildSortedRun(manifest.databaseId, { id: nextId(), level: 0 }, ssts);
  return commit(store, manifest, { l0, runs: [run, ...manifest.runs] });
}

/** The newest manifest with other fields, as any role's next commit. */
export async function commit(
  store: ObjectStore,
  manifest: Manifest,
  changed: Partial<Manifest>,
): Promise<Manifest> {
  const number = manifest.number + 1;
  const token = new Uint8Array(16).fill(count++);
  const next = { ...manifest, ...changed, number, token };
  expectCreated(await new ManifestStore(store).create(number, encodeManifest(next)));
  return next;
}

export async function newest(store: ObjectStore): Promise<Manifest> {
  const manifests = new ManifestStore(store);
  const number = await manifests.highestNumber(0);
  return (await manifests.get(number!))!.manifest;
}

function objectsOf({ l0, runs }: Manifest): string[] {
  const ssts = [...l0, ...runs].flatMap((entry) => entry.ssts.map(({ id }) => ObjectPaths.sst(id)));
  const lists = runs.filter(({ listBytes }) => listBytes > 0);
  return [...ssts, ...lists.map(({ id }) => ObjectPaths.run(id)), ...(listed.get(l0) ?? [])];
}

/** SSTs that only a list names, by what they were read with. */
const listed = new WeakMap<object, string[]>();

async function allRows(store: ObjectStore, manifest: Manifest): Promise<RowRef[]> {
  const { databaseId, l0, runs } = manifest;
  const tables = new TableStore({ store, databaseId, cache: new BlockCache(1 << 22) });
  const inRuns = await Promise.all(runs.map((run) => tables.runLists.all(run)));
  listed.set(
    l0,
    inRuns.flatMap((ssts) => ssts.map(({ id }) => ObjectPaths.sst(id))),
  );
  const sequences = [
    ...l0.map(({ ssts, seq }) => ({ ssts, entrySeq: seq })),
    ...inRuns.map((ssts) => ({ ssts, entrySeq: 0 })),
  ];
  const rows: RowRef[] = [];
  for (const sequence of sequences) {
    const windowBytes = windowBytesFor(1, undefined);
    const given = new SortedRunIterator(sequence, tables, {
      ...{ bounds: allKeys, reverse: false, windowBytes },
    });
    for (let step = given.step(); step !== Step.end; step = given.step()) {
      if (step === Step.pending) await given.fill();
      else {
        const { row } = given;
        const { kind, seq } = row;
        rows.push(makeRow({ key: row.key().slice(), kind, seq, value: decodeUtf8(row.value()) }));
      }
    }
  }
  tables.close();
  return rows.sort(compareRows);
}

/** All of a higher seq, and of the others the newest of each key, unless it is a delete. */
function retained(rows: readonly RowRef[], retainSeq: number): RowRef[] {
  let key: Uint8Array | undefined;
  return rows.filter((row) => {
    if (row.seq > retainSeq) return true;
    if (key !== undefined && compareBytes(row.key(), key) === 0) return false;
    key = row.key();
    return row.kind !== RowKind.delete;
  });
}

async function writeSsts(
  { store, keysPerSst = 3 }: CompactionByHand,
  { databaseId }: Manifest,
  rows: readonly RowRef[],
): Promise<SstInfo[]> {
  const infos: SstInfo[] = [];
  const groups: RowRef[][] = [];
  let keys = 0;
  for (const [i, row] of rows.entries()) {
    const isNew = i === 0 || compareBytes(rows[i - 1]!.key(), row.key()) !== 0;
    if (isNew && keys++ % keysPerSst === 0) groups.push([]);
    groups.at(-1)!.push(row);
  }
  for (const group of groups) {
    const id = nextId();
    const builder = new SstBuilder({ id, databaseId, blockBytes: 64 });
    for (const row of group) builder.add(row);
    const { chunks, info } = builder.finish();
    await writeSst(store, ObjectPaths.sst(id), chunks);
    infos.push(info);
  }
  return infos;
}

async function storeRun(
  { store, partBytes }: CompactionByHand,
  { databaseId }: Manifest,
  ssts: readonly SstInfo[],
): Promise<SortedRun> {
  const id = nextId();
  const { run, list } = buildSortedRun(databaseId, { id, level: 0 }, ssts);
  if (list === undefined) return run;
  const { bytes, indexOffset } = encodeRunList(databaseId, id, ssts, partBytes);
  await store.put(ObjectPaths.run(id), bytes);
  return { ...run, listBytes: bytes.length, indexOffset };
}

function expectCreated(outcome: "created" | "exists"): void {
  if (outcome === "exists") throw new Error("somebody else has committed");
}
