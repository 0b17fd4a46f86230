/** `namesOf`: all that the newest manifest, its checkpoints and its lists name, read and compared with each other. */
import { compareBytes } from "../common/bytes.js";
import type { Ulid } from "../common/ids.js";
import { KeptRunLists } from "../compaction/run-list-reads.js";
import type { RetiredObjects } from "../format/manifest.js";
import { type Manifest, RetiredKind, type SortedRun, type SstInfo } from "../format/manifest.js";
import { decodeRetiredList } from "../format/retired-list-codec.js";
import { eachOf } from "../gc/pinned-states.js";
import { checkManifest } from "../manifest/invariants.js";
import { areInOrder } from "../manifest/run-order.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { AdminContext } from "./context.js";
import type { Findings } from "./verify-findings.js";

/** An SST as it is named. */
export interface NamedSst {
  readonly id: Ulid;
  readonly owner: Ulid;
  /** Undefined: only its id is named. */
  readonly info: SstInfo | undefined;
}

export interface Names {
  readonly newest: Manifest;
  /** By key. */
  readonly ssts: Map<string, NamedSst>;
  /** Lists of runs, by key, with their bytes. */
  readonly runs: Map<string, { readonly id: Ulid; readonly bytes: number }>;
  /** Numbers of manifests that checkpoints need. */
  readonly manifests: Set<number>;
  /** Lists of retired objects, by id. */
  readonly retired: Map<Ulid, readonly RetiredObjects[]>;
  /** SSTs that are retired: whoever reads a recent state may still need them, and a collector may take them at any moment. */
  readonly retiredSsts: Set<Ulid>;
  /** False where something that names others could not be read: then nobody knows what is named by none. */
  isComplete: boolean;
}

export async function namesOf(
  context: AdminContext,
  newest: Manifest,
  findings: Findings,
  signal: AbortSignal | undefined,
): Promise<Names> {
  const { manifests, store } = context;
  const { databaseId } = newest;
  const names: Names = {
    ...{ newest, ssts: new Map(), runs: new Map(), manifests: new Set() },
    ...{ retired: new Map(), retiredSsts: new Set(), isComplete: true },
  };
  for (const { manifestNumber, refreshedNumber } of newest.checkpoints) {
    names.manifests.add(manifestNumber).add(refreshedNumber);
  }
  // The newest again, from the store: what is known of it may be a copy of the hint.
  names.manifests.add(newest.number);
  const pinned = new Set(newest.checkpoints.map(({ manifestNumber }) => manifestNumber));
  const states: Manifest[] = [newest];
  await eachOf(names.manifests, async (number) => {
    const path = ObjectPaths.manifest(number);
    let isThere = true;
    const found = await findings.guard(path, async () => {
      const read = await manifests.get(number, signal);
      isThere = read !== undefined;
      return read;
    });
    if (!isThere) findings.add(path, "missing", "the newest manifest or a checkpoint needs it");
    if (found === undefined) {
      if (pinned.has(number)) names.isComplete = false;
      return;
    }
    findings.checked(found.bytes.length);
    const { manifest } = found;
    if (manifest.databaseId !== databaseId) {
      findings.add(path, "damaged", `it belongs to database ${manifest.databaseId}`);
    } else if (pinned.has(number) && number !== newest.number) states.push(manifest);
    await findings.guard(path, () => checkManifest(manifest));
  });
  const lists = new KeptRunLists(store, databaseId);
  for (const state of states) {
    for (const entry of state.l0) for (const sst of entry.ssts) addSst(names, sst, entry.seq);
    await eachOf(state.runs, async (run) => {
      const path = ObjectPaths.run(run.id, run.owner);
      if (run.listBytes > 0 && names.runs.has(path)) return;
      const ssts = await findings.guard(path, () => lists.all(run, signal));
      if (run.listBytes > 0) {
        names.runs.set(path, { id: run.id, bytes: run.listBytes });
        findings.checked(run.listBytes);
      }
      if (ssts === undefined) names.isComplete = false;
      else
        checkRun(
          run,
          ssts,
          run.listBytes > 0 ? path : ObjectPaths.manifest(state.number),
          findings,
        );
      for (const sst of ssts ?? []) addSst(names, sst, sst.seq);
    });
  }
  for (const { loads } of newest.checkpoints) {
    for (const id of loads) {
      const key = ObjectPaths.sst(id);
      if (!names.ssts.has(key)) names.ssts.set(key, { id, owner: "", info: undefined });
    }
  }
  for (const { kind, ids } of newest.retired) {
    if (kind !== RetiredKind.list) continue;
    for (const id of ids) await readList(context, names, id, findings, signal);
  }
  for (const { kind, ids } of [...newest.retired, ...[...names.retired.values()].flat()]) {
    if (kind === RetiredKind.sst) for (const id of ids) names.retiredSsts.add(id);
  }
  return names;
}

async function readList(
  { store }: AdminContext,
  names: Names,
  id: Ulid,
  findings: Findings,
  signal: AbortSignal | undefined,
): Promise<void> {
  const path = ObjectPaths.retiredList(id);
  const object = await store.get(path, { signal });
  if (object === undefined) findings.add(path, "missing", "the newest manifest names it");
  const entries = await findings.guard(
    path,
    () => object && decodeRetiredList(object.bytes, path, names.newest.databaseId, id),
  );
  if (entries === undefined) names.isComplete = false;
  else names.retired.set(id, entries);
  if (object !== undefined) findings.checked(object.bytes.length);
}

/** The seqs of a load's rows are not in its SST. */
function addSst(names: Names, sst: SstInfo, seq: number): void {
  const key = ObjectPaths.sst(sst.id, sst.owner);
  const known = names.ssts.get(key);
  if (known?.info !== undefined) return;
  names.ssts.set(key, { id: sst.id, owner: sst.owner, info: { ...sst, seq } });
}

function checkRun(
  run: SortedRun,
  ssts: readonly SstInfo[],
  object: string,
  findings: Findings,
): void {
  const say = (detail: string): void =>
    findings.add(object, "contradiction", `run ${run.id}: ${detail}`);
  const sum = (of: (sst: SstInfo) => number): number => ssts.reduce((all, sst) => all + of(sst), 0);
  if (ssts.length !== run.sstCount) say(`it has ${ssts.length} SSTs, not ${run.sstCount}`);
  if (sum(({ size }) => size) !== run.size) say("its bytes are not what the manifest says");
  if (sum(({ rowCount }) => rowCount) !== run.rowCount)
    say("its rows are not what the manifest says");
  const [first, last] = [ssts[0], ssts.at(-1)];
  if (first === undefined || last === undefined) return;
  const isBetween =
    compareBytes(first.firstKey, run.firstKey) === 0 &&
    compareBytes(last.lastKey, run.lastKey) === 0;
  if (!isBetween) say("its first or last key is not what the manifest says");
  for (let i = 1; i < ssts.length; i++) {
    if (!areInOrder(ssts[i - 1]!, ssts[i]!))
      say(`SSTs ${i - 1} and ${i} overlap, or are out of order`);
  }
}
