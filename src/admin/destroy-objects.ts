/**
 * Deleting the objects of a destroyed database: found by listing, and looked into before they are deleted. Another database may be made at the path
 * meanwhile: what it writes has ids, epochs and numbers above those of the last manifest of this one, and stays.
 */
import type { Manifest } from "../format/manifest.js";
import { fenceBytes, type Owner, ownershipOf } from "../gc/ownership.js";
import { eachOf } from "../gc/pinned-states.js";
import type { ListedObject, ObjectStore } from "../object-store/object-store.js";
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

export interface DestroyProgress {
  /** Objects that were looked at, and how many of them were deleted. */
  readonly objects: number;
  readonly deleted: number;
}

interface DeleteRequest {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DestroyProgress) => void) | undefined;
}

export interface DeletedObjects {
  readonly ssts: number;
  readonly runs: number;
  readonly lists: number;
  readonly wal: number;
  readonly manifests: number;
  readonly compactions: number;
  readonly probes: number;
  readonly bytes: number;
}

export interface KeptObjects {
  /** Ends of logs: a writer that slept must still find its place taken. */
  readonly fences: number;
  /** The last one and the hint, and what is younger than a day: a number is not used again while somebody may remember it. */
  readonly manifests: number;
  /** As of manifests. */
  readonly compactions: number;
  /** Of whoever was still sending, or of a new database. */
  readonly others: number;
}

export interface DestroyedObjects {
  readonly deleted: DeletedObjects;
  readonly kept: KeptObjects;
  readonly foreign: readonly string[];
  readonly foreignCount: number;
}

type Kind = Exclude<keyof DeletedObjects, "bytes">;

const batchKeysMax = 1000;
const foreignMax = 100;
const dayMs = 24 * 3_600_000;
const probeName = /^probe\/[0-9a-f]{32}\.probe$/;

export async function deleteObjects(
  context: AdminContext,
  last: Manifest,
  request: DeleteRequest,
): Promise<DestroyedObjects> {
  const { store, walStore } = context;
  const now = (await store.head(ObjectPaths.manifestHint, request))?.lastModified ?? 0;
  const deletion = new Deletion(last, now, request);
  await deletion.run(store, "");
  if (walStore !== store) await deletion.run(walStore, ObjectPaths.walsPrefix);
  return deletion;
}

class Deletion implements DestroyedObjects {
  readonly deleted: { -readonly [kind in keyof DeletedObjects]: number } = {
    ...{ ssts: 0, runs: 0, lists: 0, wal: 0, manifests: 0, compactions: 0, probes: 0, bytes: 0 },
  };
  readonly kept: { -readonly [kind in keyof KeptObjects]: number } = {
    ...{ fences: 0, manifests: 0, compactions: 0, others: 0 },
  };
  readonly foreign: string[] = [];
  foreignCount = 0;
  readonly #last: Manifest;
  /** By the store's clock. */
  readonly #now: number;
  readonly #request: DeleteRequest;
  readonly #owner: Owner;
  #objects = 0;

  constructor(last: Manifest, now: number, request: DeleteRequest) {
    this.#last = last;
    this.#now = now;
    this.#request = request;
    const { databaseId, externals } = last;
    // Objects of other databases that lie here are copies, which this one owns.
    const copied = new Set(externals.map((one) => one.databaseId));
    this.#owner = { databaseId, copied, signal: request.signal };
  }

  async run(store: ObjectStore, prefix: string): Promise<void> {
    const { signal } = this.#request;
    let batch: { object: ListedObject; kind: Kind }[] = [];
    const states: ListedObject[] = [];
    for await (const object of store.list({ prefix, signal })) {
      this.#objects++;
      const kind = this.#kindOf(object);
      if (kind === "compactions") states.push(object);
      else if (kind !== undefined) batch.push({ object, kind });
      if (batch.length < batchKeysMax) continue;
      await this.#delete(store, batch);
      batch = [];
    }
    // The newest state is the truth as long as there is one.
    states.sort((a, b) => (a.key < b.key ? -1 : 1));
    const newest = states.pop();
    if (newest !== undefined) this.kept.compactions++;
    for (const object of states) {
      if (this.#isYoung(object)) this.kept.compactions++;
      else batch.push({ object, kind: "compactions" });
    }
    await this.#delete(store, batch);
  }

  /** Undefined: it stays, and has been counted. */
  #kindOf(object: ListedObject): Kind | undefined {
    const { key, size } = object;
    const { writerFloor, writerEpoch, number } = this.#last;
    const byId: readonly [Kind, string | undefined][] = [
      ["ssts", parseSstPath(key)],
      ["runs", parseRunPath(key)],
      ["lists", parseRetiredListPath(key)],
    ];
    for (const [kind, id] of byId) {
      if (id !== undefined) return id <= writerFloor ? kind : this.#keep("others");
    }
    const position = parseWalPath(key);
    if (position !== undefined) {
      if (position.epoch > writerEpoch) return this.#keep("others");
      return size <= fenceBytes ? this.#keep("fences") : "wal";
    }
    if (key === ObjectPaths.manifestHint) return this.#keep("manifests");
    const manifest = parseManifestPath(key);
    if (manifest !== undefined) {
      const stays = manifest >= number || this.#isYoung(object);
      return stays ? this.#keep("manifests") : "manifests";
    }
    if (parseCompactionsPath(key) !== undefined) return "compactions";
    // An exporter that slept must still find its claim superseded.
    if (key.startsWith(ObjectPaths.claimPrefix)) return this.#keep("others");
    if (!probeName.test(key)) return this.#isForeign(key);
    return this.#isYoung(object) ? this.#keep("others") : "probes";
  }

  #keep(kind: keyof KeptObjects): undefined {
    this.kept[kind]++;
  }

  #isForeign(key: string): undefined {
    this.foreignCount++;
    if (this.foreign.length < foreignMax) this.foreign.push(key);
  }

  #isYoung({ lastModified }: ListedObject): boolean {
    return this.#now - lastModified < dayMs;
  }

  async #delete(
    store: ObjectStore,
    batch: readonly { object: ListedObject; kind: Kind }[],
  ): Promise<void> {
    if (batch.length === 0) return;
    const { signal, onProgress } = this.#request;
    const own: { object: ListedObject; kind: Kind }[] = [];
    await eachOf(batch, async (candidate) => {
      const { object, kind } = candidate;
      const found = kind === "probes" ? "own" : await ownershipOf(store, object.key, this.#owner);
      if (found === "own") own.push(candidate);
      else if (found === "foreign") this.#isForeign(object.key);
    });
    if (own.length > 0) {
      const keys = own.map(({ object }) => object.key);
      await store.delete(keys, { signal });
    }
    for (const { object, kind } of own) {
      this.deleted[kind]++;
      this.deleted.bytes += object.size;
    }
    const deleted = Object.entries(this.deleted)
      .filter(([kind]) => kind !== "bytes")
      .reduce((sum, [, count]) => sum + count, 0);
    onProgress?.({ objects: this.#objects, deleted });
  }
}
