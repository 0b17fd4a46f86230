/** `SdkTransport`: S3's requests sent by the AWS SDK. The only file that knows it, and loaded only where it is used. */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { withSignal } from "../common/abort.js";
import { allocateBytes, type Bytes } from "../common/bytes.js";
import { StoreError } from "../common/errors.js";
import type { ByteRange, ObjectMeta } from "./object-store.js";
import { metaOf, rangeHeader, wrongLength } from "./s3-bodies.js";
import type { S3Settings } from "./s3-settings.js";
import type {
  S3KeyError,
  S3Object,
  S3Page,
  S3PageRequest,
  S3Part,
  S3Transport,
  S3Upload,
} from "./s3-transport.js";

export type { S3Client };
/** Keys, or a provider of keys. */
export type S3Credentials = S3ClientConfig["credentials"];

export class SdkTransport implements S3Transport {
  readonly #bucket: string;
  readonly #client: S3Client;
  readonly #ownsClient: boolean;

  /** `client` is one of the user's, which `close()` leaves open. */
  constructor(
    settings: S3Settings,
    from: { client?: S3Client | undefined; credentials?: S3Credentials | undefined },
  ) {
    this.#bucket = settings.bucket;
    this.#ownsClient = from.client === undefined;
    this.#client = from.client ?? newClient(settings, from.credentials);
  }

  async head(key: string, signal: AbortSignal | undefined): Promise<ObjectMeta> {
    const command = new HeadObjectCommand({ Bucket: this.#bucket, Key: key });
    const answer = await withSignal(this.#client.send(command, optionsOf(signal)), signal);
    return metaOf(answer.ContentLength, answer.LastModified?.getTime());
  }

  async get(
    key: string,
    range: ByteRange | undefined,
    signal: AbortSignal | undefined,
  ): Promise<S3Object> {
    const command = new GetObjectCommand({
      Bucket: this.#bucket,
      Key: key,
      ...(range !== undefined && { Range: rangeHeader(range) }),
    });
    const answer = await withSignal(this.#client.send(command, optionsOf(signal)), signal);
    return {
      bytes: await withSignal(readBody(key, answer.Body, answer.ContentLength), signal),
      contentRange: answer.ContentRange,
      lastModified: answer.LastModified?.getTime(),
    };
  }

  async put(
    key: string,
    bytes: Uint8Array,
    condition: "if-absent" | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const command = new PutObjectCommand({
      Bucket: this.#bucket,
      Key: key,
      Body: bytes,
      ContentLength: bytes.length,
      ...(condition === "if-absent" && { IfNoneMatch: "*" }),
    });
    await withSignal(this.#client.send(command, optionsOf(signal)), signal);
  }

  async list(page: S3PageRequest, signal: AbortSignal | undefined): Promise<S3Page> {
    const command = new ListObjectsV2Command({
      Bucket: this.#bucket,
      Prefix: page.prefix,
      MaxKeys: page.keysMax,
      ...(page.startAfter !== undefined && { StartAfter: page.startAfter }),
      ...(page.continuation !== undefined && { ContinuationToken: page.continuation }),
    });
    const answer = await withSignal(this.#client.send(command, optionsOf(signal)), signal);
    return {
      objects: (answer.Contents ?? []).flatMap(({ Key, Size, LastModified }) =>
        Key === undefined ? [] : [{ key: Key, size: Size, lastModified: LastModified?.getTime() }],
      ),
      isTruncated: answer.IsTruncated ?? false,
      continuation: answer.NextContinuationToken,
    };
  }

  async deleteMany(
    keys: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<readonly S3KeyError[]> {
    const command = new DeleteObjectsCommand({
      Bucket: this.#bucket,
      Delete: { Objects: keys.map((key) => ({ Key: key })), Quiet: true },
    });
    const answer = await withSignal(this.#client.send(command, optionsOf(signal)), signal);
    return (answer.Errors ?? []).map(({ Key, Code, Message }) => ({
      key: Key,
      code: Code ?? "",
      message: Message ?? "",
    }));
  }

  async deleteOne(key: string, signal: AbortSignal | undefined): Promise<void> {
    const command = new DeleteObjectCommand({ Bucket: this.#bucket, Key: key });
    await withSignal(this.#client.send(command, optionsOf(signal)), signal);
  }

  async copy(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
    const command = new CopyObjectCommand({
      Bucket: this.#bucket,
      Key: to,
      CopySource: `${this.#bucket}/${from}`.split("/").map(encodeURIComponent).join("/"),
    });
    await withSignal(this.#client.send(command, optionsOf(signal)), signal);
  }

  async startUpload(key: string): Promise<S3Upload> {
    // The checksum that the SDK adds to each part has to be announced.
    const hasChecksums =
      (await this.#client.config.requestChecksumCalculation()) === "WHEN_SUPPORTED";
    const command = new CreateMultipartUploadCommand({
      Bucket: this.#bucket,
      Key: key,
      ...(hasChecksums && { ChecksumAlgorithm: "CRC32" }),
    });
    const { UploadId } = await this.#client.send(command);
    if (UploadId === undefined) throw noAnswer("the id of an upload");
    return { key, id: UploadId };
  }

  // The requests of an upload do not race with the signal: all have to end before the upload is removed.
  async uploadPart(
    upload: S3Upload,
    partNumber: number,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<S3Part> {
    const command = new UploadPartCommand({
      ...this.#named(upload),
      PartNumber: partNumber,
      Body: bytes,
      ContentLength: bytes.length,
    });
    const { ETag, ChecksumCRC32 } = await this.#client.send(command, optionsOf(signal));
    if (ETag === undefined) throw noAnswer("the ETag of a part");
    return { partNumber, etag: ETag, crc32: ChecksumCRC32 };
  }

  async completeUpload(
    upload: S3Upload,
    parts: readonly S3Part[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const command = new CompleteMultipartUploadCommand({
      ...this.#named(upload),
      MultipartUpload: {
        Parts: parts.map(({ partNumber, etag, crc32 }) => ({
          PartNumber: partNumber,
          ETag: etag,
          ...(crc32 !== undefined && { ChecksumCRC32: crc32 }),
        })),
      },
    });
    await this.#client.send(command, optionsOf(signal));
  }

  async abortUpload(upload: S3Upload): Promise<void> {
    await this.#client.send(new AbortMultipartUploadCommand(this.#named(upload)));
  }

  async checkUpload(upload: S3Upload): Promise<void> {
    await this.#client.send(new ListPartsCommand({ ...this.#named(upload), MaxParts: 1 }));
  }

  async renewCredentials(): Promise<void> {
    // The SDK keeps credentials until the time they name; this makes it ask the provider again.
    await this.#client.config.credentials({ forceRefresh: true });
  }

  close(): void {
    if (this.#ownsClient) this.#client.destroy();
  }

  #named(upload: S3Upload): { Bucket: string; Key: string; UploadId: string } {
    return { Bucket: this.#bucket, Key: upload.key, UploadId: upload.id };
  }
}

/** What the SDK finds in profiles, roles and services, for who sends requests without it. */
export interface SdkProviders {
  region(): Promise<string>;
  credentials(options?: { forceRefresh?: boolean }): Promise<{
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string | undefined;
    readonly expiration?: Date | undefined;
  }>;
}

export function sdkProviders(region: string | undefined): SdkProviders {
  const { config } = new S3Client(region === undefined ? {} : { region });
  return { region: () => config.region(), credentials: (options) => config.credentials(options) };
}

function optionsOf(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

/** All of the body, so that its socket is free again. */
async function readBody(key: string, body: unknown, announced: number | undefined): Promise<Bytes> {
  const bytes = allocateBytes(announced ?? 0);
  let length = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    if (length + chunk.length <= bytes.length) bytes.set(chunk, length);
    length += chunk.length;
  }
  if (length !== bytes.length) throw wrongLength(key, length, announced);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, length);
}

function noAnswer(what: string): StoreError {
  return new StoreError("unknown-outcome", `S3 put: the server answered without ${what}.`);
}

function newClient(settings: S3Settings, credentials: S3Credentials | undefined): S3Client {
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
