/** What the tests of the promises share: manifests as they are stored, and other roles that commit. */
import { seededRandom } from "../../../src/common/random.js";
import type { Manifest } from "../../../src/format/manifest.js";
import { decodeManifest } from "../../../src/format/manifest-codec.js";
import { decodeWalObject, type WalObject } from "../../../src/format/wal-object.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import { StoredManifest } from "../../../src/manifest/stored-manifest.js";
import type { Transition } from "../../../src/manifest/transitions.js";
import { ObjectPaths, parseWalPath } from "../../../src/object-store/paths.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { newPlace, type Place } from "../db/support.js";

const retentionMs = 30 * 24 * 3_600_000;

/** Another process at the same store, by the same clock. */
export const beside = ({ inner, clock }: Place): Place => newPlace(inner, clock);

/** All manifests that are stored, oldest first. */
export async function manifestsOf({ inner }: Place): Promise<Manifest[]> {
  const manifests: Manifest[] = [];
  for (let number = 1; ; number++) {
    const path = `db/${ObjectPaths.manifest(number)}`;
    const object = await inner.get(path);
    if (object === undefined) return manifests;
    manifests.push(decodeManifest(object.bytes, path, number));
  }
}

export async function newestOf(place: Place): Promise<Manifest> {
  return (await manifestsOf(place)).at(-1)!;
}

/** Keys of the stored objects that contain `part`. */
export async function objectsOf({ inner }: Place, part: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of inner.list({ prefix: "db/" })) if (key.includes(part)) keys.push(key);
  return keys.sort();
}

/** The WAL objects of an epoch, in id order. */
export async function logOf(place: Place, epoch = 1): Promise<WalObject[]> {
  const { databaseId } = await newestOf(place);
  const objects: WalObject[] = [];
  for (const key of await objectsOf(place, "/wal/")) {
    const { bytes } = (await place.inner.get(key))!;
    const position = parseWalPath(key.slice("db/".length))!;
    if (position.epoch === epoch) objects.push(decodeWalObject(bytes, key, databaseId, position));
  }
  return objects;
}

let seeds = 1000;

/** Commits as a process of another role does. */
export async function commitBeside(place: Place, transition: Transition): Promise<Manifest> {
  const { clock } = place;
  const manifests = new ManifestStore(prefixed(place.inner, "db"));
  const stored = new StoredManifest(manifests, await newestOf(place), {
    ...{ clock, retentionMs, random: seededRandom(++seeds) },
  });
  return clock.advanceUntil(stored.commit(transition));
}
