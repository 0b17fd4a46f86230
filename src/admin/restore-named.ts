/** What a state names, with the lists of its runs read; and lists of retired objects that hold something of it, opened. */
import { CorruptionError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import { KeptRunLists, withLists } from "../compaction/run-list-reads.js";
import { type Manifest, noUlid, RetiredKind } from "../format/manifest.js";
import { GoneObject } from "../gc/pinned-states.js";
import { readRetiredLists } from "../gc/retired-lists.js";
import { unpackRetiredList } from "../manifest/gc-transitions.js";
import type { NamedObjects } from "../manifest/restore-transition.js";
import type { CommitOptions, StoredManifest } from "../manifest/stored-manifest.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";

export interface NamedState extends NamedObjects {
  /** Other databases whose objects are named. */
  readonly owners: ReadonlySet<Ulid>;
}

/** One GET for each run whose list is an object of its own. Throws `CorruptionError`. */
export async function namedState(
  store: ObjectStore,
  manifest: Manifest,
  signal: AbortSignal | undefined,
): Promise<NamedState> {
  const { databaseId } = manifest;
  const { runs } = await withLists(manifest, new KeptRunLists(store, databaseId), signal);
  const ssts = new Set<Ulid>();
  const lists = new Set<Ulid>();
  const owners = new Set<Ulid>();
  for (const run of runs) {
    if (run.listBytes > 0) lists.add(run.id);
    owners.add(run.owner);
  }
  for (const sst of [...manifest.l0, ...runs].flatMap((part) => part.ssts)) {
    ssts.add(sst.id);
    owners.add(sst.owner);
  }
  owners.delete(noUlid);
  owners.delete(databaseId);
  return { ssts, lists, owners };
}

/**
 * Opens each list of retired objects that holds something of `named`: its entries go into the manifest, by a commit of their own. Gives the lists
 * that hold none of it. A list that was opened is named no more, and is deleted; where that fails, a sweep finds it.
 */
export async function unpackLists(
  stored: StoredManifest,
  store: ObjectStore,
  named: NamedObjects,
  roles: CommitOptions,
): Promise<ReadonlySet<Ulid>> {
  const others = new Set<Ulid>();
  const lists = await retiredLists(stored, store, roles);
  for (const [list, entries] of lists) {
    const isNamed = entries.some(({ kind, ids }) => {
      const again =
        kind === RetiredKind.sst ? named.ssts : kind === RetiredKind.run ? named.lists : undefined;
      return again !== undefined && ids.some((id) => again.has(id));
    });
    if (!isNamed) {
      others.add(list);
      continue;
    }
    await stored.commit(unpackRetiredList(list, entries), roles);
    await store.delete([ObjectPaths.retiredList(list)]).catch(() => undefined);
  }
  return others;
}

/** Where a collector has emptied one meanwhile, a newer manifest says so. */
async function retiredLists(
  stored: StoredManifest,
  store: ObjectStore,
  roles: CommitOptions,
): ReturnType<typeof readRetiredLists> {
  for (;;) {
    const manifest = stored.current;
    try {
      return await readRetiredLists(store, manifest, roles.signal);
    } catch (error) {
      if (!(error instanceof GoneObject)) throw error;
      if ((await stored.refresh(roles)) !== manifest) continue;
      const detail = "it is missing, and the newest manifest names it";
      throw new CorruptionError(error.object, detail, { cause: error });
    }
  }
}
