/** The servers under test: the URLs in MORAINE_TEST_S3, which must name at least one. */
import { systemRandom } from "../../src/common/random.js";
import { S3ObjectStore, type S3ObjectStoreOptions } from "../../src/object-store/s3.js";
import { parseS3Url } from "../../src/object-store/s3-settings.js";
import { transports } from "../support/scripted-s3.js";

type Transport = (typeof transports)[number];

const environment: { MORAINE_TEST_S3?: string; AWS_REGION?: string } = process.env;

export const testRegion: string = environment.AWS_REGION || "us-east-1";

export interface TestServer {
  readonly name: string;
  /** A store below a prefix that no other store of this or another run has. */
  newStore(options?: Partial<S3ObjectStoreOptions>): S3ObjectStore;
  readonly bucket: string;
  readonly endpoint: string | undefined;
}

/** Each server with each transport. */
export function serversAndTransports(): [server: TestServer, transport: Transport][] {
  return testServers().flatMap((server) =>
    transports.map((transport): [TestServer, Transport] => [server, transport]),
  );
}

function testServers(): TestServer[] {
  const urls = (environment.MORAINE_TEST_S3 ?? "").split(",").filter((url) => url.trim() !== "");
  if (urls.length === 0) {
    throw new Error(
      "MORAINE_TEST_S3 is empty. Set it to comma-separated URLs, such as s3://bucket/prefix?endpoint=http://127.0.0.1:9000, with credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. CONTRIBUTING.md says how to start servers.",
    );
  }
  const run = Array.from(systemRandom.bytes(6), (byte) => byte.toString(16).padStart(2, "0"));
  let storeCount = 0;
  return urls.map((text) => {
    const input = parseS3Url(new URL(text.trim()));
    const base = [input.prefix, `run-${run.join("")}`].filter((part) => part !== "").join("/");
    return {
      name: `${input.endpoint ?? "AWS"} ${input.bucket}`,
      bucket: input.bucket,
      endpoint: input.endpoint,
      newStore: (options) =>
        new S3ObjectStore({ ...input, prefix: `${base}/${++storeCount}`, ...options }),
    };
  });
}
