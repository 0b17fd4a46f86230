/** Assertions for programmer errors. They stay on in production, and are never used on user input or stored bytes. */
import { InternalError } from "./errors.js";

/** Throws `InternalError` when `condition` is false. `message` says which invariant is broken. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InternalError(`A broken invariant: ${message}`);
}
