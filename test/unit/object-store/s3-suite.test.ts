/** The store contract over each transport, on a stand-in that keeps objects in memory. Real servers have it in test/s3. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// @ts-expect-error: the benches have no types
import { startSlowS3 } from "../../../bench/slow-s3.mjs";
import { concatBytes, encodeUtf8, equalBytes } from "../../../src/common/bytes.js";
import { seededRandom } from "../../../src/common/random.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { S3ObjectStore } from "../../../src/object-store/s3.js";
import { objectStoreSuite } from "../../../src/testing/index.js";
import { transports } from "../../support/scripted-s3.js";

const mebibyte = 1024 * 1024;

describe.each(transports)("%s", (transport) => {
  let server: { url: string; close: () => void };
  let store: S3ObjectStore;
  const newStore = (prefix: string): S3ObjectStore =>
    new S3ObjectStore({
      bucket: "bucket",
      prefix,
      endpoint: server.url,
      transport,
      credentials: { accessKeyId: "key", secretAccessKey: "secret" },
      multipartBytes: 6 * mebibyte,
      partBytes: 5 * mebibyte,
    });
  beforeAll(async () => {
    server = await startSlowS3();
    store = newStore("suite");
  });
  afterAll(async () => {
    await store.close();
    server.close();
  });

  let storeCount = 0;
  objectStoreSuite({ test, makeStore: () => prefixed(store, `store-${++storeCount}`) });

  test("a large put goes up in parts, from bytes and from a source of pieces", async () => {
    const bytes = seededRandom(1).bytes(12 * mebibyte + 7);
    await store.put("large/bytes", bytes);
    await store.put("large/source", () => pieces(bytes, 3 * mebibyte + 1));
    await store.put("large/small", () => pieces(bytes.subarray(0, 100), 30));
    await store.put("large/whole-part", () => pieces(bytes.subarray(0, 5 * mebibyte), mebibyte));
    await store.put("large/nothing", () => pieces(bytes, 0));
    expect(equalBytes((await store.get("large/bytes"))!.bytes, bytes)).toBe(true);
    expect(equalBytes((await store.get("large/source"))!.bytes, bytes)).toBe(true);
    expect((await store.get("large/small"))?.bytes).toEqual(bytes.slice(0, 100));
    expect((await store.head("large/whole-part"))?.size).toBe(5 * mebibyte);
    expect((await store.head("large/nothing"))?.size).toBe(0);
  });

  test("a copy from another prefix of the bucket is the server's work", async () => {
    const source = newStore("other");
    const key = "sp ace/+plus%25/é";
    await source.put(key, encodeUtf8("copied"));
    await store.copy(key, "to", { source });
    expect((await store.get("to"))?.bytes).toEqual(encodeUtf8("copied"));
    await expect(store.copy("none", "to", { source })).rejects.toMatchObject({ reason: "invalid" });
    await source.close();
  });
});

async function* pieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  if (pieceBytes === 0) return;
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    yield concatBytes([bytes.subarray(at, at + pieceBytes)]);
  }
}
