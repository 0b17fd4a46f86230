/** What a reader does with an object of the WAL. */
import type { WalObject } from "../format/wal-object.js";
import { walParts } from "../format/wal-parts.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { DbState } from "./db-state.js";

/** All batches and loads of the object that are newer than `seq` appear in one tick. */
export function applyObject(
  state: DbState,
  object: WalObject,
  seq: number,
  memTableBytes: number,
): void {
  const path = ObjectPaths.wal(object.epoch, object.id);
  for (const part of walParts(object, path)) {
    if (part.loaded === undefined) {
      if (state.active.bytes >= memTableBytes) state.freeze();
      const { start, end, recordCount } = part;
      state.active.applyRecords(object.bytes, start, end, recordCount, seq, path);
    } else if (part.lastSeq > seq) {
      if (!state.active.isEmpty) state.freeze();
      state.addLoad(part.loaded);
    }
  }
}
