/** `S3Requests`: a store's transport, loaded with the first request; a request is repeated where a token had expired. */
import { throwIfAborted, withSignal } from "../common/abort.js";
import { ClosedError } from "../common/errors.js";
import { isExpiredToken } from "./s3-errors.js";
import type { S3Client, S3Credentials } from "./s3-sdk.js";
import type { S3Settings } from "./s3-settings.js";
import type { S3Transport } from "./s3-transport.js";

export interface S3Sender {
  readonly client?: S3Client | undefined;
  readonly credentials?: S3Credentials | undefined;
}

export class S3Requests {
  readonly #settings: S3Settings;
  readonly #sender: S3Sender;
  #loading: Promise<S3Transport> | undefined;
  #transport: S3Transport | undefined;
  #isClosed = false;

  constructor(settings: S3Settings, sender: S3Sender) {
    this.#settings = settings;
    this.#sender = sender;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Sends one request; once more when a session token had expired, as then nothing has happened. */
  async send<T>(
    signal: AbortSignal | undefined,
    request: (transport: S3Transport) => Promise<T>,
  ): Promise<T> {
    const transport = this.#transport ?? (await withSignal(this.#open(), signal));
    throwIfAborted(signal);
    try {
      return await request(transport);
    } catch (error) {
      if (!isExpiredToken(error)) throw error;
      await withSignal(transport.renewCredentials(), signal);
      throwIfAborted(signal);
      return request(transport);
    }
  }

  /** Ends what is running, and closes the sockets. Uploads that it ends are still removed. May be called twice. */
  close(): void {
    this.#isClosed = true;
    this.#transport?.close();
  }

  async #open(): Promise<S3Transport> {
    this.#loading ??= loadTransport(this.#settings, this.#sender);
    const transport = await this.#loading.catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    this.#transport = transport;
    if (this.#isClosed) {
      transport.close();
      throw new ClosedError("The S3 store is closed.");
    }
    return transport;
  }
}

async function loadTransport(settings: S3Settings, sender: S3Sender): Promise<S3Transport> {
  if (settings.transport === "sdk" || sender.client !== undefined) {
    const { SdkTransport } = await import("./s3-sdk.js");
    return new SdkTransport(settings, sender);
  }
  const { openLeanTransport } = await import("./s3-lean.js");
  return openLeanTransport(settings, sender.credentials);
}
