/**
 * `clipData`: the part of a state that is inside a span of keys. What lies wholly inside is taken as it is, and belongs to whom it belonged; what
 * lies across a bound is written anew: of a run at most the SSTs at the two bounds.
 */
import type { Bytes } from "../common/bytes.js";
import type { Ulid } from "../common/ids.js";
import type { L0Entry, SortedRun, SstInfo } from "../format/manifest.js";
import { type NamedData, runOwnedBy, sstOwnedBy } from "../manifest/clone-owners.js";
import { buildSortedRun } from "../manifest/sorted-run.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { TableStore } from "../sst/table-store.js";
import { sstToClip } from "./clip-rows.js";
import { type KeySpan, placeOf } from "./clip-span.js";
import { type ClipTarget, writeClipped } from "./clip-sst.js";
import { mapInFlight } from "./in-flight.js";

export interface ClipOptions {
  readonly target: ClipTarget;
  /** Reads the database that the state is of. */
  readonly tables: TableStore;
  /** Its id: what has no owner is its own. */
  readonly databaseId: Ulid;
  readonly span: KeySpan;
}

/** Each has a window of rows in memory, and a piece of what is written. */
const clipsInFlight = 4;

/** `data` is as its database sees it. What comes back has owners, as the clone sees it: what is written anew has none, it is the clone's own. */
export async function clipData(data: NamedData, options: ClipOptions): Promise<NamedData> {
  const l0: L0Entry[] = [];
  for (const entry of data.l0) {
    const clipped = await clipEntry(entry, options);
    if (clipped !== undefined) l0.push(clipped);
  }
  const runs: SortedRun[] = [];
  for (const run of data.runs) {
    // Of range deletes a run that has its SSTs in the manifest says nothing itself.
    const place = placeOf(options.span, run.listBytes > 0 ? [run] : run.ssts);
    const clipped =
      place === "across" ? await clipRun(run, options) : runOwnedBy(options.databaseId, run);
    if (place !== "outside" && clipped !== undefined) runs.push(clipped);
  }
  return { l0, runs };
}

/** Undefined where nothing of it is left. */
export async function clipEntry(
  { ssts, seq }: L0Entry,
  options: ClipOptions,
): Promise<L0Entry | undefined> {
  const clipped = await clipSsts(ssts, options);
  return clipped.length === 0 ? undefined : { ssts: clipped, seq };
}

async function clipRun(run: SortedRun, options: ClipOptions): Promise<SortedRun | undefined> {
  const { target, tables } = options;
  const ssts = await clipSsts(await tables.runLists.all(run, target.signal), options);
  if (ssts.length === 0) return undefined;
  const id = target.nextId();
  const built = buildSortedRun(target.databaseId, { id, level: run.level }, ssts);
  if (built.list !== undefined) await storeList(target, id, built.list);
  return built.run;
}

/** The list of a long run. */
export async function storeList(
  { store, signal }: Pick<ClipTarget, "store" | "signal">,
  id: Ulid,
  bytes: Bytes,
): Promise<void> {
  await store.put(ObjectPaths.run(id), bytes, { signal });
}

async function clipSsts(ssts: readonly SstInfo[], options: ClipOptions): Promise<SstInfo[]> {
  const { target, tables, databaseId, span } = options;
  const clipped = await mapInFlight(ssts, clipsInFlight, async (info) => {
    const place = placeOf(span, [info]);
    if (place === "inside") return sstOwnedBy(databaseId, info);
    if (place === "outside") return undefined;
    const source = await sstToClip(tables, info, target.signal);
    const written = await writeClipped(target, source, span);
    return written && { ...written, seq: info.seq };
  });
  return clipped.filter((info) => info !== undefined);
}
