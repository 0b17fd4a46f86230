/**
 * `ObjectAudit`: what must hold of the objects of one database at every moment, whoever wrote them. Told of each object that
 * is stored or deleted:
 *
 * - What a manifest or a load record names is stored before it (R27, R38), and is not deleted while it does (P5).
 * - The writer's floor never falls, and what a manifest names first is above the floor of the manifest before it: a sweep by
 *   that one would have deleted it (R41, R42).
 */
import type { Bytes } from "../../src/common/bytes.js";
import { isMoraineError } from "../../src/common/errors.js";
import type { Ulid } from "../../src/common/ids.js";
import type { L0Entry, Manifest } from "../../src/format/manifest.js";
import { decodeManifest } from "../../src/format/manifest-codec.js";
import { decodeWalObject } from "../../src/format/wal-object.js";
import { walParts } from "../../src/format/wal-parts.js";

const manifestName = /(?:^|\/)manifest\/(\d+)\.manifest$/;
const walName = /(?:^|\/)wal\/(\d+)\/(\d+)\.wal$/;
const sstName = /(?:^|\/)sst\/([0-9A-Z]{26})\.sst$/;

export class ObjectAudit {
  #newest: Manifest | undefined;
  readonly #stored = new Set<Ulid>();
  /** Ids that a manifest or a load record has named, and where first. */
  readonly #named = new Map<Ulid, string>();
  /** Those that a manifest has named. */
  readonly #committed = new Set<Ulid>();

  put(key: string, bytes: Bytes): void {
    const id = sstName.exec(key)?.[1];
    if (id !== undefined) this.#stored.add(id);
    else if (manifestName.test(key)) this.#manifest(key, bytes);
    else if (walName.test(key)) this.#walObject(key, bytes);
  }

  deleted(keys: readonly string[]): void {
    for (const key of keys) {
      const id = sstName.exec(key)?.[1];
      if (id === undefined) continue;
      this.#stored.delete(id);
      const by = this.#named.get(id);
      if (by !== undefined) throw new Error(`${key} is deleted, and ${by} names it.`);
    }
  }

  #manifest(key: string, bytes: Bytes): void {
    const manifest = decodeManifest(bytes, key);
    const before = this.#newest;
    this.#newest = manifest;
    if (before !== undefined && manifest.writerFloor < before.writerFloor) {
      throw new Error(`The writer's floor of ${key} falls.`);
    }
    for (const id of idsOf([...manifest.l0, ...manifest.runs])) {
      this.#names(key, id);
      if (this.#committed.has(id)) continue;
      this.#committed.add(id);
      if (before !== undefined && id <= before.writerFloor) {
        throw new Error(`${key} names SST ${id}, which is not above the floor that was before it.`);
      }
    }
  }

  #walObject(key: string, bytes: Bytes): void {
    const [, epoch, id] = walName.exec(key)!;
    const { databaseId } = this.#newest!;
    const position = { epoch: Number(epoch), id: Number(id) };
    let loads: Ulid[] = [];
    try {
      const object = decodeWalObject(bytes, key, databaseId, position);
      if (!object.fence) loads = walParts(object, key).flatMap(({ loaded }) => idsOf(loaded ?? []));
    } catch (error) {
      // Whoever reads it will say so.
      if (!isMoraineError(error, "corruption")) throw error;
    }
    for (const sst of loads) this.#names(key, sst);
  }

  #names(key: string, id: Ulid): void {
    if (!this.#stored.has(id)) throw new Error(`${key} names SST ${id}, which is not stored.`);
    if (!this.#named.has(id)) this.#named.set(id, key);
  }
}

function idsOf(entries: readonly Pick<L0Entry, "ssts">[]): Ulid[] {
  return entries.flatMap(({ ssts }) => ssts.map(({ id }) => id));
}
