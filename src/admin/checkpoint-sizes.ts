/** `checkpointSizes`: what each checkpoint keeps, from the manifests that checkpoints name, lists of long runs, and sizes of WAL objects. */
import { CorruptionError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import { checkOptions, requireSignal } from "../common/options.js";
import {
  type Checkpoint,
  type Manifest,
  noUlid,
  type SortedRun,
  type WalRange,
} from "../format/manifest.js";
import { decodeRunList } from "../format/run-list.js";
import type { WalObject } from "../format/wal-object.js";
import { type WalLoad, walParts } from "../format/wal-parts.js";
import { eachOf } from "../gc/pinned-states.js";
import { type CheckpointInfo, toCheckpointInfo } from "../manifest/checkpoint-info.js";
import { type CheckpointSize, type NamedObject, sizesOf } from "../manifest/checkpoint-sizes.js";
import { firstWalId } from "../manifest/transitions.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths, parseWalPath } from "../object-store/paths.js";
import { readWalObject } from "../wal/close-log.js";
import type { AdminContext } from "./context.js";
import { walStoreOf } from "./wal-store-of.js";

/** Sizes of a checkpoint, of every purpose; those that have ended and linger are among them. */
export type CheckpointSizes = Pick<
  CheckpointInfo,
  "id" | "name" | "base" | "purpose" | "isExpired"
> &
  CheckpointSize;

export interface CheckpointSizesOptions {
  signal?: AbortSignal | undefined;
}

/**
 * One GET for each manifest and list of a run, one HEAD for each load that only a log names, and a LIST of each log. Where a checkpoint names such
 * loads, also one GET for each WAL object that replay still reads: only there it stands whether the newest state needs them too.
 */
export async function checkpointSizes(
  context: AdminContext,
  options: CheckpointSizesOptions | undefined,
): Promise<CheckpointSizes[]> {
  checkOptions(options, ["signal"], "checkpointSizes");
  requireSignal(options?.signal);
  const signal = options?.signal;
  const manifest = await context.stored.refresh(signal && { signal });
  const reads = new Reads(context, manifest, signal);
  const { checkpoints } = manifest;
  const loads = new Set(checkpoints.flatMap((checkpoint) => checkpoint.loads));
  const named = [];
  for (const checkpoint of checkpoints) {
    const { id, base } = checkpoint;
    named.push({ id, base, names: await reads.namedBy(checkpoint) });
  }
  const sizes = sizesOf(await reads.namedByNewest(loads), named);
  return checkpoints.map((checkpoint, i) => {
    const { id, name, base, purpose, isExpired } = toCheckpointInfo(checkpoint);
    return { id, ...(name && { name }), ...(base && { base }), purpose, isExpired, ...sizes[i]! };
  });
}

/** Everything is read once. */
class Reads {
  readonly #context: AdminContext;
  readonly #newest: Manifest;
  readonly #signal: AbortSignal | undefined;
  /** Owners whose objects lie at another path. */
  readonly #foreign: ReadonlySet<Ulid>;
  readonly #manifests = new Map<number, Manifest>();
  readonly #byNumber = new Map<number, ReadonlyMap<string, NamedObject>>();
  readonly #byRun = new Map<string, ReadonlyMap<string, NamedObject>>();
  readonly #logs = new Map<number, ReadonlyMap<number, number>>();
  readonly #loads = new Map<Ulid, number>();

  constructor(context: AdminContext, newest: Manifest, signal: AbortSignal | undefined) {
    this.#context = context;
    this.#newest = newest;
    this.#signal = signal;
    // Copies that are only announced are not what is meant yet.
    const own = new Set(
      newest.externals
        .filter(({ path, isLeaving }) => path === "" && !isLeaving)
        .map(({ databaseId }) => databaseId),
    );
    const owners = newest.externals.map(({ databaseId }) => databaseId);
    this.#foreign = new Set(owners.filter((owner) => !own.has(owner)));
  }

  async namedBy(checkpoint: Checkpoint): Promise<ReadonlyMap<string, NamedObject>> {
    const state = await this.#manifest(checkpoint.manifestNumber);
    const names = new Map(await this.#namedByNumber(state));
    for (const range of checkpoint.wal) await this.#addLog(names, state, range);
    for (const id of checkpoint.loads) {
      names.set(ObjectPaths.sst(id), { bytes: await this.#loadBytes(id), isOwn: true });
    }
    return names;
  }

  /** With the logs that replay still reads, and those of `loads` that it would find there. */
  async namedByNewest(loads: ReadonlySet<Ulid>): Promise<ReadonlyMap<string, NamedObject>> {
    const newest = this.#newest;
    const names = new Map(await this.#namedByNumber(newest));
    const ranges = newest.walChain.map(({ epoch }) => {
      return { epoch, fromId: firstWalId(newest, epoch), toId: Number.MAX_SAFE_INTEGER };
    });
    for (const range of ranges) await this.#addLog(names, newest, range);
    if ([...loads].every((id) => names.has(ObjectPaths.sst(id)))) return names;
    for (const range of ranges) await this.#addLoads(names, range);
    return names;
  }

  async #manifest(number: number): Promise<Manifest> {
    const known = this.#manifests.get(number);
    if (known !== undefined) return known;
    const { manifests } = this.#context;
    const found =
      number === this.#newest.number
        ? this.#newest
        : (await manifests.get(number, this.#signal))?.manifest;
    if (found === undefined) {
      throw new CorruptionError(ObjectPaths.manifest(number), "it is missing, and named");
    }
    this.#manifests.set(number, found);
    return found;
  }

  async #namedByNumber(manifest: Manifest): Promise<ReadonlyMap<string, NamedObject>> {
    const known = this.#byNumber.get(manifest.number);
    if (known !== undefined) return known;
    const names = await this.#namedByManifest(manifest);
    this.#byNumber.set(manifest.number, names);
    return names;
  }

  async #namedByManifest({ l0, runs }: Manifest): Promise<ReadonlyMap<string, NamedObject>> {
    const names = new Map<string, NamedObject>();
    for (const { ssts } of [...l0, ...runs]) this.#addSsts(names, ssts);
    for (const run of runs) {
      if (run.listBytes === 0) continue;
      names.set(ObjectPaths.run(run.id, run.owner), this.#objectOf(run.owner, run.listBytes));
      for (const [key, object] of await this.#namedByList(run)) names.set(key, object);
    }
    return names;
  }

  async #namedByList(run: SortedRun): Promise<ReadonlyMap<string, NamedObject>> {
    const path = ObjectPaths.run(run.id, run.owner);
    const known = this.#byRun.get(path);
    if (known !== undefined) return known;
    const object = await this.#context.store.get(path, { signal: this.#signal });
    if (object === undefined) throw new CorruptionError(path, "it is missing, and named");
    const names = new Map<string, NamedObject>();
    this.#addSsts(names, decodeRunList(object.bytes, path, this.#newest.databaseId, run));
    this.#byRun.set(path, names);
    return names;
  }

  #addSsts(names: Map<string, NamedObject>, ssts: SortedRun["ssts"]): void {
    for (const { id, owner, size } of ssts) {
      names.set(ObjectPaths.sst(id, owner), this.#objectOf(owner, size));
    }
  }

  #objectOf(owner: Ulid, bytes: number): NamedObject {
    return { bytes, isOwn: owner === noUlid || !this.#foreign.has(owner) };
  }

  async #addLog(
    names: Map<string, NamedObject>,
    state: Manifest,
    { epoch, fromId, toId }: WalRange,
  ): Promise<void> {
    for (const [id, bytes] of await this.#log(epoch, walStoreOf(this.#context, state))) {
      if (id < fromId || id >= toId) continue;
      names.set(ObjectPaths.wal(epoch, id), { bytes, isOwn: true });
    }
  }

  /** What the records of the newest state's logs name and its L0 does not. What is collected meanwhile, a newer state does not read. */
  async #addLoads(names: Map<string, NamedObject>, { epoch, fromId }: WalRange): Promise<void> {
    const { databaseId, lastL0Seq } = this.#newest;
    const store = walStoreOf(this.#context, this.#newest);
    const ids = [...(await this.#log(epoch, store)).keys()].filter((id) => id >= fromId);
    await eachOf(ids, async (id) => {
      const object = await readWalObject({ store, databaseId, epoch, signal: this.#signal }, id);
      if (object === undefined || object.fence) return;
      for (const { loaded, lastSeq } of loadsOf(object)) {
        if (lastSeq > lastL0Seq) for (const { ssts } of loaded) this.#addSsts(names, ssts);
      }
    });
  }

  async #log(epoch: number, store: ObjectStore): Promise<ReadonlyMap<number, number>> {
    const known = this.#logs.get(epoch);
    if (known !== undefined) return known;
    const sizes = new Map<number, number>();
    const prefix = ObjectPaths.walPrefix(epoch);
    for await (const { key, size } of store.list({ prefix, signal: this.#signal })) {
      const position = parseWalPath(key);
      if (position !== undefined) sizes.set(position.id, size);
    }
    this.#logs.set(epoch, sizes);
    return sizes;
  }

  async #loadBytes(id: Ulid): Promise<number> {
    const known = this.#loads.get(id);
    if (known !== undefined) return known;
    const path = ObjectPaths.sst(id);
    const size = (await this.#context.store.head(path, { signal: this.#signal }))?.size;
    if (size === undefined) throw new CorruptionError(path, "it is missing, and named");
    this.#loads.set(id, size);
    return size;
  }
}

function loadsOf(object: WalObject): WalLoad[] {
  const parts = walParts(object, ObjectPaths.wal(object.epoch, object.id));
  return parts.filter((part) => part.loaded !== undefined);
}
