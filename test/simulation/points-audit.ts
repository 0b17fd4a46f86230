/**
 * `PointsAudit`: what must hold of the objects of several databases of one store, some of which share theirs: what the newest manifest of one of
 * them names, or one of its checkpoints, is stored before it, and is not deleted by anybody while it does (P5).
 */
import type { Bytes } from "../../src/common/bytes.js";
import type { Ulid } from "../../src/common/ids.js";
import type { Manifest, SortedRun } from "../../src/format/manifest.js";
import { decodeManifest } from "../../src/format/manifest-codec.js";
import { decodeRunList } from "../../src/format/run-list.js";
import { ObjectPaths } from "../../src/object-store/paths.js";
import type { Audit } from "./simulated-objects.js";

const manifestName = /^(.*)\/(manifest\/\d+\.manifest)$/;
const dataName = /^(.*)\/((?:sst|runs|wal)\/.*)$/;

/** An object that a manifest names, by the database whose it is. */
interface Named {
  readonly owner: Ulid;
  /** At the path of that database. */
  readonly key: string;
}

interface Place {
  newest: Manifest;
  readonly manifests: Map<number, Manifest>;
}

export class PointsAudit implements Audit {
  /** Is told of each manifest that becomes the newest of its path. */
  onManifest: (
    place: string,
    manifest: Manifest,
    before: Manifest | undefined,
    process: string,
  ) => void = () => undefined;
  readonly #places = new Map<string, Place>();
  readonly #stored = new Set<string>();
  /** The bytes of runs' own objects. */
  readonly #lists = new Map<Ulid, Bytes>();
  readonly #named = new WeakMap<Manifest, readonly Named[]>();

  newest(place: string): Manifest | undefined {
    return this.#places.get(place)?.newest;
  }

  put(key: string, bytes: Bytes, process: string): void {
    const place = manifestName.exec(key)?.[1];
    if (place !== undefined) this.#manifest(place, key, bytes, process);
    else if (dataName.test(key)) {
      this.#stored.add(key);
      const run = /runs\/(\w+)\.run$/.exec(key)?.[1];
      if (run !== undefined) this.#lists.set(run, bytes);
    }
  }

  deleted(keys: readonly string[]): void {
    const gone = keys.filter((key) => this.#stored.delete(key));
    if (gone.length === 0) return;
    for (const [place, { newest }] of this.#places) {
      for (const manifest of this.#needed(place)) {
        for (const named of this.#namesOf(manifest)) {
          const missing = this.#missing(place, newest, named);
          if (missing === undefined || !gone.includes(missing)) continue;
          throw new Error(
            `${missing} is deleted, and manifest ${manifest.number} of ${place} names it.`,
          );
        }
      }
      for (const { id, wal, loads } of newest.checkpoints) {
        const names = [
          ...loads.map((load) => ObjectPaths.sst(load)),
          ...wal.flatMap(({ epoch, fromId, toId }) =>
            Array.from({ length: toId - fromId }, (_, i) => ObjectPaths.wal(epoch, fromId + i)),
          ),
        ].map((name) => `${place}/${name}`);
        const named = gone.find((key) => names.includes(key));
        if (named !== undefined)
          throw new Error(`${named} is deleted, and checkpoint ${id} names it.`);
      }
    }
  }

  #manifest(place: string, key: string, bytes: Bytes, process: string): void {
    const manifest = decodeManifest(bytes, key);
    const found = this.#places.get(place);
    const before = found?.newest;
    // What a sleeper has created in a deleted range is no part of the database.
    if (found !== undefined && manifest.number < found.newest.number) return;
    const at = found ?? { newest: manifest, manifests: new Map() };
    at.newest = manifest;
    at.manifests.set(manifest.number, manifest);
    this.#places.set(place, at);
    for (const named of this.#namesOf(manifest)) {
      const missing = this.#missing(place, manifest, named);
      if (missing !== undefined) throw new Error(`${key} names ${missing}, which is not stored.`);
    }
    this.onManifest(place, manifest, before, process);
  }

  /** The newest manifest, and those that its checkpoints name. */
  #needed(place: string): Manifest[] {
    const { newest, manifests } = this.#places.get(place)!;
    const pinned = newest.checkpoints.map(({ manifestNumber }) => manifests.get(manifestNumber));
    return [...new Set([newest, ...pinned])].filter((manifest) => manifest !== undefined);
  }

  /** Where it should be and is not. What is missing at another path is looked for at the own one, too. */
  #missing(place: string, newest: Manifest, { owner, key }: Named): string | undefined {
    const own = `${place}/${key}`;
    if (this.#stored.has(own)) return undefined;
    if (owner === "") return own;
    const entries = newest.externals.filter(({ databaseId }) => databaseId === owner);
    const entry = entries.find(({ isLeaving }) => !isLeaving) ?? entries[0];
    if (entry === undefined || entry.path === "") return own;
    const there = `${entry.path}/${key}`;
    return this.#stored.has(there) ? undefined : there;
  }

  #namesOf(manifest: Manifest): readonly Named[] {
    const known = this.#named.get(manifest);
    if (known !== undefined) return known;
    const { databaseId, l0, runs } = manifest;
    const named: Named[] = [...l0, ...runs].flatMap((entry) => {
      const lists: Named[] = [];
      let { ssts } = entry;
      if ("listBytes" in entry && entry.listBytes > 0) {
        const run: SortedRun = entry;
        lists.push({ owner: run.owner, key: ObjectPaths.run(run.id) });
        const bytes = this.#lists.get(run.id);
        if (bytes === undefined) throw new Error(`The list of run ${run.id} is not stored.`);
        ssts = decodeRunList(bytes, `run ${run.id}`, databaseId, run);
      }
      return [...lists, ...ssts.map(({ id, owner }) => ({ owner, key: ObjectPaths.sst(id) }))];
    });
    this.#named.set(manifest, named);
    return named;
  }
}
