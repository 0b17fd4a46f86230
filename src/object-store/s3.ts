/**
 * `S3ObjectStore`: the object store contract on Amazon S3 and servers that speak its protocol.
 *
 * The only file that knows the AWS SDK, which is why it is longer than others: what can be decided without the SDK is in
 * the `s3-*.ts` files beside it.
 */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandOutput,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { throwIfAborted, withSignal } from "../common/abort.js";
import { emptyBytes } from "../common/bytes.js";
import { ClosedError, MoraineError, StoreError } from "../common/errors.js";
import { checkOptions } from "../common/options.js";
import { resolveRange } from "./memory.js";
import type {
  ByteRange,
  CopyOptions,
  GetOptions,
  ListedObject,
  ListOptions,
  ObjectMeta,
  ObjectStore,
  PutSource,
  RequestOptions,
  StoredObject,
  StoreOperation,
} from "./object-store.js";
import { metaOf, rangeHeader, readableOf, readObject, SourceError } from "./s3-bodies.js";
import { S3Deletion } from "./s3-delete.js";
import {
  isAbsent,
  isExisting,
  isExpiredToken,
  isInvalidRange,
  isNoSuchUpload,
  toStoreError,
} from "./s3-errors.js";
import { removeUpload, UploadRequests } from "./s3-multipart.js";
import {
  parseS3Url,
  resolveS3Settings,
  type S3Settings,
  type S3SettingsInput,
  singleRequestBytesMax,
} from "./s3-settings.js";

export interface S3ObjectStoreOptions extends S3SettingsInput {
  /** Keys, or a provider of keys. Default: the SDK's chain (environment, profile, role). */
  credentials?: S3ClientConfig["credentials"] | undefined;
  /**
   * A client of your own, which `close()` leaves open. Region, endpoint, path style, credentials, timeouts and sockets are
   * then the client's. Give it `maxAttempts: 1` (the engine sends again by itself) and a `requestHandler` with timeouts
   * and `throwOnRequestTimeout: true`. Two stores with different clients are never taken for one namespace.
   */
  client?: S3Client | undefined;
}

const optionNames = [
  "bucket",
  "prefix",
  "region",
  "endpoint",
  "forcePathStyle",
  "requestTimeoutMs",
  "connectTimeoutMs",
  "socketsMax",
  "multipartBytes",
  "partBytes",
  "partsInFlight",
  "credentials",
  "client",
];

/** S3's bound on the keys of one page of a listing. */
const listKeysMax = 1_000;

type Request<T> = (client: S3Client, options: { abortSignal?: AbortSignal }) => Promise<T>;

let clientCount = 0;
const clientNames = new WeakMap<S3Client, string>();

/**
 * An object store in a bucket, below a prefix. One attempt per call: wrap it for retries and limits.
 *
 * Uploads that fail or are aborted remove their parts before `put` rejects, which can take as long as requests do. A
 * process that dies leaves parts behind: give the bucket a lifecycle rule with AbortIncompleteMultipartUpload.
 */
export class S3ObjectStore implements ObjectStore {
  /**
   * `s3:` with the endpoint (`aws` without one), the bucket and the prefix. `copy` also takes sources with another prefix
   * of the same bucket and endpoint.
   */
  readonly id: string;
  readonly #settings: S3Settings;
  readonly #client: S3Client;
  readonly #ownsClient: boolean;
  /** The id without the prefix. */
  readonly #bucketId: string;
  readonly #deletion = new S3Deletion();
  #closed = false;

  /** Throws `InvalidArgumentError` for options that are unknown or out of bounds; sends nothing. */
  constructor(options: S3ObjectStoreOptions) {
    checkOptions(options, optionNames, "S3ObjectStore");
    this.#settings = resolveS3Settings(options, process.env);
    this.#ownsClient = options.client === undefined;
    this.#client = options.client ?? newClient(this.#settings, options.credentials);
    const { bucket, endpoint, prefix } = this.#settings;
    const server = options.client === undefined ? (endpoint ?? "aws") : clientName(options.client);
    this.#bucketId = `s3:${server}/${bucket}`;
    this.id = prefix === "" ? this.#bucketId : `${this.#bucketId}/${prefix.slice(0, -1)}`;
  }

  async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    const { signal, range } = options ?? {};
    return this.#run("get", key, signal, async () => {
      if (range !== undefined && ("suffix" in range ? range.suffix : range.length) === 0) {
        const meta = await this.#head(key, signal);
        return meta && { bytes: emptyBytes, ...meta };
      }
      try {
        return await this.#get(key, range, signal);
      } catch (error) {
        if (isAbsent(error)) return undefined;
        if (!isInvalidRange(error)) throw error;
      }
      // The range is past the end, and the answer lacks the time of change.
      const meta = await this.#head(key, signal);
      if (meta === undefined) return undefined;
      const { start, end } = resolveRange(range, meta.size);
      if (start < end) throw new StoreError("unavailable", `"${key}" changed while it was read.`);
      return { bytes: emptyBytes, ...meta };
    });
  }

  async head(key: string, options?: RequestOptions): Promise<ObjectMeta | undefined> {
    const signal = options?.signal;
    return this.#run("head", key, signal, () => this.#head(key, signal));
  }

  async create(
    key: string,
    bytes: Uint8Array,
    options?: RequestOptions,
  ): Promise<"created" | "exists"> {
    const signal = options?.signal;
    return this.#run("create", key, signal, async () => {
      checkSize(bytes.length, "create");
      try {
        await this.#putObject(key, bytes, signal, "*");
        return "created";
      } catch (error) {
        if (isExisting(error)) return "exists";
        throw error;
      }
    });
  }

  async put(key: string, source: PutSource, options?: RequestOptions): Promise<void> {
    const signal = options?.signal;
    await this.#run("put", key, signal, async () => {
      if (typeof source === "function" || source.length > this.#settings.multipartBytes) {
        await this.#upload(key, source, signal);
      } else {
        await this.#putObject(key, source, signal);
      }
    });
  }

  async *list(options: ListOptions): AsyncIterable<ListedObject> {
    const { signal, after } = options;
    const { bucket, prefix } = this.#settings;
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    let token: string | undefined;
    // Directory buckets (S3 Express) list whole directories only, and know no StartAfter; `after` is a hint.
    const directories = bucket.endsWith("--x-s3");
    const wanted = prefix + options.prefix;
    const listed = directories ? wanted.slice(0, wanted.lastIndexOf("/") + 1) : wanted;
    throwIfAborted(signal);
    while (left > 0) {
      const page = await this.#run("list", options.prefix, signal, () =>
        this.#send(signal, (client, request) =>
          client.send(
            new ListObjectsV2Command({
              Bucket: bucket,
              Prefix: listed,
              MaxKeys: Math.min(left, listKeysMax),
              ...(after !== undefined && !directories && { StartAfter: prefix + after }),
              ...(token !== undefined && { ContinuationToken: token }),
            }),
            request,
          ),
        ),
      );
      for (const object of page.Contents ?? []) {
        if (object.Key === undefined || !object.Key.startsWith(wanted) || left === 0) continue;
        throwIfAborted(signal);
        left--;
        yield { key: object.Key.slice(prefix.length), ...metaOf(object.Size, object.LastModified) };
      }
      if (!page.IsTruncated) return;
      token = page.NextContinuationToken;
      if (token === undefined) {
        throw new StoreError("unavailable", "S3 list: a truncated page without a continuation.", {
          object: options.prefix,
        });
      }
    }
  }

  async delete(keys: readonly string[], options?: RequestOptions): Promise<void> {
    const signal = options?.signal;
    throwIfAborted(signal);
    const requests = {
      many: (some: readonly string[]) =>
        this.#run("delete", some[0]!, signal, () => this.#deleteMany(some, signal)),
      one: (key: string) => this.#run("delete", key, signal, () => this.#deleteOne(key, signal)),
    };
    await this.#deletion.deleteAll(keys, requests, signal);
  }

  /** Copies by the server, up to 5 GiB, which is S3's bound. */
  async copy(from: string, to: string, options?: CopyOptions): Promise<void> {
    const signal = options?.signal;
    await this.#run("copy", to, signal, async () => {
      const source = this.#sourceKey(from, options?.source);
      const { bucket } = this.#settings;
      const size = await this.#headKey(source, signal);
      if (size === undefined) {
        throw new StoreError("invalid", `There is no object "${from}" to copy.`, { object: from });
      }
      if (size.size > singleRequestBytesMax) {
        throw new StoreError("unsupported", `"${from}" has ${size.size} bytes; S3 copies 5 GiB.`, {
          object: from,
        });
      }
      await this.#send(signal, (client, request) =>
        client.send(
          new CopyObjectCommand({
            Bucket: bucket,
            Key: this.#key(to),
            CopySource: `${bucket}/${source}`.split("/").map(encodeURIComponent).join("/"),
          }),
          request,
        ),
      );
    });
  }

  /** Ends what is running, closes the sockets, and leaves a client of your own alone. May be called twice. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#ownsClient) this.#client.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #key(key: string): string {
    return this.#settings.prefix + key;
  }

  /** Runs an operation, and turns what it throws into the caller's reason, a `StoreError`, or itself if it is ours. */
  async #run<T>(
    operation: StoreOperation,
    key: string,
    signal: AbortSignal | undefined,
    operate: () => Promise<T>,
  ): Promise<T> {
    throwIfAborted(signal);
    if (this.#closed) throw new ClosedError("The S3 store is closed.");
    try {
      return await operate();
    } catch (error) {
      throwIfAborted(signal);
      if (error instanceof SourceError) throw error.cause;
      if (error instanceof MoraineError) throw error;
      const { bucket, endpoint } = this.#settings;
      throw toStoreError(error, { operation, object: this.#key(key), bucket, endpoint });
    }
  }

  /** `#request`, but an aborted caller does not wait for the request to end. */
  #send<T>(signal: AbortSignal | undefined, request: Request<T>): Promise<T> {
    return withSignal(this.#request(signal, request), signal);
  }

  /** Sends one request; once more when a session token had expired, as then nothing has happened. */
  async #request<T>(signal: AbortSignal | undefined, request: Request<T>): Promise<T> {
    throwIfAborted(signal);
    const options = signal === undefined ? {} : { abortSignal: signal };
    try {
      return await request(this.#client, options);
    } catch (error) {
      if (!isExpiredToken(error)) throw error;
      // The SDK keeps credentials until the time they name; this makes it ask the provider again.
      await this.#client.config.credentials({ forceRefresh: true });
      return request(this.#client, options);
    }
  }

  async #head(key: string, signal: AbortSignal | undefined): Promise<ObjectMeta | undefined> {
    return this.#headKey(this.#key(key), signal);
  }

  async #headKey(
    fullKey: string,
    signal: AbortSignal | undefined,
  ): Promise<ObjectMeta | undefined> {
    try {
      const answer = await this.#send(signal, (client, request) =>
        client.send(
          new HeadObjectCommand({ Bucket: this.#settings.bucket, Key: fullKey }),
          request,
        ),
      );
      return metaOf(answer.ContentLength, answer.LastModified);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  async #get(
    key: string,
    range: ByteRange | undefined,
    signal: AbortSignal | undefined,
  ): Promise<StoredObject> {
    const answer = await this.#send(signal, (client, request) =>
      client.send(
        new GetObjectCommand({
          Bucket: this.#settings.bucket,
          Key: this.#key(key),
          ...(range !== undefined && { Range: rangeHeader(range) }),
        }),
        request,
      ),
    );
    return withSignal(readObject(key, answer, range), signal);
  }

  async #putObject(
    key: string,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
    ifNoneMatch?: string,
  ): Promise<void> {
    await this.#send(signal, (client, request) =>
      client.send(
        new PutObjectCommand({
          Bucket: this.#settings.bucket,
          Key: this.#key(key),
          Body: bytes,
          ContentLength: bytes.length,
          ...(ifNoneMatch !== undefined && { IfNoneMatch: ifNoneMatch }),
        }),
        request,
      ),
    );
  }

  /** A multipart upload, or one PutObject when the parts turn out to be few bytes. */
  async #upload(key: string, source: PutSource, signal: AbortSignal | undefined): Promise<void> {
    const { bucket, partBytes, partsInFlight } = this.#settings;
    const requests = new UploadRequests(signal);
    const body = typeof source === "function" ? readableOf(source, requests.signal) : source;
    if (body instanceof Readable) {
      body.on("error", (error) => requests.stop(error));
    }
    const upload = new Upload({
      client: this.#uploadClient(requests),
      params: { Bucket: bucket, Key: this.#key(key), Body: body },
      queueSize: partsInFlight,
      partSize: Math.max(
        partBytes,
        typeof source === "function" ? 0 : Math.ceil(source.length / 10_000),
      ),
    });
    try {
      await upload.done();
      await requests.end();
    } catch (error) {
      requests.stop(error);
      if (body instanceof Readable) body.destroy();
      await requests.end();
      if (requests.uploadId !== undefined) await this.#removeUpload(key, requests.uploadId);
      throw requests.signal.reason;
    }
  }

  /** The client as `Upload` sees it: every request is counted and can be stopped, and aborting is left to us. */
  #uploadClient(requests: UploadRequests): S3Client {
    const send = (command: unknown): Promise<unknown> => {
      if (command instanceof AbortMultipartUploadCommand) return Promise.resolve({});
      return requests.send(() => {
        if (command instanceof CreateMultipartUploadCommand) {
          // Without the signal: whoever makes an upload has to learn its id, or nobody could remove it.
          return this.#request(undefined, async (client) => {
            const answer: CreateMultipartUploadCommandOutput = await client.send(command);
            requests.uploadId = answer.UploadId;
            return answer;
          });
        }
        // Not `#send`: what was started has to end before the upload is removed.
        return this.#request(requests.signal, (client, request) =>
          client.send(command as PutObjectCommand, request),
        );
      });
    };
    return Object.create(this.#client, { send: { value: send } }) as S3Client;
  }

  async #removeUpload(key: string, uploadId: string): Promise<void> {
    const upload = { Bucket: this.#settings.bucket, Key: this.#key(key), UploadId: uploadId };
    const known = async (request: () => Promise<unknown>): Promise<boolean> => {
      try {
        await request();
        return true;
      } catch (error) {
        if (isNoSuchUpload(error)) return false;
        throw error;
      }
    };
    await removeUpload(
      () => known(() => this.#client.send(new AbortMultipartUploadCommand(upload))),
      () => known(() => this.#client.send(new ListPartsCommand({ ...upload, MaxParts: 1 }))),
    );
  }

  async #deleteMany(keys: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    const { bucket, endpoint } = this.#settings;
    const answer = await this.#send(signal, (client, request) =>
      client.send(
        new DeleteObjectsCommand({
          Bucket: bucket,
          Delete: { Objects: keys.map((key) => ({ Key: this.#key(key) })), Quiet: true },
        }),
        request,
      ),
    );
    const failed = answer.Errors?.find((error) => error.Code !== "NoSuchKey");
    if (failed === undefined) return;
    const status = failed.Code === "AccessDenied" ? 403 : 500;
    throw toStoreError(
      { name: failed.Code, message: failed.Message, $metadata: { httpStatusCode: status } },
      { operation: "delete", object: failed.Key, bucket, endpoint },
    );
  }

  async #deleteOne(key: string, signal: AbortSignal | undefined): Promise<void> {
    const command = { Bucket: this.#settings.bucket, Key: this.#key(key) };
    try {
      await this.#send(signal, (client, request) =>
        client.send(new DeleteObjectCommand(command), request),
      );
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }

  /** The whole key of a copy's source; the prefix of another store is in its id, also where the store is wrapped. */
  #sourceKey(key: string, source: ObjectStore | undefined): string {
    if (source === undefined || source.id === this.id) return this.#key(key);
    if (source.id === this.#bucketId) return key;
    if (source.id.startsWith(`${this.#bucketId}/`)) {
      return `${source.id.slice(this.#bucketId.length + 1)}/${key}`;
    }
    throw new StoreError("unsupported", `S3 cannot copy from "${source.id}" to "${this.id}".`, {
      object: key,
    });
  }
}

/**
 * The store that `s3://bucket/prefix?region=&endpoint=&forcePathStyle=` names; what the URL does not say comes from
 * `options`. Throws `InvalidArgumentError` for another scheme, and for a parameter that it does not know.
 */
export function s3StoreFromUrl(
  url: URL,
  options?: Omit<S3ObjectStoreOptions, "bucket" | "prefix">,
): S3ObjectStore {
  const input = parseS3Url(url);
  return new S3ObjectStore({
    ...options,
    bucket: input.bucket,
    prefix: input.prefix,
    region: input.region ?? options?.region,
    endpoint: input.endpoint ?? options?.endpoint,
    forcePathStyle: input.forcePathStyle ?? options?.forcePathStyle,
  });
}

function newClient(settings: S3Settings, credentials: S3ClientConfig["credentials"]): S3Client {
  const { region, endpoint, forcePathStyle, requestTimeoutMs, connectTimeoutMs } = settings;
  const agent = { keepAlive: true, maxSockets: settings.socketsMax };
  return new S3Client({
    forcePathStyle,
    maxAttempts: 1,
    // Own agents: with its own ones the SDK opens a new connection for each body that it announces with Expect.
    requestHandler: {
      httpAgent: new HttpAgent(agent),
      httpsAgent: new HttpsAgent(agent),
      connectionTimeout: connectTimeoutMs,
      requestTimeout: requestTimeoutMs,
      socketTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
    },
    ...(region !== undefined && { region }),
    ...(credentials !== undefined && { credentials }),
    // Many other servers refuse the checksums that the SDK adds by itself. AWS has them.
    ...(endpoint !== undefined && {
      endpoint,
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
    }),
  });
}

function clientName(client: S3Client): string {
  const name = clientNames.get(client) ?? `client-${++clientCount}`;
  clientNames.set(client, name);
  return name;
}

function checkSize(size: number, operation: string): void {
  if (size <= singleRequestBytesMax) return;
  throw new StoreError("invalid", `S3 ${operation}: ${size} bytes are more than 5 GiB.`);
}
