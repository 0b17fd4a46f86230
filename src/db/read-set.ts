/** `ReadSet`: what a transaction has read and depends on, as keys and ranges; of absent keys too. */
import { copyBytes } from "../common/bytes.js";
import { KeyMap } from "../common/key-map.js";
import type { KeyBounds } from "../common/key-range.js";
import type { ReadEngine } from "../read/engine.js";
import type { OwnWrites } from "./own-writes.js";
import { TrackedRows } from "./tracked-rows.js";

export class ReadSet {
  #keys = new KeyMap<Uint8Array>();
  #ranges: KeyBounds[] = [];
  #scans: TrackedRows[] = [];

  addKey(key: Uint8Array): void {
    if (!this.#keys.has(key)) this.#keys.set(key, copyBytes(key));
  }

  addRange(bounds: KeyBounds): void {
    this.#ranges.push(bounds);
  }

  keys(): IterableIterator<Uint8Array> {
    return this.#keys.values();
  }

  /** As far as they have been looked at. */
  ranges(): KeyBounds[] {
    return [...this.#ranges, ...this.#scans.flatMap((scan) => scan.reached())];
  }

  /** Frees all of it. */
  clear(): void {
    this.#keys = new KeyMap();
    this.#ranges = [];
    this.#scans = [];
  }

  /** `base`, whose reads are noted here. What `own` decides is no read of the database. */
  tracking(base: ReadEngine, own: OwnWrites): ReadEngine {
    const note = (key: Uint8Array): void => {
      if (!own.decides(key)) this.addKey(key);
    };
    return {
      ...base,
      tryGetRow: (view, tables, key, ...rest) => {
        note(key);
        return base.tryGetRow(view, tables, key, ...rest);
      },
      getMany: (view, tables, keys, options) => {
        for (const key of keys) note(key);
        return base.getMany(view, tables, keys, options);
      },
      scanRows: (view, tables, options) => {
        const rows = base.scanRows(view, tables, options);
        const scan = new TrackedRows(rows, options.bounds, options.reverse);
        this.#scans.push(scan);
        return scan;
      },
    };
  }
}
