/**
 * What a thread without a store and the main thread that has one say to each other. Bytes change hands: who has sent them has them no
 * more.
 *
 * A put whose bytes come from a source is pulled: the main thread asks for so many pieces, and the thread sends no more than that.
 */
import type { Bytes } from "../common/bytes.js";
import type { ByteRange } from "../object-store/object-store.js";
import type { CrossingError } from "./crossing-errors.js";

export type StoreRequest =
  | { readonly operation: "get"; readonly key: string; readonly range: ByteRange | undefined }
  | { readonly operation: "head"; readonly key: string }
  | { readonly operation: "create"; readonly key: string; readonly bytes: Bytes }
  /** Without bytes they are pulled. */
  | { readonly operation: "put"; readonly key: string; readonly bytes: Bytes | undefined }
  | { readonly operation: "delete"; readonly keys: readonly string[] }
  | {
      readonly operation: "list";
      readonly prefix: string;
      readonly after: string | undefined;
      readonly limit: number | undefined;
    };

export type FromThread =
  | { readonly type: "request"; readonly id: number; readonly request: StoreRequest }
  /** Nobody waits for it any more. */
  | { readonly type: "abort"; readonly id: number }
  | { readonly type: "piece"; readonly id: number; readonly pass: number; readonly bytes: Bytes }
  /** The source of a put has no more, or has failed. */
  | {
      readonly type: "end";
      readonly id: number;
      readonly pass: number;
      readonly error: CrossingError | undefined;
    };

export type ToThread =
  | { readonly type: "answer"; readonly id: number; readonly value: unknown }
  | { readonly type: "failure"; readonly id: number; readonly error: CrossingError }
  | PullMessage;

/** A store may send a put again: each pass over the source begins with the first piece. */
export type PullMessage =
  | {
      readonly type: "pull";
      readonly id: number;
      readonly pass: number;
      /** So many pieces more. */
      readonly count: number;
    }
  /** This pass wants no more. */
  | { readonly type: "stop"; readonly id: number; readonly pass: number };

/** Of a put that is pulled. A message costs some 50 µs; and a store may copy what it gets, in one go. */
export const pieceBytesMax: number = 1024 * 1024;
/** How many pieces the main thread holds of a pass that the store has not taken. */
export const piecesAhead = 4;
