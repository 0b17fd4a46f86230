/** What series of numbered objects have in common: manifests, and states of compactions. */
import type { Bytes } from "../common/bytes.js";
import type { Ulid } from "../common/ids.js";

/** What one of the objects says. */
export interface Numbered {
  /** It is in the bytes too. 0: the base of the first one. */
  readonly number: number;
  readonly databaseId: Ulid;
  /** ms since 1970, by the clock of whoever committed it */
  readonly createdAt: number;
  /** Makes the bytes of no two commits equal. */
  readonly token: Bytes;
}

/** The objects, without any decision. */
export interface SeriesObjects<T extends Numbered> {
  /** Of all names. */
  readonly prefix: string;
  path(number: number): string;
  get(number: number, signal?: AbortSignal): Promise<{ value: T; bytes: Uint8Array } | undefined>;
  create(number: number, bytes: Uint8Array, signal?: AbortSignal): Promise<"created" | "exists">;
  /** The highest number there is above `above`, by listing; undefined when there is none. */
  highestNumber(above: number, signal?: AbortSignal): Promise<number | undefined>;
  encode(value: T): Bytes;
  /** Throws `InternalError` when `next` may not follow `previous`. */
  checkStep(previous: T, next: T): void;
}
