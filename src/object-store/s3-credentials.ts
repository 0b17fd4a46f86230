/** `CredentialSource`: the keys that requests are signed with, read again before they expire. */
import { MoraineError, messageOf, StoreError } from "../common/errors.js";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  readonly expiration?: Date | undefined;
}

/** `forceRefresh` asks for others than those that were given before, also when these have not expired. */
export type CredentialProvider = (options?: { forceRefresh?: boolean }) => Promise<Credentials>;

/** The AWS SDK asks for new ones as long before the old ones expire. */
const renewalMs = 5 * 60_000;
/** Between attempts to renew credentials that still hold. */
const renewalPauseMs = 10_000;

export class CredentialSource {
  readonly #provider: CredentialProvider;
  readonly #now: () => number;
  #current: Credentials | undefined;
  /** When the current ones are worth replacing, in ms since 1970. */
  #renewAt = 0;
  #reading: Promise<Credentials> | undefined;

  constructor(provider: CredentialProvider, now: () => number) {
    this.#provider = provider;
    this.#now = now;
  }

  /** Only a promise where they have to be read. Throws `StoreError`, or the SDK's error when it finds none. */
  get(): Credentials | Promise<Credentials> {
    if (this.#current !== undefined && this.#now() < this.#renewAt) return this.#current;
    return this.#readUnlessValid();
  }

  /** Reads them anew, as the server has refused these. */
  async renew(): Promise<void> {
    await this.#read({ forceRefresh: true });
  }

  async #readUnlessValid(): Promise<Credentials> {
    try {
      return await this.#read();
    } catch (error) {
      const expiration = this.#current?.expiration?.getTime() ?? 0;
      if (this.#current === undefined || expiration <= this.#now()) throw error;
      this.#renewAt = this.#now() + renewalPauseMs;
      return this.#current;
    }
  }

  /** Many requests that need them at once read them once. */
  #read(options?: { forceRefresh: boolean }): Promise<Credentials> {
    this.#reading ??= this.#ask(options).finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #ask(options: { forceRefresh: boolean } | undefined): Promise<Credentials> {
    let credentials: Credentials;
    try {
      credentials = await this.#provider(options);
    } catch (error) {
      throw isFinal(error) ? error : unreadable(error);
    }
    requireKeys(credentials);
    this.#current = credentials;
    const expiration = credentials.expiration?.getTime();
    this.#renewAt = expiration === undefined ? Number.POSITIVE_INFINITY : expiration - renewalMs;
    return credentials;
  }
}

/** An error that says itself what to do, as the SDK's does when no source of credentials is configured. */
function isFinal(error: unknown): boolean {
  const { name } = error instanceof Error ? error : { name: "" };
  return error instanceof MoraineError || /^(Credentials|Token)ProviderError$/.test(name);
}

function unreadable(error: unknown): StoreError {
  const message = `S3: the credentials could not be read: ${messageOf(error)}`;
  return new StoreError("unavailable", message, { cause: error });
}

function requireKeys(credentials: Credentials): void {
  const { accessKeyId, secretAccessKey } = credentials ?? {};
  if (typeof accessKeyId === "string" && typeof secretAccessKey === "string") return;
  throw new StoreError(
    "denied",
    "S3: the credentials have no `accessKeyId` and `secretAccessKey` that are strings.",
  );
}

/** The environment variables that are read. */
export interface CredentialEnvironment {
  readonly AWS_ACCESS_KEY_ID?: string | undefined;
  readonly AWS_SECRET_ACCESS_KEY?: string | undefined;
  readonly AWS_SESSION_TOKEN?: string | undefined;
  readonly AWS_CREDENTIAL_EXPIRATION?: string | undefined;
  readonly AWS_PROFILE?: string | undefined;
}

/** Undefined unless both keys are set. A profile that is named goes before them, as in the SDK. */
export function environmentCredentials(
  environment: CredentialEnvironment,
): Credentials | undefined {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = environment;
  if (!accessKeyId || !secretAccessKey || environment.AWS_PROFILE) return undefined;
  const expiration = Date.parse(environment.AWS_CREDENTIAL_EXPIRATION ?? "");
  return {
    accessKeyId,
    secretAccessKey,
    ...(environment.AWS_SESSION_TOKEN && { sessionToken: environment.AWS_SESSION_TOKEN }),
    ...(!Number.isNaN(expiration) && { expiration: new Date(expiration) }),
  };
}
