/** Settings of an S3 store: from options, a URL and the environment to values that are checked and complete. */
import { describeType } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import { requireBoolean, requireInteger, suggestion } from "../common/options.js";

/** S3's own bounds, in bytes: of one PutObject or CopyObject, and of a part that is not the last. */
export const singleRequestBytesMax: number = 5 * 1024 ** 3;
const partBytesMin = 5 * 1024 ** 2;

/** The options that are plain data; `S3ObjectStoreOptions` adds the client and the credentials. */
export interface S3SettingsInput {
  /** The bucket's name. It must exist. */
  bucket: string;
  /** Put before every key, with a `/` between. Canonical segments, no `/` at either end. Default: none. */
  prefix?: string | undefined;
  /** Default: AWS_REGION, AWS_DEFAULT_REGION, `us-east-1` with a custom endpoint, and otherwise what the SDK finds. */
  region?: string | undefined;
  /** An http or https URL. Default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, and otherwise AWS's own. */
  endpoint?: string | undefined;
  /**
   * What sends the requests: `"lean"`, signed and sent over Node's own sockets, or `"sdk"`, the AWS SDK. Default: lean, but
   * for what only the SDK can reach: directory buckets, access points, FIPS and dual-stack endpoints, and regions outside
   * of the partitions aws, aws-cn and aws-us-gov. docs/decisions/0012-lean-s3-transport.md says why.
   */
  transport?: "lean" | "sdk" | undefined;
  /** `endpoint/bucket/key` rather than `bucket.endpoint/key`. Default: true with a custom endpoint. */
  forcePathStyle?: boolean | undefined;
  /**
   * ms: the longest silence, in which nothing is sent and nothing comes; with the SDK's transport also the time from sending
   * a request to the head of its answer. Default 30,000, at least 1.
   */
  requestTimeoutMs?: number | undefined;
  /** ms to connect, waiting for a free socket included. Default 5,000, at least 1. */
  connectTimeoutMs?: number | undefined;
  /** Connections at once. Default 128, at least 1. */
  socketsMax?: number | undefined;
  /** A `put` of more bytes is a multipart upload. Default 32 MiB, at most 5 GiB. */
  multipartBytes?: number | undefined;
  /** Bytes of a part; 10,000 parts are the most. Default 8 MiB, from 5 MiB to 5 GiB. */
  partBytes?: number | undefined;
  /** Parts of one upload that are sent at once. Default 4, from 1 to 64. */
  partsInFlight?: number | undefined;
}

export interface S3Settings {
  readonly bucket: string;
  /** Empty, or ending in `/`. */
  readonly prefix: string;
  readonly region: string | undefined;
  /** Without a `/` at its end. */
  readonly endpoint: string | undefined;
  readonly transport: "lean" | "sdk";
  readonly forcePathStyle: boolean;
  readonly requestTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly socketsMax: number;
  readonly multipartBytes: number;
  readonly partBytes: number;
  readonly partsInFlight: number;
}

/** The environment variables that are read. */
export interface S3Environment {
  readonly AWS_ENDPOINT_URL_S3?: string | undefined;
  readonly AWS_ENDPOINT_URL?: string | undefined;
  readonly AWS_REGION?: string | undefined;
  readonly AWS_DEFAULT_REGION?: string | undefined;
  readonly AWS_USE_FIPS_ENDPOINT?: string | undefined;
  readonly AWS_USE_DUALSTACK_ENDPOINT?: string | undefined;
}

/** Completes the options; throws `InvalidArgumentError` for one that is wrong. */
export function resolveS3Settings(input: S3SettingsInput, environment: S3Environment): S3Settings {
  if (typeof input.bucket !== "string" || !/^[^/\s]+$/.test(input.bucket)) {
    throw new InvalidArgumentError(
      `"bucket" must be the name of a bucket, not ${typeof input.bucket === "string" ? `"${input.bucket}"` : describeType(input.bucket)}.`,
    );
  }
  requireBoolean(input.forcePathStyle, "forcePathStyle");
  requireTransport(input.transport);
  requireInteger(input.requestTimeoutMs, "requestTimeoutMs", 1, 2 ** 31 - 1);
  requireInteger(input.connectTimeoutMs, "connectTimeoutMs", 1, 2 ** 31 - 1);
  requireInteger(input.socketsMax, "socketsMax", 1, 65_535);
  requireInteger(input.multipartBytes, "multipartBytes", 0, singleRequestBytesMax);
  requireInteger(input.partBytes, "partBytes", partBytesMin, singleRequestBytesMax);
  requireInteger(input.partsInFlight, "partsInFlight", 1, 64);
  // An empty variable counts as one that is not set.
  const endpoint =
    input.endpoint || environment.AWS_ENDPOINT_URL_S3 || environment.AWS_ENDPOINT_URL || undefined;
  const region =
    input.region || environment.AWS_REGION || environment.AWS_DEFAULT_REGION || undefined;
  return {
    bucket: input.bucket,
    prefix: checkedPrefix(input.prefix ?? ""),
    region: region ?? (endpoint === undefined ? undefined : "us-east-1"),
    endpoint: endpoint === undefined ? undefined : checkedEndpoint(endpoint),
    transport: chooseTransport(
      input.transport,
      onlyBySdk(input.bucket, endpoint, region, environment),
    ),
    forcePathStyle: input.forcePathStyle ?? endpoint !== undefined,
    requestTimeoutMs: input.requestTimeoutMs ?? 30_000,
    connectTimeoutMs: input.connectTimeoutMs ?? 5_000,
    socketsMax: input.socketsMax ?? 128,
    multipartBytes: input.multipartBytes ?? 32 * 1024 ** 2,
    partBytes: input.partBytes ?? 8 * 1024 ** 2,
    partsInFlight: input.partsInFlight ?? 4,
  };
}

function requireTransport(transport: unknown): void {
  if (transport === undefined || transport === "lean" || transport === "sdk") return;
  const shown = typeof transport === "string" ? `"${transport}"` : describeType(transport);
  throw new InvalidArgumentError(`"transport" must be "lean" or "sdk", not ${shown}.`);
}

function chooseTransport(
  wanted: "lean" | "sdk" | undefined,
  bySdk: string | undefined,
): "lean" | "sdk" {
  if (bySdk === undefined) return wanted ?? "lean";
  if (wanted === "lean") {
    throw new InvalidArgumentError(`The lean transport cannot reach ${bySdk}: leave it to "sdk".`);
  }
  return "sdk";
}

/** What of this only the SDK can reach. */
function onlyBySdk(
  bucket: string,
  endpoint: string | undefined,
  region: string | undefined,
  environment: S3Environment,
): string | undefined {
  if (bucket.endsWith("--x-s3")) return "directory buckets, which have sessions";
  if (bucket.includes(":")) return "access points";
  if (endpoint !== undefined) return undefined;
  if (environment.AWS_USE_FIPS_ENDPOINT === "true") return "FIPS endpoints";
  if (environment.AWS_USE_DUALSTACK_ENDPOINT === "true") return "dual-stack endpoints";
  if (region !== undefined && !isUsualRegion(region)) return `region "${region}"`;
  return undefined;
}

/** A region of the partitions aws, aws-cn and aws-us-gov, whose endpoints' names follow one rule. */
export function isUsualRegion(region: string): boolean {
  return /^[a-z]{2}(-gov)?-[a-z]+-\d+$/.test(region);
}

function checkedEndpoint(endpoint: string): string {
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    throw new InvalidArgumentError(
      `The endpoint must be an http or https URL, such as "https://s3.example.com", not "${endpoint}".`,
    );
  }
  const url = new URL(endpoint);
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw new InvalidArgumentError(
      "The endpoint must be a URL without user, password, query or fragment. Credentials come from the environment or the options.",
    );
  }
  return (url.origin + url.pathname).replace(/\/+$/, "");
}

function checkedPrefix(prefix: string): string {
  if (typeof prefix !== "string") {
    throw new InvalidArgumentError(`"prefix" must be a string, not ${describeType(prefix)}.`);
  }
  if (prefix === "") return "";
  for (const segment of prefix.split("/")) {
    if (segment === "" || segment === "." || segment === ".." || /[\0\\]/.test(segment)) {
      throw new InvalidArgumentError(
        `The prefix "${prefix}" has a segment "${segment}". Segments are separated by single slashes, and none is ".", "..", or holds a NUL or a backslash.`,
      );
    }
  }
  return `${prefix}/`;
}

const urlParameters = ["region", "endpoint", "forcePathStyle", "transport"];

/** Reads `s3://bucket/prefix?region=&endpoint=&forcePathStyle=&transport=`; throws `InvalidArgumentError` for anything else. */
export function parseS3Url(url: URL): S3SettingsInput {
  if (url.protocol !== "s3:" || url.hostname === "") {
    throw new InvalidArgumentError(`An S3 URL starts with "s3://bucket", not "${url.protocol}".`);
  }
  if (url.username !== "" || url.password !== "" || url.port !== "" || url.hash !== "") {
    throw new InvalidArgumentError(
      "An S3 URL has no user, password, port or fragment. Credentials come from the environment, and a server's address is the parameter endpoint=.",
    );
  }
  for (const name of url.searchParams.keys()) {
    if (urlParameters.includes(name)) continue;
    const nearest = suggestion(name, urlParameters);
    throw new InvalidArgumentError(
      `An S3 URL has no parameter "${name}".${nearest === undefined ? ` It takes ${urlParameters.join(", ")}.` : ` Did you mean "${nearest}"?`}`,
    );
  }
  const pathStyle = url.searchParams.get("forcePathStyle");
  if (pathStyle !== null && pathStyle !== "true" && pathStyle !== "false") {
    throw new InvalidArgumentError(`"forcePathStyle" must be true or false, not "${pathStyle}".`);
  }
  return {
    bucket: url.hostname,
    prefix: decodePath(url.pathname.replace(/^\//, "").replace(/\/$/, "")),
    region: url.searchParams.get("region") ?? undefined,
    endpoint: url.searchParams.get("endpoint") ?? undefined,
    transport: urlTransport(url.searchParams.get("transport")),
    forcePathStyle: pathStyle === null ? undefined : pathStyle === "true",
  };
}

function urlTransport(transport: string | null): "lean" | "sdk" | undefined {
  requireTransport(transport ?? undefined);
  return (transport ?? undefined) as "lean" | "sdk" | undefined;
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    throw new InvalidArgumentError(`The path "${path}" is not percent-encoded UTF-8.`, {
      cause: error,
    });
  }
}
