/** `ManifestStore`: numbered manifests and the hint as objects. It decides nothing, and tells its store where the databases lie that they name. */
import { CorruptionError, UnsupportedError } from "../common/errors.js";
import { Feature, type Manifest } from "../format/manifest.js";
import { decodeManifest, encodeManifest } from "../format/manifest-codec.js";
import { type ExternalRoutes, routesOf } from "../object-store/external-routes.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths, parseManifestPath } from "../object-store/paths.js";
import { checkStep } from "./invariants.js";
import { listHighest } from "./list-highest.js";
import type { SeriesObjects } from "./numbered-series.js";

/** Features that this version of Moraine knows. */
const knownFeatures: readonly number[] = Object.values(Feature);

export interface ReadManifest {
  readonly manifest: Manifest;
  readonly bytes: Uint8Array;
}

export class ManifestStore {
  readonly store: ObjectStore;
  /** The same, as of any numbered series. */
  readonly series: SeriesObjects<Manifest>;
  /** Undefined where the store has none. */
  readonly #routes: ExternalRoutes | undefined;

  constructor(store: ObjectStore) {
    this.store = store;
    this.#routes = routesOf(store);
    this.series = {
      prefix: ObjectPaths.manifestPrefix,
      path: ObjectPaths.manifest,
      get: async (number, signal) => {
        const found = await this.get(number, signal);
        return found && { value: found.manifest, bytes: found.bytes };
      },
      create: (number, bytes, signal) => this.create(number, bytes, signal),
      highestNumber: (above, signal) => this.highestNumber(above, signal),
      encode: encodeManifest,
      checkStep,
    };
  }

  /** The manifest of that number, or undefined when there is none. */
  async get(number: number, signal?: AbortSignal): Promise<ReadManifest | undefined> {
    const path = ObjectPaths.manifest(number);
    const object = await this.store.get(path, { signal });
    if (object === undefined) return undefined;
    const manifest = decodeManifest(object.bytes, path, number);
    requireKnownFeatures(manifest);
    this.adoptExternals(manifest);
    return { manifest, bytes: object.bytes };
  }

  /** A recent manifest, or undefined. A damaged hint is no hint: it is never the truth. */
  async getHint(signal?: AbortSignal): Promise<Manifest | undefined> {
    const object = await this.store.get(ObjectPaths.manifestHint, { signal });
    if (object === undefined) return undefined;
    let hint: Manifest;
    try {
      hint = decodeManifest(object.bytes, ObjectPaths.manifestHint);
    } catch (error) {
      if (error instanceof CorruptionError) return undefined;
      throw error;
    }
    // It is the newest manifest itself when no number follows it.
    requireKnownFeatures(hint);
    this.adoptExternals(hint);
    return hint;
  }

  /** From now on the store finds objects of other databases where this manifest says, unless a newer one is known. */
  adoptExternals({ number, externals }: Pick<Manifest, "number" | "externals">): void {
    this.#routes?.adopt(number, externals);
  }

  putHint(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.store.put(ObjectPaths.manifestHint, bytes, { signal });
  }

  create(number: number, bytes: Uint8Array, signal?: AbortSignal): Promise<"created" | "exists"> {
    return this.store.create(ObjectPaths.manifest(number), bytes, { signal });
  }

  /** The highest number there is above `above`, by listing; undefined when there is none. */
  highestNumber(above: number, signal?: AbortSignal): Promise<number | undefined> {
    const { manifestPrefix: prefix, manifest: path } = ObjectPaths;
    return listHighest(
      { store: this.store, prefix, path, parse: parseManifestPath },
      above,
      signal,
    );
  }

  /** The first few names of objects under the path, to tell an empty path from one that holds something. */
  async someObjects(signal?: AbortSignal): Promise<string[]> {
    const names: string[] = [];
    for await (const { key } of this.store.list({ prefix: "", signal })) {
      // What a probe left behind when its process died holds nothing.
      if (key.startsWith(ObjectPaths.probePrefix)) continue;
      names.push(key);
      if (names.length === 3) break;
    }
    return names;
  }
}

function requireKnownFeatures(manifest: Manifest): void {
  const unknown = manifest.requiredFeatures.filter((feature) => !knownFeatures.includes(feature));
  if (unknown.length > 0) {
    throw new UnsupportedError(
      `This database uses features ${unknown.join(", ")}, which this version of Moraine does not know. Use a later version.`,
    );
  }
}
