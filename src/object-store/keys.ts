/** Which keys are canonical: the check for stores where a strange key would mean another object, or none. */
import { StoreError } from "../common/errors.js";

/** A lone surrogate would be stored as U+FFFD, and two different keys would become one object. */
const forbiddenCharacters = /[\0\\]|\p{Surrogate}/u;

/** Throws `StoreError` "invalid" unless `key` is non-empty segments joined by `/`, none of them `.` or `..`. */
export function requireCanonicalKey(key: string): void {
  if (!isCanonicalKey(key)) throw invalidKey(key, "key");
}

/** Throws `StoreError` "invalid" unless some canonical key could start with `prefix`; the empty prefix is fine. */
export function requireCanonicalPrefix(prefix: string): void {
  const folderEnd = prefix.lastIndexOf("/");
  if (
    forbiddenCharacters.test(prefix) ||
    (folderEnd >= 0 && !isCanonicalKey(prefix.slice(0, folderEnd)))
  ) {
    throw invalidKey(prefix, "prefix");
  }
}

/** Whether it is non-empty segments joined by `/`, none of them `.` or `..`. */
export function isCanonicalKey(key: string): boolean {
  return (
    !forbiddenCharacters.test(key) &&
    key.split("/").every((segment) => segment !== "" && segment !== "." && segment !== "..")
  );
}

function invalidKey(key: string, what: string): StoreError {
  return new StoreError(
    "invalid",
    `The ${what} ${JSON.stringify(key)} is not canonical: segments are joined by "/", and none may be empty, "." or "..", or hold NUL, a backslash or a lone surrogate.`,
    { object: key },
  );
}
