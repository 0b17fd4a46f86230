/** Reads ranges of one SST from the store: a missing, shorter or longer object than the manifest says is `CorruptionError`. */
import type { Bytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import type { SstInfo } from "../format/manifest.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";

/** `length` bytes from `offset` in one GET; `background` requests give way to others. */
export async function readSstRange(
  store: ObjectStore,
  info: SstInfo,
  offset: number,
  length: number,
  background = false,
  signal?: AbortSignal,
): Promise<Bytes> {
  const object = ObjectPaths.sst(info.id);
  const isWhole = offset === 0 && length === info.size;
  const stored = await store.get(object, {
    ...(isWhole ? {} : { range: { offset, length } }),
    ...(background ? { background } : {}),
    ...(signal ? { signal } : {}),
  });
  if (stored === undefined) throw new CorruptionError(object, "the object is missing");
  if (stored.size !== info.size) {
    throw new CorruptionError(object, `it has ${stored.size} bytes, expected ${info.size}`);
  }
  if (stored.bytes.length !== length) {
    throw new CorruptionError(
      object,
      `the store answered ${stored.bytes.length} of ${length} bytes`,
      { offset },
    );
  }
  return stored.bytes;
}
