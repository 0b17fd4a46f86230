/** One listing of all that lies at the path: which of the named objects are there, of what size, and what nothing names. */
import type { Ulid } from "../common/ids.js";
import { Orphans } from "../gc/orphans.js";
import { fenceBytes } from "../gc/ownership.js";
import { eachOf } from "../gc/pinned-states.js";
import type { ListedObject } from "../object-store/object-store.js";
import {
  ObjectPaths,
  parseCompactionsPath,
  parseManifestPath,
  parseRetiredListPath,
  parseRunPath,
  parseSstPath,
  parseWalPath,
} from "../object-store/paths.js";
import type { AdminContext } from "./context.js";
import type { Findings } from "./verify-findings.js";
import type { Names } from "./verify-names.js";

export interface Listing {
  readonly logs: Map<number, Map<number, number>>;
  /** Numbers. */
  readonly manifests: number[];
  readonly compactions: number[];
  /** SSTs that are retired, and still there. */
  readonly retiredSsts: Ulid[];
  readonly orphans: Found;
  readonly foreign: Found;
}

/** Names of at most `namesMax` of them, and how many there are. */
export interface Found {
  readonly names: string[];
  count: number;
  bytes: number;
}

const namesMax = 100;
const probeName = /^probe\/[0-9a-f]{32}\.probe$/;

export async function listAll(
  context: AdminContext,
  names: Names,
  findings: Findings,
  signal: AbortSignal | undefined,
): Promise<Listing> {
  const { store, walStore } = context;
  const listing: Listing = {
    ...{ logs: new Map(), manifests: [], compactions: [], retiredSsts: [] },
    orphans: { names: [], count: 0, bytes: 0 },
    foreign: { names: [], count: 0, bytes: 0 },
  };
  const expected = expectedSizes(names);
  findings.expect(expected.size);
  const orphans = orphansOf(names);
  for await (const object of store.list({ prefix: "", signal })) {
    const { key } = object;
    const sst = parseSstPath(key);
    if (expected.has(key)) seen(object, expected, findings);
    else if (sst !== undefined && names.retiredSsts.has(sst)) listing.retiredSsts.push(sst);
    else if (orphans?.kindOf(key) !== undefined) add(listing.orphans, object);
    addToListing(listing, object, orphans);
  }
  if (walStore !== store) {
    for await (const object of walStore.list({ prefix: ObjectPaths.walsPrefix, signal })) {
      addToListing(listing, object, orphans);
    }
  }
  // What is left lies elsewhere, or nowhere.
  await eachOf(expected, async ([key]) => {
    const meta = key.startsWith(ObjectPaths.externalPrefix)
      ? await store.head(key, { signal })
      : undefined;
    if (meta === undefined)
      findings.add(key, "missing", "the newest manifest or a checkpoint names it");
    else seen({ key, ...meta }, expected, findings);
  });
  return listing;
}

function expectedSizes({ ssts, runs }: Names): Map<string, number | undefined> {
  const expected = new Map<string, number | undefined>();
  for (const [key, { info }] of ssts) expected.set(key, info?.size);
  for (const [key, { bytes }] of runs) expected.set(key, bytes);
  return expected;
}

function seen(
  { key, size }: Pick<ListedObject, "key" | "size">,
  expected: Map<string, number | undefined>,
  findings: Findings,
): void {
  const named = expected.get(key);
  expected.delete(key);
  if (named !== undefined && size !== named) {
    findings.add(key, "size", `it has ${size} bytes, and the manifest says ${named}`);
  }
  findings.checked(size);
}

/** As a sweep judges; undefined where it would not, because something that names others cannot be read. */
function orphansOf({ newest, ssts, runs, retired, isComplete }: Names): Orphans | undefined {
  if (!isComplete) return undefined;
  const idsOf = (named: Iterable<{ readonly id: Ulid }>): Set<Ulid> =>
    new Set([...named].map(({ id }) => id));
  const wal = newest.checkpoints.flatMap((checkpoint) => checkpoint.wal);
  const pinned = { ssts: idsOf(ssts.values()), runs: idsOf(runs.values()), wal };
  return new Orphans(newest, pinned, retired);
}

function addToListing(
  { logs, manifests, compactions, orphans, foreign }: Listing,
  object: ListedObject,
  judge: Orphans | undefined,
): void {
  const { key, size } = object;
  const wal = parseWalPath(key);
  const manifest = parseManifestPath(key);
  const state = parseCompactionsPath(key);
  if (wal !== undefined) {
    const ids = logs.get(wal.epoch) ?? new Map<number, number>();
    logs.set(wal.epoch, ids.set(wal.id, size));
    if (size > fenceBytes && judge?.mayBeWalLeftover(key) === true) add(orphans, object);
  } else if (manifest !== undefined) manifests.push(manifest);
  else if (state !== undefined) compactions.push(state);
  else if (!isNameOfOurs(key)) add(foreign, object);
}

function isNameOfOurs(key: string): boolean {
  const isId = parseSstPath(key) ?? parseRunPath(key) ?? parseRetiredListPath(key);
  return (
    isId !== undefined ||
    key === ObjectPaths.manifestHint ||
    key.startsWith(ObjectPaths.claimPrefix) ||
    probeName.test(key)
  );
}

function add(found: Found, { key, size }: ListedObject): void {
  found.count++;
  found.bytes += size;
  if (found.names.length < namesMax) found.names.push(key);
}
