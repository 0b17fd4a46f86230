import { expect, test } from "vitest";
import { decodeManifest, encodeManifest } from "../../../src/format/manifest-codec.js";
import { Db } from "../../../src/index.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { MemoryObjectStore } from "../../../src/testing/index.js";

test("a database with a feature that is not known is refused, also when the hint is its newest manifest", async () => {
  const store = new MemoryObjectStore();
  await (await Db.open({ store, path: "db" })).close();
  const path = `db/${ObjectPaths.manifestHint}`;
  const manifest = decodeManifest((await store.get(path))!.bytes, path);
  const bytes = encodeManifest({ ...manifest, requiredFeatures: [77] });
  await store.delete([`db/${ObjectPaths.manifest(manifest.number)}`]);
  await store.put(`db/${ObjectPaths.manifest(manifest.number)}`, bytes);
  await store.put(path, bytes);
  await expect(Db.open({ store, path: "db" })).rejects.toMatchObject({ kind: "unsupported" });
});
