/** What a process loads for S3, looked at in processes of their own: the SDK only where it is needed. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { errorAnswer, ScriptedS3 } from "../support/scripted-s3.js";
import { type PlainSources, plainSources } from "./bundle.js";

let sources: PlainSources;
let server: ScriptedS3;
beforeAll(() => {
  sources = plainSources();
});
afterAll(() => sources.remove());
beforeEach(async () => {
  server = await ScriptedS3.start((request, response, socket) => {
    if (request.query.has("list-type")) response.end("<ListBucketResult/>");
    else if (request.method === "GET") errorAnswer(404, "NoSuchKey")(request, response, socket);
    else response.end();
  });
});
afterEach(() => server.stop());

const keys = { AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "the-secret" };

/** Runs a script that has `url` and `Store`; gives the packages that were loaded when it ended, and what it printed. */
async function run(
  script: string,
  environment: Record<string, string>,
): Promise<{ code: number | null; packages: string[]; printed: string }> {
  const file = join(sources.directory, "loading.mjs");
  writeFileSync(
    file,
    `import { createRequire } from "node:module";
     import { S3ObjectStore } from "./dist/object-store/s3.js";
     const newStore = (options) => new S3ObjectStore({ bucket: "bucket", endpoint: process.argv[2], ...options });
     ${script}
     const files = Object.keys(createRequire(import.meta.url).cache);
     const names = files.map((file) => /.*node_modules\\/((@[^/]+\\/)?[^/]+)/.exec(file)?.[1]);
     console.log(JSON.stringify([...new Set(names)].filter(Boolean).sort()));`,
  );
  const { PATH = "" } = process.env as { PATH?: string };
  const child = spawn(process.execPath, ["--no-warnings", file, server.endpoint], {
    env: { PATH, HOME: sources.directory, AWS_EC2_METADATA_DISABLED: "true", ...environment },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  const lines = text.trim().split("\n");
  const packages = code === 0 ? (JSON.parse(lines.pop()!) as string[]) : [];
  return { code, packages, printed: lines.join("\n") };
}

const work = `
  await store.put("a", new Uint8Array(10));
  if ((await store.get("b")) !== undefined) throw new Error("b");
  for await (const _ of store.list({ prefix: "" }));`;

test("nothing before the first request", async () => {
  expect(await run("newStore();", keys)).toEqual({ code: 0, packages: [], printed: "" });
});

test("no SDK where the environment has credentials; and idle sockets do not keep the process", async () => {
  const { code, packages } = await run(`const store = newStore(); ${work}`, keys);
  expect({ code, packages }).toEqual({ code: 0, packages: ["@aws-sdk/xml-builder", "aws4"] });
  expect(server.signatureProblems).toEqual([]);
});

test("no SDK where the options have credentials", async () => {
  const credentials = JSON.stringify({ accessKeyId: "key", secretAccessKey: "the-secret" });
  const script = `const store = newStore({ credentials: ${credentials} }); ${work}`;
  expect((await run(script, {})).packages).toEqual(["@aws-sdk/xml-builder", "aws4"]);
});

test("the SDK's providers where nobody gives credentials, and they sign the lean requests", async () => {
  const file = join(sources.directory, "credentials");
  writeFileSync(
    file,
    "[work]\naws_access_key_id = from-file\naws_secret_access_key = the-secret\n",
  );
  const environment = { AWS_SHARED_CREDENTIALS_FILE: file, AWS_PROFILE: "work" };
  const { code, packages } = await run(`const store = newStore(); ${work}`, environment);
  expect(code).toBe(0);
  expect(packages).toContain("@aws-sdk/client-s3");
  expect(packages).toContain("aws4");
  expect(server.requests[0]!.headers.authorization).toMatch(/Credential=from-file\//);
  expect(server.signatureProblems).toEqual([]);
});

test("without any credentials the call is denied with the remedy, and nothing is sent", async () => {
  const script = `const store = newStore();
    console.log(await store.put("a", new Uint8Array(1)).catch((e) => e.reason + ": " + e.message));`;
  const { code, printed } = await run(script, {});
  expect(code).toBe(0);
  expect(printed).toMatch(/^denied: .*no credentials were found/);
  expect(server.requests).toEqual([]);
});

test("without any region the call is invalid, with the remedy", async () => {
  const script = `const store = new S3ObjectStore({ bucket: "bucket" });
    console.log(await store.get("a").catch((e) => e.reason + ": " + e.message));`;
  const { code, printed } = await run(script, keys);
  expect(code).toBe(0);
  expect(printed).toMatch(/^invalid: .*no region is set/);
});

test("this way of looking sees the SDK", async () => {
  const { packages } = await run(`const store = newStore({ transport: "sdk" }); ${work}`, keys);
  expect(packages).toContain("@aws-sdk/client-s3");
  expect(packages).not.toContain("aws4");
});
