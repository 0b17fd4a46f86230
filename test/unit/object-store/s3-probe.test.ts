import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
// @ts-expect-error: this package has no types
import S3rver from "s3rver";
import { expect, test } from "vitest";
import { UnsupportedStoreError } from "../../../src/common/errors.js";
import { systemRandom } from "../../../src/common/random.js";
import { probeConditionalCreate } from "../../../src/object-store/probe.js";
import { S3ObjectStore } from "../../../src/object-store/s3.js";

test("the probe refuses a server that takes a condition and ignores it", async () => {
  const directory = await mkdtemp(join(tmpdir(), "moraine-s3rver-"));
  const server = new S3rver({
    address: "127.0.0.1",
    port: 0,
    silent: true,
    directory,
    configureBuckets: [{ name: "bucket" }],
  });
  const { port } = await server.run();
  const store = new S3ObjectStore({
    bucket: "bucket",
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" },
  });
  try {
    expect(await store.create("a", new Uint8Array(1))).toBe("created");
    expect(await store.create("a", new Uint8Array(2))).toBe("created");
    const probe = probeConditionalCreate(store, systemRandom);
    await expect(probe).rejects.toBeInstanceOf(UnsupportedStoreError);
  } finally {
    await store.close();
    await server.close();
    await rm(directory, { recursive: true, force: true });
  }
});
