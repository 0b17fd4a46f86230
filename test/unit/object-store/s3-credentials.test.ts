/** Where the lean transport's keys come from, and when they are read again. */
import { afterEach, describe, expect, test } from "vitest";
import {
  CredentialSource,
  type Credentials,
  environmentCredentials,
} from "../../../src/object-store/s3-credentials.js";
import { errorAnswer, ScriptedS3 } from "../../support/scripted-s3.js";

const minute = 60_000;

/** A source whose keys hold for an hour and name the reading that they come from. */
function newSource(fail: () => unknown = () => undefined) {
  const time = { now: 0 };
  const reads: unknown[] = [];
  const source = new CredentialSource(
    async (options) => {
      reads.push(options);
      const error = fail();
      if (error !== undefined) throw error;
      return {
        accessKeyId: `key ${reads.length}`,
        secretAccessKey: "secret",
        expiration: new Date(time.now + 60 * minute),
      };
    },
    () => time.now,
  );
  const key = async (): Promise<string> => (await source.get()).accessKeyId;
  return { time, reads, source, key };
}

describe("credentials that expire", () => {
  test("are read once for all that need them, and kept", async () => {
    const { reads, key } = newSource();
    expect(await Promise.all([key(), key(), key()])).toEqual(["key 1", "key 1", "key 1"]);
    expect(await key()).toBe("key 1");
    expect(reads).toEqual([undefined]);
  });

  test("are read again five minutes before they do", async () => {
    const { time, key } = newSource();
    await key();
    time.now = 54 * minute;
    expect(await key()).toBe("key 1");
    time.now = 55 * minute;
    expect(await key()).toBe("key 2");
  });

  test("are used to their end when they cannot be renewed, and then the error is told", async () => {
    let error: unknown;
    const { time, key, reads } = newSource(() => error);
    await key();
    error = new Error("the service is down");
    time.now = 56 * minute;
    expect([await key(), await key(), reads.length]).toEqual(["key 1", "key 1", 2]);
    time.now = 57 * minute;
    expect([await key(), reads.length]).toEqual(["key 1", 3]);
    time.now = 60 * minute;
    await expect(key()).rejects.toMatchObject({
      reason: "unavailable",
      message: expect.stringContaining("the service is down"),
    });
    error = undefined;
    expect(await key()).toBe("key 5");
  });

  test("are asked for anew when the server has refused them", async () => {
    const { source, key, reads } = newSource();
    await key();
    await source.renew();
    expect(await key()).toBe("key 2");
    expect(reads).toEqual([undefined, { forceRefresh: true }]);
  });
});

test("keys that are no strings are denied", async () => {
  const source = new CredentialSource(
    async () => ({ accessKeyId: "key" }) as unknown as Credentials,
    () => 0,
  );
  await expect(source.get()).rejects.toMatchObject({ reason: "denied" });
});

test("the environment has credentials when both keys are set and no profile is named", () => {
  const both = { AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "secret" };
  expect(environmentCredentials(both)).toEqual({ accessKeyId: "key", secretAccessKey: "secret" });
  const temporary = {
    ...both,
    AWS_SESSION_TOKEN: "token",
    AWS_CREDENTIAL_EXPIRATION: "2026-11-21T10:00:00Z",
  };
  expect(environmentCredentials(temporary)).toMatchObject({
    sessionToken: "token",
    expiration: new Date("2026-11-21T10:00:00Z"),
  });
  expect(environmentCredentials({ ...both, AWS_SECRET_ACCESS_KEY: "" })).toBeUndefined();
  expect(environmentCredentials({ ...both, AWS_PROFILE: "work" })).toBeUndefined();
});

describe("a store", () => {
  let server: ScriptedS3;
  afterEach(() => server.stop());

  test("whose provider fails sends nothing, and may be tried again", async () => {
    server = await ScriptedS3.start((_, response) => void response.end());
    let fails = true;
    const store = server.store({
      transport: "lean",
      credentials: async () => {
        if (fails) throw new Error("no answer from the vault");
        return { accessKeyId: "key", secretAccessKey: "the-secret" };
      },
    });
    await expect(store.put("a", new Uint8Array(1))).rejects.toMatchObject({
      reason: "unavailable",
      message: expect.stringContaining("no answer from the vault"),
    });
    expect(server.requests).toHaveLength(0);
    fails = false;
    await store.put("a", new Uint8Array(1));
  });

  test("with keys that stay expired is denied after two requests", async () => {
    server = await ScriptedS3.start(errorAnswer(400, "ExpiredToken"));
    const put = server.store({ transport: "lean" }).put("a", new Uint8Array(1));
    await expect(put).rejects.toMatchObject({ reason: "denied" });
    expect(server.requests).toHaveLength(2);
  });

  test("does not wait for a provider that hangs once the call is aborted", async () => {
    server = await ScriptedS3.start((_, response) => void response.end());
    const reason = new Error("enough");
    const controller = new AbortController();
    const store = server.store({
      transport: "lean",
      credentials: () => new Promise(() => undefined),
    });
    const put = store.put("a", new Uint8Array(1), { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 20);
    await expect(put).rejects.toBe(reason);
  });
});
