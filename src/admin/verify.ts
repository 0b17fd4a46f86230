/**
 * `verify`: whether all is there that the database needs, and, deep, whether every byte of it is as it was written. Nothing is changed. The newest
 * manifest is read first and everything is listed after that, so that what it names has to be there; what a newer one has let go of since is
 * left out again.
 */
import { NotFoundError } from "../common/errors.js";
import {
  checkOptions,
  requireBoolean,
  requireFunction,
  requireInteger,
  requireSignal,
} from "../common/options.js";
import { CompactionsStore } from "../compaction/compactions-store.js";
import type { Manifest } from "../format/manifest.js";
import { decodeManifest } from "../format/manifest-codec.js";
import { eachOf } from "../gc/pinned-states.js";
import { comparePositions } from "../manifest/transitions.js";
import { ObjectPaths, parseWalPath } from "../object-store/paths.js";
import type { AdminContext } from "./context.js";
import { Findings, type VerifyProblem, type VerifyProgress } from "./verify-findings.js";
import { type Found, type Listing, listAll } from "./verify-listing.js";
import { checkLogs } from "./verify-logs.js";
import { type NamedSst, type Names, namesOf } from "./verify-names.js";
import { readSsts } from "./verify-ssts.js";

export interface VerifyOptions {
  /** Reads every object whole. Default false: names, sizes and what stands in manifests and lists. */
  deep?: boolean | undefined;
  /** SSTs that are read at once, 1 to 64; default 2. Each is in memory whole. */
  copiesInFlight?: number | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: VerifyProgress) => void) | undefined;
}

export interface VerifyReport {
  readonly databaseId: string;
  readonly manifestNumber: number;
  readonly deep: boolean;
  /** Objects that were checked, and their bytes. */
  readonly objects: number;
  readonly bytes: number;
  readonly checkpoints: number;
  /** Empty: nothing is wrong. */
  readonly problems: readonly VerifyProblem[];
  /** What nothing names and nothing ever will, as a sweep would judge: no damage. Undefined where damage keeps it from being known. */
  readonly orphans: VerifyFound | undefined;
  /** What lies at the path and is not named as an object of a database: no damage. */
  readonly foreign: VerifyFound;
}

/** Names of at most 100 of them. */
export interface VerifyFound {
  readonly count: number;
  readonly bytes: number;
  readonly names: readonly string[];
}

export async function verify(
  context: AdminContext,
  given: VerifyOptions | undefined,
): Promise<VerifyReport> {
  checkOptions(given, ["deep", "copiesInFlight", "signal", "onProgress"], "verify");
  const { deep = false, copiesInFlight: inFlight = 2, signal, onProgress } = given ?? {};
  requireBoolean(given?.deep, "deep");
  requireInteger(given?.copiesInFlight, "copiesInFlight", 1, 64);
  requireSignal(signal);
  requireFunction(onProgress, "onProgress");
  const findings = new Findings(onProgress);
  const newest = await context.stored.refresh({ signal });
  if (newest.destroyed) throw new NotFoundError(`The database at ${context.name} was destroyed.`);
  const names = await namesOf(context, newest, findings, signal);
  const listing = await listAll(context, names, findings, signal);
  await checkHint(context, newest, findings, signal);
  await checkStates(context, names, listing, findings, deep, signal);
  const { logs } = listing;
  const loads = await checkLogs(context, names, logs, findings, deep, signal);
  if (deep) {
    const ssts = new Map<string, NamedSst>(names.ssts);
    for (const { ssts: loaded, seq } of loads) {
      for (const info of loaded) {
        ssts.set(ObjectPaths.sst(info.id), { id: info.id, owner: "", info: { ...info, seq } });
      }
    }
    for (const id of listing.retiredSsts) {
      ssts.set(ObjectPaths.sst(id), { id, owner: "", info: undefined });
    }
    findings.expect(ssts.size);
    await readSsts(context, ssts.values(), findings, { signal, inFlight });
    await readHistory(context, names, listing, findings, signal);
  }
  const problems = await stillWrong(context, newest, findings.problems, signal);
  return {
    ...{ databaseId: newest.databaseId, manifestNumber: newest.number, deep },
    ...{ objects: findings.objects, bytes: findings.bytes },
    ...{ checkpoints: newest.checkpoints.length, problems },
    orphans: names.isComplete ? shown(listing.orphans) : undefined,
    foreign: shown(listing.foreign),
  };
}

const shown = ({ count, bytes, names }: Found): VerifyFound => ({ count, bytes, names });

async function checkHint(
  { store }: AdminContext,
  newest: Manifest,
  findings: Findings,
  signal: AbortSignal | undefined,
): Promise<void> {
  const path = ObjectPaths.manifestHint;
  const object = await store.get(path, { signal });
  if (object === undefined) {
    findings.add(path, "missing", "each open costs a listing until the next commit puts it");
    return;
  }
  findings.checked(object.bytes.length);
  const hint = await findings.guard(path, () => decodeManifest(object.bytes, path));
  if (hint !== undefined && hint.databaseId !== newest.databaseId) {
    findings.add(path, "damaged", `it belongs to database ${hint.databaseId}`);
  }
}

/** States of compactions: the newest is the truth. The others only keep their numbers taken. */
async function checkStates(
  { store }: AdminContext,
  { newest, ssts }: Names,
  { compactions }: Listing,
  findings: Findings,
  deep: boolean,
  signal: AbortSignal | undefined,
): Promise<void> {
  const states = new CompactionsStore(store, newest.databaseId);
  const last = Math.max(0, ...compactions);
  await eachOf(
    deep ? compactions : compactions.filter((number) => number === last),
    async (number) => {
      const path = ObjectPaths.compactions(number);
      const found = await findings.guard(path, () => states.get(number, signal));
      if (found === undefined) return;
      findings.checked(found.bytes.length);
      if (number !== last) return;
      const outputs = found.value.jobs.flatMap(({ ranges }) =>
        ranges.flatMap((range) => range.outputs),
      );
      for (const { id, owner, size } of outputs) {
        const key = ObjectPaths.sst(id, owner);
        if (ssts.has(key)) continue;
        const meta = await store.head(key, { signal });
        if (meta === undefined) findings.add(key, "missing", "a compaction job names it");
        else if (meta.size !== size)
          findings.add(key, "size", `it has ${meta.size} bytes, not ${size}`);
      }
    },
  );
}

/** Manifests that only the history needs. */
async function readHistory(
  { manifests }: AdminContext,
  names: Names,
  listing: Listing,
  findings: Findings,
  signal: AbortSignal | undefined,
): Promise<void> {
  const numbers = listing.manifests.filter((number) => !names.manifests.has(number));
  findings.expect(numbers.length);
  await eachOf(numbers, async (number) => {
    const path = ObjectPaths.manifest(number);
    const found = await findings.guard(path, () => manifests.get(number, signal));
    if (found === undefined) return;
    findings.checked(found.bytes.length);
    const { databaseId } = found.manifest;
    if (databaseId === names.newest.databaseId) return;
    findings.add(path, "damaged", `it belongs to database ${databaseId}`);
  });
}

/** What is missing and not named any more by a manifest that has come since was collected, and is no problem. */
async function stillWrong(
  context: AdminContext,
  checked: Manifest,
  problems: readonly VerifyProblem[],
  signal: AbortSignal | undefined,
): Promise<readonly VerifyProblem[]> {
  if (!problems.some(({ kind }) => kind === "missing")) return problems;
  const newest = await context.stored.refresh({ signal });
  if (newest.number === checked.number) return problems;
  const names = await namesOf(context, newest, new Findings(undefined), signal);
  const isNamed = (object: string): boolean => {
    const wal = parseWalPath(object);
    if (wal !== undefined) {
      const isPinned = newest.checkpoints.some((checkpoint) =>
        checkpoint.wal.some(
          ({ epoch, fromId, toId }) => epoch === wal.epoch && fromId <= wal.id && wal.id < toId,
        ),
      );
      return isPinned || comparePositions(wal, newest.walStart) >= 0;
    }
    if (object === ObjectPaths.manifestHint) return true;
    const lists = newest.retired.flatMap(({ ids }) => ids).map(ObjectPaths.retiredList);
    const manifests = [...names.manifests].map(ObjectPaths.manifest);
    return (
      names.ssts.has(object) ||
      names.runs.has(object) ||
      lists.includes(object) ||
      manifests.includes(object)
    );
  };
  return problems.filter(({ kind, object }) => kind !== "missing" || isNamed(object));
}
