/** What lies at the path that is exported to, and whether an export may go there. */
import { ExistsError, InvalidArgumentError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import type { OpenLocation } from "../db/location.js";
import type { Manifest } from "../format/manifest.js";
import type { ManifestStore } from "../manifest/manifest-store.js";
import {
  ObjectPaths,
  parseManifestPath,
  parseRunPath,
  parseSstPath,
  parseWalPath,
} from "../object-store/paths.js";
import type { AdminContext } from "./context.js";

export interface TargetState {
  /** Undefined: no database is there, or none yet. */
  readonly newest: Manifest | undefined;
  /** Sizes of all objects by their keys, but for claims and probes. */
  readonly objects: ReadonlyMap<string, number>;
}

/** Lists everything below the path, and reads the newest manifest. */
export async function readTarget(
  manifests: ManifestStore,
  signal: AbortSignal | undefined,
): Promise<TargetState> {
  for (;;) {
    const objects = new Map<string, number>();
    let highest = 0;
    for await (const { key, size } of manifests.store.list({ prefix: "", signal })) {
      if (isAside(key)) continue;
      objects.set(key, size);
      highest = Math.max(highest, parseManifestPath(key) ?? 0);
    }
    if (highest === 0) return { newest: undefined, objects };
    const found = await manifests.get(highest, signal);
    // Gone: newer ones have come meanwhile.
    if (found !== undefined) return { newest: found.manifest, objects };
  }
}

const isAside = (key: string): boolean =>
  key.startsWith(ObjectPaths.claimPrefix) || key.startsWith(ObjectPaths.probePrefix);

/** Whether the key is of a kind that exports write. */
export const isCopied = (key: string): boolean =>
  parseSstPath(key) !== undefined ||
  parseRunPath(key) !== undefined ||
  parseWalPath(key) !== undefined;

export interface Wanted {
  readonly databaseId: Ulid;
  readonly incremental: boolean;
  /** An earlier exporter has died there: what it had copied is taken over. */
  readonly isTakeOver: boolean;
  readonly place: string;
}

/** Throws `ExistsError` when something lies there that is not to be exported to. */
export function requireFree({ newest, objects }: TargetState, wanted: Wanted): void {
  const { databaseId, incremental, isTakeOver, place } = wanted;
  if (newest === undefined) {
    const other = [...objects.keys()].find((key) => !(isTakeOver && isCopied(key)));
    if (other === undefined) return;
    throw new ExistsError(
      `${place} holds objects already ("${other}"): refusing to overwrite. Export to an empty path.`,
    );
  }
  if (newest.destroyed) {
    throw new ExistsError(`${place} holds a destroyed database. Export to an empty path.`);
  }
  if (newest.databaseId !== databaseId) {
    throw new ExistsError(
      `${place} holds another database (${newest.databaseId}): refusing to overwrite. Export to an empty path.`,
    );
  }
  if (!incremental) {
    throw new ExistsError(
      `${place} holds an export already: refusing to overwrite. Export to an empty path, or with incremental: true to add to it.`,
    );
  }
  if (newest.exports.length === 0) {
    throw new ExistsError(
      `The database at ${place} has been opened for writing since it was exported, and has gone its own way: nothing can be added to it. Export to an empty path.`,
    );
  }
}

/** Throws `InvalidArgumentError` for a target that is, holds or lies in the source, or a database that the source names objects of. */
export function requireApart(context: AdminContext, target: OpenLocation, name: string): void {
  const { namespace } = target;
  const others = [
    { id: context.place.namespace.id, path: context.place.namespace.path },
    ...context.stored.current.externals
      .filter(({ path }) => path !== "")
      .map(({ path }) => ({ id: context.place.namespace.id, path })),
  ];
  const wal = context.walPlace?.open?.namespace;
  if (wal !== undefined) others.push(wal);
  for (const { id, path } of others) {
    if (id !== namespace.id) continue;
    if (holds(path, namespace.path) || holds(namespace.path, path)) {
      throw new InvalidArgumentError(
        `${name} and the database that is exported lie in each other. Export to a path of its own.`,
      );
    }
  }
}

/** Whether `path` is `folder` or below it. */
const holds = (folder: string, path: string): boolean =>
  folder === "" || path === folder || path.startsWith(`${folder}/`);
