/** S3 over TLS, in a process that trusts the server's certificate: both transports do all the store does. */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
// @ts-expect-error A plain script of the benches, without declarations.
import { startSlowS3 } from "../../bench/slow-s3.mjs";
import { transports } from "../support/scripted-s3.js";
import { testCertificate, testKey } from "../support/tls.js";
import { type PlainSources, plainSources } from "./bundle.js";

let sources: PlainSources;
let plain: { url: string; close(): void };
let connections = 0;
const secure = createSecureServer({ key: testKey, cert: testCertificate });

beforeAll(async () => {
  sources = plainSources();
  plain = await startSlowS3();
  secure.on("secureConnection", () => connections++);
  secure.on("request", (incoming, response) => {
    const { method, url, headers } = incoming;
    const inner = request(new URL(url!, plain.url), { method: method!, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(inner);
  });
  await new Promise<void>((resolve) => secure.listen(0, "127.0.0.1", resolve));
});
afterAll(() => {
  sources.remove();
  plain.close();
  secure.close();
  secure.closeAllConnections();
});

const script = `
  import { S3ObjectStore } from "./dist/object-store/s3.js";
  const [endpoint, transport] = process.argv.slice(2);
  const options = { bucket: "bucket", prefix: transport, endpoint, transport, partBytes: 5 << 20, multipartBytes: 6 << 20 };
  const store = new S3ObjectStore(options);
  const bytes = new Uint8Array(12 << 20).fill(7);
  const done = [await store.create("a", bytes.subarray(0, 3 << 20)), await store.create("a", bytes.subarray(0, 9))];
  await store.put("parts", bytes);
  done.push((await store.get("parts")).bytes.filter((byte) => byte === 7).length);
  done.push((await store.get("a", { range: { offset: 5, length: 10 } })).bytes.length, (await store.head("a")).size);
  for await (const { key } of store.list({ prefix: "" })) done.push(key);
  await store.delete(["a", "parts"]);
  done.push(await store.get("a") === undefined);
  await store.close();
  console.log(JSON.stringify(done));`;

test.each(transports)("%s", async (transport) => {
  const file = join(sources.directory, "tls.mjs");
  const certificate = join(sources.directory, "certificate.pem");
  writeFileSync(file, script);
  writeFileSync(certificate, testCertificate);
  connections = 0;
  const { port } = secure.address() as AddressInfo;
  const environment = {
    ...process.env,
    NODE_EXTRA_CA_CERTS: certificate,
    AWS_ACCESS_KEY_ID: "any",
    AWS_SECRET_ACCESS_KEY: "any",
  };
  const printed = await new Promise<string>((resolve) => {
    execFile(
      process.execPath,
      ["--no-warnings", file, `https://localhost:${port}`, transport],
      { env: environment },
      (_, stdout, stderr) => resolve(stdout + stderr),
    );
  });
  const size = 3 * 1024 * 1024;
  const expected = ["created", "exists", 12 * 1024 * 1024, 10, size, "a", "parts", true];
  expect(printed).toBe(`${JSON.stringify(expected)}\n`);
  // As many as there are parts of an upload at once.
  expect(connections).toBeLessThanOrEqual(4);
});
