/** `readRetiredLists`: what the list objects of a manifest hold. */
import type { Ulid } from "../common/ids.js";
import type { Manifest, RetiredObjects } from "../format/manifest.js";
import { decodeRetiredList } from "../format/retired-list-codec.js";
import { isList } from "../manifest/gc-transitions.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { RetiredLists } from "./collectible.js";
import { eachOf, GoneObject } from "./pinned-states.js";

/** One GET for each. Throws `GoneObject`: another collector has emptied one since, or it is damage. */
export async function readRetiredLists(
  store: ObjectStore,
  manifest: Manifest,
  signal: AbortSignal | undefined,
): Promise<RetiredLists> {
  const lists = new Map<Ulid, readonly RetiredObjects[]>();
  const ids = manifest.retired.filter(isList).flatMap((entry) => entry.ids);
  await eachOf(ids, async (id) => {
    const path = ObjectPaths.retiredList(id);
    const object = await store.get(path, { signal });
    if (object === undefined) throw new GoneObject(path);
    lists.set(id, decodeRetiredList(object.bytes, path, manifest.databaseId, id));
  });
  return lists;
}
