/**
 * `WalFollower`: how a reader follows the chain of logs: object after object, to the fence, then the next epoch. It never
 * skips an id, so what it has read is a prefix of what any writer recovers.
 */
import type { Ulid } from "../common/ids.js";
import type { Manifest, WalPosition } from "../format/manifest.js";
import type { WalObject } from "../format/wal-object.js";
import { comparePositions } from "../manifest/transitions.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { readWalObject } from "./close-log.js";

export class WalFollower {
  readonly #store: ObjectStore;
  readonly #databaseId: Ulid;
  #position: WalPosition;
  /** The log of this epoch has ended at a fence; the next one is not known yet. */
  #atFence = false;
  #chain: readonly number[] = [];

  constructor(store: ObjectStore, manifest: Manifest) {
    this.#store = store;
    this.#databaseId = manifest.databaseId;
    this.#position = manifest.walStart;
    this.adopt(manifest);
  }

  get position(): WalPosition {
    return this.#position;
  }

  /** A newer manifest: everything before its start of replay is in L0, and logs may have been added to the chain. */
  adopt(manifest: Manifest): void {
    this.#chain = manifest.walChain.map((log) => log.epoch);
    if (comparePositions(manifest.walStart, this.#position) > 0) {
      this.#position = manifest.walStart;
      this.#atFence = false;
    }
    const { epoch } = this.#position;
    // A log that was closed cleanly is not in the chain, and nothing of it is left to follow.
    if (!this.#chain.includes(epoch) || this.#atFence) this.#nextLog();
  }

  /**
   * The next group, or undefined while there is none: one GET, and one more for each fence that is passed. No request where
   * the manifest names no log to follow: whoever writes next is in a newer manifest first.
   */
  async next(signal?: AbortSignal): Promise<WalObject | undefined> {
    while (!this.#atFence && this.#chain.includes(this.#position.epoch)) {
      const { epoch, id } = this.#position;
      const options = { store: this.#store, databaseId: this.#databaseId, epoch, signal };
      const object = await readWalObject(options, id);
      if (object === undefined) return undefined;
      if (!object.fence) {
        this.#position = { epoch, id: id + 1 };
        return object;
      }
      this.#atFence = true;
      this.#nextLog();
    }
    return undefined;
  }

  #nextLog(): void {
    const next = this.#chain.find((epoch) => epoch > this.#position.epoch);
    if (next === undefined) return;
    this.#position = { epoch: next, id: 1 };
    this.#atFence = false;
  }
}
