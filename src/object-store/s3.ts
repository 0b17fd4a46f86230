/**
 * `S3ObjectStore`: the object store contract on Amazon S3 and servers that speak its protocol.
 *
 * What goes over the wire is a transport's work (`s3-transport.ts`), of which there are two: `s3-lean.ts` and `s3-sdk.ts`.
 * Only the one that is used is loaded, and with the first request.
 */
import { throwIfAborted } from "../common/abort.js";
import { emptyBytes } from "../common/bytes.js";
import { ClosedError, InvalidArgumentError, MoraineError, StoreError } from "../common/errors.js";
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
import { metaOf, storedObject } from "./s3-bodies.js";
import { clientName } from "./s3-client-name.js";
import { S3Deletion } from "./s3-delete.js";
import { errorInBody, isAbsent, isExisting, isInvalidRange, toStoreError } from "./s3-errors.js";
import { removeUpload, SourceError, uploadParts } from "./s3-multipart.js";
import { S3Requests } from "./s3-requests.js";
import type { S3Client, S3Credentials } from "./s3-sdk.js";
import {
  parseS3Url,
  resolveS3Settings,
  type S3Settings,
  type S3SettingsInput,
  singleRequestBytesMax,
} from "./s3-settings.js";
import type { S3Page, S3Part } from "./s3-transport.js";
import { rootedAt } from "./store-root.js";

export interface S3ObjectStoreOptions extends S3SettingsInput {
  /**
   * Keys, or a provider of keys, which is asked again before they expire. Default: AWS_ACCESS_KEY_ID,
   * AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, unless AWS_PROFILE is set; otherwise what the SDK finds (profile, role).
   */
  credentials?: S3Credentials | undefined;
  /**
   * A client of your own, which `close()` leaves open. Region, endpoint, path style, credentials, timeouts and sockets are
   * then the client's. Give it `maxAttempts: 1` (the engine sends again by itself) and a `requestHandler` with timeouts
   * and `throwOnRequestTimeout: true`. Two stores with different clients are never taken for one namespace. Its requests are
   * sent by the SDK, whatever the default transport.
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
  "transport",
  "credentials",
  "client",
];

/** S3's bound on the keys of one page of a listing. */
const listKeysMax = 1_000;

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
  /** Shared by the stores of one root. */
  #requests: S3Requests;
  /** The id without the prefix. */
  readonly #bucketId: string;
  readonly #deletion = new S3Deletion();

  /** Throws `InvalidArgumentError` for options that are unknown or out of bounds; sends nothing. */
  constructor(options: S3ObjectStoreOptions) {
    checkOptions(options, optionNames, "S3ObjectStore");
    const { client, credentials, transport } = options;
    if (client !== undefined && transport === "lean") {
      throw new InvalidArgumentError('A `client` of your own sends by the SDK, not "lean".');
    }
    this.#settings = resolveS3Settings(options, process.env);
    this.#requests = new S3Requests(this.#settings, { client, credentials });
    const { bucket, endpoint, prefix } = this.#settings;
    const server = client === undefined ? (endpoint ?? "aws") : clientName(client);
    this.#bucketId = `s3:${server}/${bucket}`;
    this.id = prefix === "" ? this.#bucketId : `${this.#bucketId}/${prefix.slice(0, -1)}`;
    rootedAt(this, {
      id: this.#bucketId,
      pathOf: (path) => prefix + path,
      at: (path) => {
        const other = new S3ObjectStore({ ...options, endpoint, prefix: path });
        other.#requests = this.#requests;
        return other;
      },
    });
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
        await this.#requests.send(signal, (transport) =>
          transport.put(this.#key(key), bytes, "if-absent", signal),
        );
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
        await this.#requests.send(signal, (transport) =>
          transport.put(this.#key(key), source, undefined, signal),
        );
      }
    });
  }

  async *list(options: ListOptions): AsyncIterable<ListedObject> {
    const { signal, after } = options;
    const { bucket, prefix } = this.#settings;
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    let continuation: string | undefined;
    // Directory buckets (S3 Express) list whole directories only, and know no StartAfter; `after` is a hint.
    const directories = bucket.endsWith("--x-s3");
    const wanted = prefix + options.prefix;
    const listed = directories ? wanted.slice(0, wanted.lastIndexOf("/") + 1) : wanted;
    throwIfAborted(signal);
    while (left > 0) {
      const keysMax = Math.min(left, listKeysMax);
      const startAfter = after === undefined || directories ? undefined : prefix + after;
      const page: S3Page = await this.#run("list", options.prefix, signal, () =>
        this.#requests.send(signal, (transport) =>
          transport.list({ prefix: listed, keysMax, startAfter, continuation }, signal),
        ),
      );
      for (const { key, size, lastModified } of page.objects) {
        if (!key.startsWith(wanted) || left === 0) continue;
        throwIfAborted(signal);
        left--;
        yield { key: key.slice(prefix.length), ...metaOf(size, lastModified) };
      }
      if (!page.isTruncated) return;
      continuation = page.continuation;
      if (continuation === undefined) {
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
      const size = await this.#headKey(source, signal);
      if (size === undefined) {
        throw new StoreError("invalid", `There is no object "${from}" to copy.`, { object: from });
      }
      if (size.size > singleRequestBytesMax) {
        throw new StoreError("unsupported", `"${from}" has ${size.size} bytes; S3 copies 5 GiB.`, {
          object: from,
        });
      }
      await this.#requests.send(signal, (transport) =>
        transport.copy(source, this.#key(to), signal),
      );
    });
  }

  /** Ends what is running, closes the sockets, and leaves a client of your own alone. May be called twice. */
  async close(): Promise<void> {
    this.#requests.close();
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
    if (this.#requests.isClosed) throw new ClosedError("The S3 store is closed.");
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

  async #head(key: string, signal: AbortSignal | undefined): Promise<ObjectMeta | undefined> {
    return this.#headKey(this.#key(key), signal);
  }

  async #headKey(
    fullKey: string,
    signal: AbortSignal | undefined,
  ): Promise<ObjectMeta | undefined> {
    try {
      return await this.#requests.send(signal, (transport) => transport.head(fullKey, signal));
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
    const object = await this.#requests.send(signal, (transport) =>
      transport.get(this.#key(key), range, signal),
    );
    return storedObject(key, object, range);
  }

  /** A multipart upload, or one PutObject when the parts turn out to be few bytes. */
  async #upload(key: string, source: PutSource, signal: AbortSignal | undefined): Promise<void> {
    const { partBytes, partsInFlight } = this.#settings;
    const fullKey = this.#key(key);
    const options = {
      // No more than 10,000 parts where the size is known.
      partBytes:
        typeof source === "function"
          ? partBytes
          : Math.max(partBytes, Math.ceil(source.length / 10_000)),
      partsInFlight,
      signal,
    };
    await uploadParts(source, options, {
      put: (bytes, stop) =>
        this.#requests.send(stop, (to) => to.put(fullKey, bytes, undefined, stop)),
      start: () => this.#requests.send(undefined, (to) => to.startUpload(fullKey)),
      part: (upload, partNumber, bytes, stop) =>
        this.#requests.send<S3Part>(stop, (to) => to.uploadPart(upload, partNumber, bytes, stop)),
      complete: (upload, parts, stop) =>
        this.#requests.send(stop, (to) => to.completeUpload(upload, parts, stop)),
      remove: (upload) =>
        removeUpload(upload, (request) => this.#requests.send(undefined, request)),
    });
  }

  async #deleteMany(keys: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    const { bucket, endpoint } = this.#settings;
    const failures = await this.#requests.send(signal, (transport) =>
      transport.deleteMany(
        keys.map((key) => this.#key(key)),
        signal,
      ),
    );
    const failed = failures.find(({ code }) => code !== "NoSuchKey");
    if (failed === undefined) return;
    throw toStoreError(errorInBody(failed), {
      operation: "delete",
      object: failed.key,
      bucket,
      endpoint,
    });
  }

  async #deleteOne(key: string, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#requests.send(signal, (transport) => transport.deleteOne(this.#key(key), signal));
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
 * The store that `s3://bucket/prefix?region=&endpoint=&forcePathStyle=&transport=` names; what the URL does not say comes from
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
    transport: input.transport ?? options?.transport,
    forcePathStyle: input.forcePathStyle ?? options?.forcePathStyle,
  });
}

function checkSize(size: number, operation: string): void {
  if (size <= singleRequestBytesMax) return;
  throw new StoreError("invalid", `S3 ${operation}: ${size} bytes are more than 5 GiB.`);
}
