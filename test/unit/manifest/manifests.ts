/** Manifests for tests: made from few words, and put where a commit would have put them. */
import {
  type L0Entry,
  type Manifest,
  type SstInfo,
  WalLocation,
} from "../../../src/format/manifest.js";
import { encodeManifest } from "../../../src/format/manifest-codec.js";
import { claimWriter, emptyManifest } from "../../../src/manifest/transitions.js";
import type { ObjectStore } from "../../../src/object-store/object-store.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";

export const databaseId = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
export const hour: number = 3_600_000;
export const day: number = 24 * hour;

/** Ids that ascend with their number. */
export const ulid = (number: number): string => `01${String(number).padStart(24, "0")}`;

export function sstOf(number: number, minSeq: number, maxSeq: number): SstInfo {
  return {
    ...{ id: ulid(number), size: 100, metaOffset: 50, topOffset: 60 },
    ...{ firstKey: Uint8Array.of(1), lastKey: Uint8Array.of(2), minSeq, maxSeq },
    ...{
      rowCount: 1,
      deleteCount: 0,
      maxExpiresAt: 0,
      rangeDeletesOffset: 0,
      rangeDeletes: [],
      seq: 0,
      shadowedCount: 0,
      expiringCount: 0,
      owner: "",
    },
  };
}

export const entryOf = (number: number, minSeq: number, maxSeq: number): L0Entry => ({
  ssts: [sstOf(number, minSeq, maxSeq)],
  seq: 0,
});

export const empty: Manifest = emptyManifest(databaseId, {
  walLocation: WalLocation.store,
  walStoreId: "",
  walPath: "",
  mergeOperators: [],
  encryption: 0,
});

/** Of a database that a writer has claimed. */
export const claimed: Manifest = claimWriter({ putsInFlight: 2 })(empty);

export async function putManifest(
  store: ObjectStore,
  number: number,
  over: Partial<Manifest> = {},
): Promise<Manifest> {
  const token = Uint8Array.from({ length: 16 }, (_, i) => number + i);
  const manifest = { ...claimed, number, token, createdAt: Date.UTC(2026, 0, 1), ...over };
  await store.put(ObjectPaths.manifest(number), encodeManifest(manifest));
  return manifest;
}

export async function putHint(store: ObjectStore, manifest: Manifest): Promise<void> {
  await store.put(ObjectPaths.manifestHint, encodeManifest(manifest));
}
