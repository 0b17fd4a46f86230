/** The store contract on real servers, and what only a real server can show. */
import { ListMultipartUploadsCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, describe, expect, test } from "vitest";
import { concatBytes, encodeUtf8, equalBytes } from "../../src/common/bytes.js";
import { seededRandom, systemRandom } from "../../src/common/random.js";
import { prefixed } from "../../src/object-store/prefixed.js";
import { probeConditionalCreate } from "../../src/object-store/probe.js";
import type { S3ObjectStore } from "../../src/object-store/s3.js";
import { objectStoreSuite } from "../../src/testing/index.js";
import { serversAndTransports, type TestServer, testRegion } from "./servers.js";

const mebibyte = 1024 * 1024;

for (const [server, transport] of serversAndTransports()) {
  describe(`${server.name}, ${transport}`, () => {
    const stores: S3ObjectStore[] = [];
    const newStore: TestServer["newStore"] = (options) => {
      const store = server.newStore({ transport, ...options });
      stores.push(store);
      return store;
    };
    afterAll(async () => {
      await Promise.all(stores.map((store) => store.close()));
    });

    describe("the store contract", () => {
      // One client for all, as an application has.
      const shared = newStore();
      let storeCount = 0;
      objectStoreSuite({
        test,
        makeStore: () => prefixed(shared, `suite-${++storeCount}`),
      });
    });

    test("the probe accepts the server", async () => {
      await probeConditionalCreate(newStore(), systemRandom);
    });

    test("of 32 clients that create one key, one wins and its bytes stay", async () => {
      const first = newStore();
      const prefix = first.id.slice(first.id.indexOf(server.bucket) + server.bucket.length + 1);
      const racers = Array.from({ length: 32 }, () => newStore({ prefix }));
      for (let round = 0; round < 4; round++) {
        const key = `race/${round}`;
        const results = await Promise.all(
          racers.map((store, racer) => createAnyway(store, key, encodeUtf8(`racer ${racer}`))),
        );
        const winners = results.flatMap((result, racer) => (result === "created" ? [racer] : []));
        expect(winners).toHaveLength(1);
        const stored = await first.get(key);
        expect(stored?.bytes).toEqual(encodeUtf8(`racer ${winners[0]}`));
      }
    });

    test("a large put goes up in parts, from bytes and from a source", async () => {
      const store = newStore({ multipartBytes: 6 * mebibyte, partBytes: 5 * mebibyte });
      const bytes = seededRandom(1).bytes(12 * mebibyte + 7);
      await store.put("bytes", bytes);
      await store.put("source", () => pieces(bytes, 3 * mebibyte + 1));
      await store.put("small", () => pieces(bytes.subarray(0, 100), 30));
      await store.put("nothing", () => pieces(bytes, 0));
      // Not toEqual, which takes a minute for so many elements.
      expect(equalBytes((await store.get("bytes"))!.bytes, bytes)).toBe(true);
      expect(equalBytes((await store.get("source"))!.bytes, bytes)).toBe(true);
      expect((await store.get("small"))?.bytes).toEqual(bytes.slice(0, 100));
      expect((await store.head("nothing"))?.size).toBe(0);
    });

    test("an aborted upload leaves no parts and no object behind", async () => {
      const store = newStore({ multipartBytes: 6 * mebibyte, partBytes: 5 * mebibyte });
      const bytes = seededRandom(2).bytes(40 * mebibyte);
      for (const delayMs of [0, 20, 60, 120]) {
        const reason = new Error(`given up after ${delayMs} ms`);
        const controller = new AbortController();
        const put = store.put("aborted", () => slowPieces(bytes, mebibyte, 5), {
          signal: controller.signal,
        });
        setTimeout(() => controller.abort(reason), delayMs);
        await expect(put).rejects.toBe(reason);
      }
      expect(await store.head("aborted")).toBeUndefined();
      expect(await uploadsBelow(server, store)).toEqual([]);
    });

    test("an upload whose source fails rejects with the source's error and leaves nothing", async () => {
      const store = newStore({ multipartBytes: 6 * mebibyte, partBytes: 5 * mebibyte });
      const failure = new Error("the source is broken");
      async function* source(): AsyncGenerator<Uint8Array> {
        yield* pieces(seededRandom(3).bytes(16 * mebibyte), 5 * mebibyte);
        throw failure;
      }
      await expect(store.put("failed", source)).rejects.toBe(failure);
      expect(await store.head("failed")).toBeUndefined();
      expect(await uploadsBelow(server, store)).toEqual([]);
    });

    test("a bucket that does not exist is invalid, and the message names it", async () => {
      const store = newStore({ bucket: "moraine-no-such-bucket" });
      for (const call of [
        () => store.get("a"),
        () => store.create("a", new Uint8Array(1)),
        () => store.list({ prefix: "" })[Symbol.asyncIterator]().next(),
        () => store.delete(["a", "b"]),
      ]) {
        await expect(call()).rejects.toMatchObject({
          reason: "invalid",
          message: expect.stringMatching(/"moraine-no-such-bucket" does not exist/),
        });
      }
    });

    test("a copy from another prefix of the bucket is the server's work", async () => {
      const source = newStore();
      const target = newStore();
      const key = "sp ace/+plus%25/é";
      await source.put(key, encodeUtf8("copied"));
      await target.copy(key, "to", { source });
      expect((await target.get("to"))?.bytes).toEqual(encodeUtf8("copied"));
      await expect(target.copy("none", "to", { source })).rejects.toMatchObject({
        reason: "invalid",
      });
    });

    test("wrong credentials are denied with the remedy", async () => {
      const store = newStore({
        credentials: { accessKeyId: "AKIAUNKNOWNUNKNOWN00", secretAccessKey: "not-the-secret" },
      });
      const answer = await store.create("a", new Uint8Array(1)).catch((error: unknown) => error);
      // LocalStack checks no credentials, so there the write must have happened.
      if (answer === "created") {
        expect((await store.get("a"))?.size).toBe(1);
        return;
      }
      expect(answer).toMatchObject({ reason: "denied" });
      expect(String(answer)).toMatch(/AWS_ACCESS_KEY_ID|AWS_SECRET_ACCESS_KEY/);
      expect(String(answer)).not.toMatch(/not-the-secret/);
    });
  });
}

/** 409 says that another create is on its way: the caller is to try again. */
async function createAnyway(store: S3ObjectStore, key: string, bytes: Uint8Array): Promise<string> {
  for (;;) {
    try {
      return await store.create(key, bytes);
    } catch (error) {
      if ((error as { reason?: string }).reason !== "conflict") throw error;
    }
  }
}

async function* pieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  if (pieceBytes === 0) return;
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

async function* slowPieces(
  bytes: Uint8Array,
  pieceBytes: number,
  delayMs: number,
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces(bytes, pieceBytes)) {
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    yield concatBytes([piece]);
  }
}

async function uploadsBelow(server: TestServer, store: S3ObjectStore): Promise<unknown[]> {
  const client = new S3Client({
    region: testRegion,
    ...(server.endpoint !== undefined && { endpoint: server.endpoint, forcePathStyle: true }),
  });
  try {
    // Without a prefix: some servers list uploads of whole keys only.
    const answer = await client.send(new ListMultipartUploadsCommand({ Bucket: server.bucket }));
    const prefix = store.id.slice(store.id.indexOf(server.bucket) + server.bucket.length + 1);
    return (answer.Uploads ?? []).filter((upload) => upload.Key?.startsWith(prefix));
  } finally {
    client.destroy();
  }
}
