/** `walStoreOf`: where the logs of a state are. A log may move once it is empty, and what checkpoints name of it stays where it was. */
import { type Manifest, WalLocation } from "../format/manifest.js";
import type { ObjectStore } from "../object-store/object-store.js";
import type { AdminContext } from "./context.js";

/** `state` is the manifest that was the newest when its WAL objects were written: that of a checkpoint, or the newest now. */
export function walStoreOf(
  { store, walStore }: Pick<AdminContext, "store" | "walStore">,
  { pinned }: Pick<Manifest, "pinned">,
): ObjectStore {
  return pinned.walLocation === WalLocation.other ? walStore : store;
}
