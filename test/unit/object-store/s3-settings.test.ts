import { expect, test } from "vitest";
import { InvalidArgumentError } from "../../../src/common/errors.js";
import { s3StoreFromUrl } from "../../../src/object-store/s3.js";
import { parseS3Url, resolveS3Settings } from "../../../src/object-store/s3-settings.js";

test("endpoint and region come from the environment, and options win", () => {
  const environment = { AWS_ENDPOINT_URL: "http://all", AWS_ENDPOINT_URL_S3: "http://s3/" };
  expect(resolveS3Settings({ bucket: "b" }, environment)).toMatchObject({
    endpoint: "http://s3",
    region: "us-east-1",
    forcePathStyle: true,
    prefix: "",
  });
  expect(
    resolveS3Settings({ bucket: "b", prefix: "a/b", endpoint: "https://mine" }, environment),
  ).toMatchObject({ endpoint: "https://mine", prefix: "a/b/" });
  expect(resolveS3Settings({ bucket: "b" }, { AWS_REGION: "eu-north-1" })).toMatchObject({
    endpoint: undefined,
    region: "eu-north-1",
    forcePathStyle: false,
  });
});

test.each([
  "s3://b/p?endpont=http://x",
  "s3://b/p?forcePathStyle=yes",
  "s3://b/p?transport=fat",
  "s3://b/p?endpoint=ftp://x",
  "s3://b/a//b",
  "s3://user:pass@b/p",
  "file:///p",
])("%s is refused", (url) => {
  expect(() => s3StoreFromUrl(new URL(url))).toThrow(InvalidArgumentError);
});

test("the transport is lean but for what only the SDK can reach", () => {
  const transport = (bucket: string, environment = {}, input = {}): string =>
    resolveS3Settings({ bucket, ...input }, environment).transport;
  expect(transport("b")).toBe("lean");
  for (const region of ["eu-central-1", "us-gov-west-1", "cn-north-1", "ap-southeast-4"]) {
    expect(transport("b", { AWS_REGION: region })).toBe("lean");
  }
  expect(transport("b", {}, { transport: "sdk" })).toBe("sdk");
  const onlyBySdk: [string, Record<string, string>][] = [
    ["b--euw1-az1--x-s3", {}],
    ["arn:aws:s3:eu-west-1:123456789012:accesspoint:a", {}],
    ["b", { AWS_USE_FIPS_ENDPOINT: "true" }],
    ["b", { AWS_USE_DUALSTACK_ENDPOINT: "true" }],
    ["b", { AWS_REGION: "us-iso-east-1" }],
    ["b", { AWS_REGION: "eusc-de-east-1" }],
  ];
  for (const [bucket, environment] of onlyBySdk) {
    expect(transport(bucket, environment)).toBe("sdk");
    const lean = { transport: "lean" };
    expect(() => transport(bucket, environment, lean)).toThrow(InvalidArgumentError);
  }
  expect(transport("b", { AWS_REGION: "here" }, { endpoint: "http://e" })).toBe("lean");
});

test("an unknown parameter is answered with the nearest known one", () => {
  expect(() => parseS3Url(new URL("s3://b/p?endpont=x"))).toThrow(/"endpoint"/);
});

test("the id of a store names endpoint, bucket and prefix", async () => {
  const store = s3StoreFromUrl(new URL("s3://b/p/q?endpoint=http://127.0.0.1:1/&region=r"));
  expect(store.id).toBe("s3:http://127.0.0.1:1/b/p/q");
  await store.close();
  await expect(store.get("a")).rejects.toMatchObject({ kind: "closed" });
});
