/**
 * `Orphans`: which listed objects nothing names and nothing ever will: a pure function of names, and of a manifest that was read before the
 * listing. Objects of runs and SSTs are judged by the floors, never by age: one above them may be on its way into a manifest.
 */
import type { Ulid } from "../common/ids.js";
import { type Manifest, RetiredKind, type RetiredObjects } from "../format/manifest.js";
import { lowerFloor } from "../manifest/gc-transitions.js";
import { isWal } from "../manifest/retired-wal.js";
import { comparePositions } from "../manifest/transitions.js";
import {
  ObjectPaths,
  parseManifestPath,
  parseRetiredListPath,
  parseRunPath,
  parseSstPath,
  parseWalPath,
} from "../object-store/paths.js";
import type { PinnedState, RetiredLists } from "./collectible.js";

export type OrphanKind = "sst" | "run" | "list" | "wal" | "manifest";

export class Orphans {
  readonly #manifest: Manifest;
  readonly #pinned: PinnedState;
  readonly #neededManifests: ReadonlySet<number>;
  /** By kind and id: they are the collector's. */
  readonly #retired = new Set<string>();
  readonly #retiredWal: readonly RetiredObjects[];
  readonly #floor: Ulid;

  /** `pinned` is what the manifest and its checkpoints name, `lists` what its list objects of retired objects hold. */
  constructor(manifest: Manifest, pinned: PinnedState, lists: RetiredLists) {
    this.#manifest = manifest;
    this.#pinned = pinned;
    this.#floor = lowerFloor(manifest);
    this.#retiredWal = manifest.retired.filter(isWal);
    for (const { kind, ids } of [...manifest.retired, ...[...lists.values()].flat()]) {
      for (const id of ids) this.#retired.add(`${kind}/${id}`);
    }
    this.#neededManifests = new Set(
      manifest.checkpoints.flatMap((checkpoint) => [
        checkpoint.manifestNumber,
        checkpoint.refreshedNumber,
      ]),
    );
  }

  /** The prefixes below which there can be any. */
  get prefixes(): readonly string[] {
    const isAnyBelow = this.#floor !== "";
    const { sstPrefix, runPrefix, retiredPrefix, manifestPrefix } = ObjectPaths;
    return isAnyBelow ? [sstPrefix, runPrefix, retiredPrefix, manifestPrefix] : [manifestPrefix];
  }

  /** Undefined: it is none, or not known to be one, or its name is none of Moraine's. */
  kindOf(path: string): OrphanKind | undefined {
    const sst = parseSstPath(path);
    if (sst !== undefined) {
      return this.#isFree(RetiredKind.sst, sst) && !this.#pinned.ssts.has(sst) ? "sst" : undefined;
    }
    const run = parseRunPath(path);
    if (run !== undefined) {
      return this.#isFree(RetiredKind.run, run) && !this.#pinned.runs.has(run) ? "run" : undefined;
    }
    const list = parseRetiredListPath(path);
    if (list !== undefined) return this.#isFree(RetiredKind.list, list) ? "list" : undefined;
    const number = parseManifestPath(path);
    if (number === undefined) return undefined;
    const isBelow = number < this.#manifest.firstNumber;
    return isBelow && !this.#neededManifests.has(number) ? "manifest" : undefined;
  }

  /**
   * A WAL object below the start of replay that the collector does not know of, unless it is a fence, which only its content tells: a record
   * behind the first fence of its log, or one that landed again after it was deleted.
   */
  mayBeWalLeftover(path: string): boolean {
    const position = parseWalPath(path);
    if (position === undefined) return false;
    const { epoch, id } = position;
    if (comparePositions(position, this.#manifest.walStart) >= 0) return false;
    const isRetired = this.#retiredWal.some(
      (range) => range.epoch === epoch && range.fromId <= id && id < range.toId,
    );
    const isNamed = this.#pinned.wal?.some(
      (range) => range.epoch === epoch && range.fromId <= id && id < range.toId,
    );
    return !isRetired && !isNamed;
  }

  /** Both roles' floors have passed the id, so that whoever had minted it has named it or given it up. */
  #isFree(kind: RetiredKind, id: Ulid): boolean {
    return id <= this.#floor && !this.#retired.has(`${kind}/${id}`);
  }
}
