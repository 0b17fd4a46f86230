/** `LeanTransport`: S3's requests signed here and sent over Node's own sockets, without the AWS SDK. */
import { createHash } from "node:crypto";
import { STATUS_CODES } from "node:http";
import { withSignal } from "../common/abort.js";
import { encodeUtf8 } from "../common/bytes.js";
import { systemClock } from "../common/clock.js";
import type { ByteRange, ObjectMeta } from "./object-store.js";
import { encodePath, encodeQuery, resolveAddress, type S3Address } from "./s3-address.js";
import { metaOf, rangeHeader, wrongLength } from "./s3-bodies.js";
import {
  type CredentialProvider,
  CredentialSource,
  type Credentials,
  environmentCredentials,
} from "./s3-credentials.js";
import { errorInBody } from "./s3-errors.js";
import { type HttpAnswer, HttpSockets } from "./s3-http.js";
import type { S3Settings } from "./s3-settings.js";
import { sha256Of, signRequest } from "./s3-signing.js";
import type {
  S3KeyError,
  S3Object,
  S3Page,
  S3PageRequest,
  S3Part,
  S3Transport,
  S3Upload,
} from "./s3-transport.js";
import { completeBody, deleteBody, parseXml, readKeyErrors, readPage, textOf } from "./s3-xml.js";

/** Credentials come from the options or the environment. Where neither has any, or no region, the SDK is asked. */
export async function openLeanTransport(
  settings: S3Settings,
  credentials: Credentials | CredentialProvider | undefined,
): Promise<S3Transport> {
  const isComplete =
    settings.region !== undefined &&
    (credentials !== undefined || environmentCredentials(process.env) !== undefined);
  if (isComplete) {
    const read = providerOf(credentials, () =>
      Promise.resolve(environmentCredentials(process.env)!),
    );
    return new LeanTransport(settings, settings.region!, read);
  }
  const { sdkProviders } = await import("./s3-sdk.js");
  const sdk = sdkProviders(settings.region);
  const read = providerOf(credentials, (options) => sdk.credentials(options));
  return new LeanTransport(settings, settings.region ?? (await sdk.region()), read);
}

function providerOf(
  credentials: Credentials | CredentialProvider | undefined,
  otherwise: CredentialProvider,
): CredentialProvider {
  if (typeof credentials === "function") return credentials;
  return credentials === undefined ? otherwise : () => Promise.resolve(credentials);
}

interface Call {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Undefined for the bucket itself. */
  readonly key?: string | undefined;
  readonly query?: Readonly<Record<string, string>> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

class LeanTransport implements S3Transport {
  readonly #bucket: string;
  readonly #region: string;
  readonly #address: S3Address;
  readonly #credentials: CredentialSource;
  readonly #sockets: HttpSockets;

  constructor(settings: S3Settings, region: string, credentials: CredentialProvider) {
    this.#bucket = settings.bucket;
    this.#region = region;
    this.#address = resolveAddress(settings, region);
    this.#credentials = new CredentialSource(credentials, () => systemClock.now());
    this.#sockets = new HttpSockets(this.#address, settings);
  }

  async head(key: string, signal: AbortSignal | undefined): Promise<ObjectMeta> {
    const { length, headers } = await this.#send({ method: "HEAD", key, signal });
    return metaOf(length, timeOf(headers["last-modified"]));
  }

  async get(
    key: string,
    range: ByteRange | undefined,
    signal: AbortSignal | undefined,
  ): Promise<S3Object> {
    const headers = range === undefined ? undefined : { range: rangeHeader(range) };
    const answer = await this.#send({ method: "GET", key, headers, signal });
    if (answer.length === undefined) throw wrongLength(key, answer.body.length, undefined);
    return {
      bytes: answer.body,
      contentRange: answer.headers["content-range"],
      lastModified: timeOf(answer.headers["last-modified"]),
    };
  }

  async put(
    key: string,
    bytes: Uint8Array,
    condition: "if-absent" | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const headers = condition === "if-absent" ? { "if-none-match": "*" } : undefined;
    await this.#send({ method: "PUT", key, headers, body: bytes, signal });
  }

  async list(page: S3PageRequest, signal: AbortSignal | undefined): Promise<S3Page> {
    const query = {
      "list-type": "2",
      "max-keys": String(page.keysMax),
      prefix: page.prefix,
      ...(page.startAfter !== undefined && { "start-after": page.startAfter }),
      ...(page.continuation !== undefined && { "continuation-token": page.continuation }),
    };
    const answer = await this.#send({ method: "GET", query, signal });
    return readPage(contentOf(answer, "ListBucketResult"));
  }

  async deleteMany(
    keys: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<readonly S3KeyError[]> {
    const body = encodeUtf8(deleteBody(keys));
    // S3 wants a checksum besides the signature's, and this one is known to every server.
    const headers = { "content-md5": createHash("md5").update(body).digest("base64") };
    const answer = await this.#send({
      method: "POST",
      query: { delete: "" },
      headers: { ...headers, ...xmlType },
      body,
      signal,
    });
    return readKeyErrors(contentOf(answer, "DeleteResult"));
  }

  async deleteOne(key: string, signal: AbortSignal | undefined): Promise<void> {
    await this.#send({ method: "DELETE", key, signal });
  }

  async copy(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
    const headers = { "x-amz-copy-source": encodePath(`/${this.#bucket}/${from}`) };
    const answer = await this.#send({ method: "PUT", key: to, headers, signal });
    contentOf(answer, "CopyObjectResult");
  }

  async startUpload(key: string): Promise<S3Upload> {
    const answer = await this.#send({ method: "POST", key, query: { uploads: "" } });
    const content = contentOf(answer, "InitiateMultipartUploadResult");
    const id = textOf(content, "UploadId");
    if (id === undefined) throw unreadable(answer, "no UploadId");
    return { key, id };
  }

  async uploadPart(
    { key, id }: S3Upload,
    partNumber: number,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<S3Part> {
    const query = { partNumber: String(partNumber), uploadId: id };
    const answer = await this.#send({ method: "PUT", key, query, body: bytes, signal });
    const { etag } = answer.headers;
    if (etag === undefined) throw unreadable(answer, "no ETag");
    return { partNumber, etag };
  }

  async completeUpload(
    { key, id }: S3Upload,
    parts: readonly S3Part[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const body = encodeUtf8(completeBody(parts));
    const query = { uploadId: id };
    const answer = await this.#send({ method: "POST", key, query, headers: xmlType, body, signal });
    contentOf(answer, "CompleteMultipartUploadResult");
  }

  async abortUpload({ key, id }: S3Upload): Promise<void> {
    await this.#send({ method: "DELETE", key, query: { uploadId: id } });
  }

  async checkUpload({ key, id }: S3Upload): Promise<void> {
    await this.#send({ method: "GET", key, query: { uploadId: id, "max-parts": "1" } });
  }

  async renewCredentials(): Promise<void> {
    await this.#credentials.renew();
  }

  close(): void {
    this.#sockets.close();
  }

  /** Signs and sends; throws for any status but success. */
  async #send({ method, key, query, headers, body, signal }: Call): Promise<HttpAnswer> {
    const path = this.#path(key, query);
    let sha256 = sha256Of(body, signal);
    if (typeof sha256 !== "string") sha256 = await sha256;
    let credentials = this.#credentials.get();
    if (credentials instanceof Promise) credentials = await withSignal(credentials, signal);
    const unsigned = {
      host: this.#address.host,
      "user-agent": "moraine",
      ...((body !== undefined || method === "PUT" || method === "POST") && {
        "content-length": String(body?.length ?? 0),
      }),
      ...headers,
    };
    const signed = signRequest(
      { method, path, headers: unsigned, sha256 },
      this.#region,
      credentials,
      systemClock.now(),
    );
    const answer = await this.#sockets.send({ method, path, headers: signed, body, signal });
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw refusalOf(answer);
  }

  #path(key: string | undefined, query: Readonly<Record<string, string>> | undefined): string {
    const path =
      key === undefined ? this.#address.path : `${this.#address.path}/${encodePath(key)}`;
    if (query === undefined) return path;
    const pairs = Object.entries(query).map(([name, value]) => `${name}=${encodeQuery(value)}`);
    return `${path || "/"}?${pairs.join("&")}`;
  }
}

const xmlType = { "content-type": "application/xml" };

function timeOf(date: string | undefined): number | undefined {
  return date === undefined ? undefined : Date.parse(date);
}

/** The answer's error in the form that `s3-errors.ts` reads. */
function refusalOf({ status, headers, body }: HttpAnswer): Error {
  const root = body.length === 0 ? undefined : parseXml(body);
  const content = root?.name === "Error" ? root.content : {};
  const phrase = STATUS_CODES[status] ?? "an unknown status";
  return Object.assign(new Error(textOf(content, "Message") ?? phrase), {
    // Answers to HEAD, and those of proxies, name no code.
    name: textOf(content, "Code") ?? phrase.replace(/\W/g, ""),
    Region: textOf(content, "Region"),
    $metadata: { httpStatusCode: status, attempts: 1 },
    $response: { statusCode: status, headers },
  });
}

/** The root element of a successful answer; throws unless it has the name, as where S3 has put an error behind status 200. */
function contentOf(answer: HttpAnswer, name: string): Readonly<Record<string, unknown>> {
  const root = parseXml(answer.body);
  if (root?.name === name) return root.content;
  if (root?.name !== "Error") throw unreadable(answer, `no ${name}`);
  throw errorInBody({
    code: textOf(root.content, "Code") ?? "",
    message: textOf(root.content, "Message") ?? "",
  });
}

function unreadable({ status }: HttpAnswer, what: string): Error {
  return Object.assign(new Error(`the server's answer has ${what}`), {
    name: "UnreadableAnswer",
    $metadata: { httpStatusCode: status, attempts: 1 },
  });
}
