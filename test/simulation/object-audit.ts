/**
 * `ObjectAudit`: what must hold of the objects of one database at every moment, whoever wrote them. Told of each object that
 * is stored or deleted:
 *
 * - What a manifest or a load record names is stored before it (R27, R38), and is not deleted while the newest manifest, a manifest of one
 *   of its checkpoints, or a load record that may still be replayed does (P5).
 * - No floor ever falls, and what a manifest names first is above the floors of the manifest before it: a sweep by
 *   that one would have deleted it (R41, R42).
 * - WAL objects that may still be replayed are not deleted, and fences never are.
 * - What a checkpoint names beside its manifest, WAL objects and loads, is stored before it and not deleted while it is listed; and so is the
 *   checkpoint that it was added to (R47).
 */
import type { Bytes } from "../../src/common/bytes.js";
import { isMoraineError } from "../../src/common/errors.js";
import type { Ulid } from "../../src/common/ids.js";
import type { L0Entry, Manifest } from "../../src/format/manifest.js";
import { decodeManifest } from "../../src/format/manifest-codec.js";
import { decodeRunList } from "../../src/format/run-list.js";
import { decodeWalObject } from "../../src/format/wal-object.js";
import { walParts } from "../../src/format/wal-parts.js";

const manifestName = /(?:^|\/)manifest\/(\d+)\.manifest$/;
const walName = /(?:^|\/)wal\/(\d+)\/(\d+)\.wal$/;
const sstName = /(?:^|\/)sst\/([0-9A-Z]{26})\.sst$/;
const runName = /(?:^|\/)runs\/([0-9A-Z]{26})\.run$/;

/** A load that a WAL object names. */
interface LoadRecord {
  readonly epoch: number;
  readonly walId: number;
  readonly seq: number;
}

export class ObjectAudit {
  #newest: Manifest | undefined;
  readonly #manifests = new Map<number, Manifest>();
  /** The bytes of runs' own objects. */
  readonly #lists = new Map<Ulid, Bytes>();
  readonly #stored = new Set<Ulid>();
  /** Those that a manifest has named. */
  readonly #committed = new Set<Ulid>();
  /** The SSTs that load records have named. */
  readonly #loads = new Map<Ulid, LoadRecord>();
  /** Ids of each log that have held a record: a fence that comes there late, when that has been collected, ends nothing. */
  readonly #records = new Map<number, Set<number>>();
  /** WAL objects that are stored, by epoch and id. */
  readonly #walStored = new Set<string>();
  /** The first fence of each log. */
  readonly #fences = new Map<number, number>();

  put(key: string, bytes: Bytes): void {
    const id = sstName.exec(key)?.[1];
    const run = runName.exec(key)?.[1];
    if (id !== undefined) this.#stored.add(id);
    else if (run !== undefined) this.#lists.set(run, bytes);
    else if (manifestName.test(key)) this.#manifest(key, bytes);
    else if (walName.test(key)) this.#walObject(key, bytes);
  }

  deleted(keys: readonly string[]): void {
    for (const key of keys) {
      const id = sstName.exec(key)?.[1];
      const run = runName.exec(key)?.[1];
      const manifest = manifestName.exec(key)?.[1];
      const wal = walName.exec(key);
      if (id !== undefined) {
        if (!this.#stored.delete(id)) continue;
        const by = this.#namedBy(id);
        if (by !== undefined) throw new Error(`${key} is deleted, and ${by} names it.`);
      } else if (run !== undefined) {
        for (const { number, runs } of this.#needed()) {
          if (!runs.some((named) => named.id === run)) continue;
          throw new Error(`${key} is deleted, and manifest ${number} names it.`);
        }
      } else if (manifest !== undefined) {
        if (!this.#needed().some(({ number }) => number === Number(manifest))) continue;
        throw new Error(`${key} is deleted, and it is needed.`);
      } else if (wal !== null) this.#walDeleted(key, Number(wal[1]), Number(wal[2]));
    }
  }

  /** The newest manifest, and those that its checkpoints name. */
  #needed(): Manifest[] {
    if (this.#newest === undefined) return [];
    const pinned = this.#newest.checkpoints.map(({ manifestNumber }) =>
      this.#manifests.get(manifestNumber),
    );
    return [this.#newest, ...pinned].filter((manifest) => manifest !== undefined);
  }

  #namedBy(id: Ulid): string | undefined {
    for (const manifest of this.#needed()) {
      if (this.#idsOf(manifest).includes(id)) return `manifest ${manifest.number}`;
    }
    const checkpoint = this.#newest?.checkpoints.find(({ loads }) => loads.includes(id));
    if (checkpoint !== undefined) return `checkpoint ${checkpoint.id}`;
    const load = this.#loads.get(id);
    if (load === undefined || !this.#mayBeReplayed(load.epoch, load.walId)) return undefined;
    return load.seq > this.#newest!.lastL0Seq
      ? `WAL object ${load.epoch}/${load.walId}`
      : undefined;
  }

  #mayBeReplayed(epoch: number, id: number): boolean {
    const { walStart, walChain } = this.#newest!;
    if (!walChain.some((log) => log.epoch === epoch)) return false;
    if (id >= (this.#fences.get(epoch) ?? Number.POSITIVE_INFINITY)) return false;
    return epoch > walStart.epoch || (epoch === walStart.epoch && id >= walStart.id);
  }

  #walDeleted(key: string, epoch: number, id: number): void {
    if (this.#walStored.delete(`${epoch}/${id}`)) {
      const by = this.#newest!.checkpoints.find(({ wal }) =>
        wal.some((range) => range.epoch === epoch && range.fromId <= id && id < range.toId),
      );
      if (by !== undefined) throw new Error(`${key} is deleted, and checkpoint ${by.id} names it.`);
    }
    if (this.#fences.get(epoch) === id) throw new Error(`${key} is deleted, and it is a fence.`);
    if (this.#mayBeReplayed(epoch, id)) {
      throw new Error(`${key} is deleted, and it may be replayed.`);
    }
  }

  #manifest(key: string, bytes: Bytes): void {
    const manifest = decodeManifest(bytes, key);
    const before = this.#newest;
    this.#manifests.set(manifest.number, manifest);
    // What a sleeper has created in a deleted range is no part of the database.
    if (before !== undefined && manifest.number < before.number) return;
    this.#newest = manifest;
    if (before !== undefined && manifest.writerFloor < before.writerFloor) {
      throw new Error(`The writer's floor of ${key} falls.`);
    }
    if (before !== undefined && manifest.compactorFloor < before.compactorFloor) {
      throw new Error(`The compactor's floor of ${key} falls.`);
    }
    this.#checkpoints(key, manifest, before);
    const l0 = new Set(idsOf(manifest.l0));
    for (const id of this.#idsOf(manifest)) {
      if (!this.#stored.has(id)) throw new Error(`${key} names SST ${id}, which is not stored.`);
      if (this.#committed.has(id)) continue;
      this.#committed.add(id);
      if (before === undefined) continue;
      const floor = l0.has(id)
        ? before.writerFloor
        : [before.writerFloor, before.compactorFloor].sort()[0]!;
      if (id <= floor) {
        throw new Error(`${key} names SST ${id}, which is not above the floor that was before it.`);
      }
    }
  }

  /** What is new has all that it names, and no base is gone before what was added to it. */
  #checkpoints(key: string, { checkpoints }: Manifest, before: Manifest | undefined): void {
    for (const { id, base, wal, loads } of checkpoints) {
      if (base !== "" && !checkpoints.some((one) => one.id === base)) {
        throw new Error(`${key} names checkpoint ${id}, and not its base.`);
      }
      if (before?.checkpoints.some((one) => one.id === id)) continue;
      for (const { epoch, fromId, toId } of wal) {
        for (let walId = fromId; walId < toId; walId++) {
          if (this.#walStored.has(`${epoch}/${walId}`)) continue;
          throw new Error(`${key} names WAL object ${epoch}/${walId}, which is not stored.`);
        }
      }
      const missing = loads.find((load) => !this.#stored.has(load));
      if (missing !== undefined) throw new Error(`${key} names load ${missing}, not stored.`);
    }
  }

  #walObject(key: string, bytes: Bytes): void {
    const [, epoch, id] = walName.exec(key)!;
    this.#walStored.add(`${Number(epoch)}/${Number(id)}`);
    const { databaseId } = this.#newest!;
    const position = { epoch: Number(epoch), id: Number(id) };
    let entries: readonly L0Entry[] = [];
    try {
      const object = decodeWalObject(bytes, key, databaseId, position);
      const records = this.#records.get(position.epoch) ?? new Set();
      this.#records.set(position.epoch, records);
      if (!object.fence) records.add(position.id);
      if (object.fence && !records.has(position.id)) {
        const first = this.#fences.get(position.epoch) ?? Number.POSITIVE_INFINITY;
        this.#fences.set(position.epoch, Math.min(first, position.id));
      }
      if (!object.fence) entries = walParts(object, key).flatMap(({ loaded }) => loaded ?? []);
    } catch (error) {
      // Whoever reads it will say so.
      if (!isMoraineError(error, "corruption")) throw error;
    }
    for (const entry of entries) {
      for (const sst of idsOf([entry])) {
        if (!this.#stored.has(sst)) {
          throw new Error(`${key} names SST ${sst}, which is not stored.`);
        }
        const load = { epoch: position.epoch, walId: position.id, seq: entry.seq };
        if (!this.#loads.has(sst)) this.#loads.set(sst, load);
      }
    }
  }

  #idsOf({ databaseId, l0, runs }: Manifest): Ulid[] {
    const inRuns = runs.flatMap((run) => {
      if (run.listBytes === 0) return idsOf([run]);
      const list = this.#lists.get(run.id);
      if (list === undefined) throw new Error(`The list of run ${run.id} is not stored.`);
      return idsOf([{ ssts: decodeRunList(list, `run ${run.id}`, databaseId, run) }]);
    });
    return [...idsOf(l0), ...inRuns];
  }
}

function idsOf(entries: readonly Pick<L0Entry, "ssts">[]): Ulid[] {
  return entries.flatMap(({ ssts }) => ssts.map(({ id }) => id));
}
