/** Where a database is: a URL, or a store with a path, checked and turned into a store. */
import { describeType, hasLoneSurrogate } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import { checkOptions } from "../common/options.js";
import { FileObjectStore } from "../object-store/file.js";
import { MemoryObjectStore } from "../object-store/memory.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { rootOf } from "../object-store/store-root.js";

/** `s3://bucket/path`, `file:///dir`, `memory:///name`, or a store of your own with a path inside it. */
export type Location = string | URL | { store: ObjectStore; path: string };

export interface OpenLocation {
  readonly store: ObjectStore;
  /** Where in the store the database is; empty: at its root. */
  readonly path: string;
  /** Closes the store, where this call made it. */
  readonly close: () => void;
  /** What this is one path of: other databases in it may share objects with this one. */
  readonly namespace: Namespace;
  /** What a URL says of the WAL's place in `?wal=`. */
  readonly wal?: string | undefined;
}

export interface Namespace {
  /** Equal ids: the same objects below the same paths. */
  readonly id: string;
  /** Where in it the database is. */
  readonly path: string;
  /** The store of a database at another path in it. Closed with the location. */
  at(path: string): ObjectStore;
}

/** A store in which each database has a path; of its namespace it may be a part. */
function inStore(
  store: ObjectStore,
  path: string,
): Pick<OpenLocation, "store" | "path" | "namespace"> {
  const { id, pathOf, at } = rootOf(store);
  return { store, path, namespace: { id, path: pathOf(path), at } };
}

/** Stores of `memory:` URLs live as long as the process, so that a name means the same database each time. */
const memoryStore = new MemoryObjectStore({ id: "memory:process" });

/** Throws `InvalidArgumentError` for a location that is not canonical. Makes no request. */
export async function openLocation(location: Location): Promise<OpenLocation> {
  if (typeof location === "object" && location !== null && !(location instanceof URL)) {
    checkOptions(location, ["store", "path"], "A location");
    const { store, path } = location;
    if (typeof store !== "object" || store === null || typeof store.create !== "function") {
      throw new InvalidArgumentError(`"store" must be an ObjectStore, not ${describeType(store)}.`);
    }
    if (typeof path !== "string") {
      throw new InvalidArgumentError(`"path" must be a string, not ${describeType(path)}.`);
    }
    requireCanonical(path, path);
    return { ...inStore(store, path), close: () => undefined };
  }
  const { text, wal } = takeWal(String(location));
  const shown = withoutCredentials(text);
  if (typeof location !== "string" && !(location instanceof URL)) throw notALocation(shown);
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  // A URL parser would fold "..", "%2e" and backslashes away before anyone could refuse them.
  const [rawPath = ""] = text.slice((scheme?.length ?? 0) + 3).split(/[?#]/, 1);
  switch (scheme) {
    case "memory":
      return { ...openMemory(shown, rawPath), wal };
    case "file":
      return { ...openFile(shown, rawPath), wal };
    case "s3":
      return { ...(await openS3(text, shown, rawPath)), wal };
    default:
      throw notALocation(shown);
  }
}

/** Credentials do not belong in a URL, but a message must not repeat them. */
export function withoutCredentials(location: string): string {
  return location.replace(/\/\/[^/@]*@/, "//");
}

/** What a location is called in messages. */
export function describeLocation(location: Location): string {
  if (typeof location === "object" && "path" in location) return `"${location.path}"`;
  return `"${withoutCredentials(String(location))}"`;
}

/** Takes `wal=` out of the query, which every kind of URL may have. */
function takeWal(location: string): { text: string; wal: string | undefined } {
  const start = location.indexOf("?");
  if (start < 0) return { text: location, wal: undefined };
  const query = new URLSearchParams(location.slice(start + 1));
  const wal = query.getAll("wal");
  if (wal.length === 0) return { text: location, wal: undefined };
  if (wal.length > 1) throw new InvalidArgumentError(`"${location}" has more than one "wal".`);
  query.delete("wal");
  const rest = query.toString();
  return { text: location.slice(0, start) + (rest === "" ? "" : `?${rest}`), wal: wal[0] };
}

function openMemory(text: string, rawPath: string): OpenLocation {
  refuseQuery(text);
  const path = decodePath(text, rawPath.replace(/^\//, ""));
  if (rawPath[0] !== "/") throw new InvalidArgumentError(`Write "memory:///${rawPath}".`);
  requireCanonical(path, text);
  return { ...inStore(memoryStore, path), close: () => undefined };
}

function openFile(text: string, rawPath: string): OpenLocation {
  refuseQuery(text);
  if (rawPath[0] !== "/") {
    throw new InvalidArgumentError(
      `"${text}" names a host. A folder is written with three slashes: "file:///absolute/path".`,
    );
  }
  const path = decodePath(text, rawPath.slice(1).replace(/\/$/, ""));
  requireCanonical(path, text);
  return {
    ...inStore(new FileObjectStore({ directory: `/${path}` }), ""),
    close: () => undefined,
  };
}

async function openS3(text: string, shown: string, rawPath: string): Promise<OpenLocation> {
  const slash = rawPath.indexOf("/");
  const path = slash < 0 ? "" : decodePath(shown, rawPath.slice(slash + 1).replace(/\/$/, ""));
  if (slash === 0) throw new InvalidArgumentError(`"${shown}" names no bucket.`);
  requireCanonical(path, shown);
  const { s3StoreFromUrl } = await import("../object-store/s3.js");
  const url = new URL(text);
  url.pathname = "/";
  const store = s3StoreFromUrl(url);
  return { ...inStore(store, path), close: () => store.close() };
}

function refuseQuery(text: string): void {
  if (/[?#]/.test(text)) {
    throw new InvalidArgumentError(
      `"${text}" has a query, of which only s3:// URLs take more than "wal".`,
    );
  }
}

function decodePath(text: string, path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new InvalidArgumentError(`"${text}" has a "%" that is no percent-encoding.`);
  }
}

/** Segments are canonical: no `.`, `..`, empty segment, NUL, backslash or lone surrogate, so two spellings never mean one database. */
function requireCanonical(path: string, text: string): void {
  const refuse = (why: string): never => {
    throw new InvalidArgumentError(`The location "${text}" ${why}.`);
  };
  if (path === "") refuse("needs a path below its root");
  if (path.includes("\0")) refuse("has a NUL character");
  if (path.includes("\\")) refuse("has a backslash; separate segments with /");
  if (hasLoneSurrogate(path)) refuse("has a lone surrogate, which UTF-8 cannot hold");
  for (const segment of path.split("/")) {
    if (segment === "") refuse("has an empty segment");
    if (segment === "." || segment === "..") refuse(`has the segment "${segment}"`);
  }
}

function notALocation(text: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `"${text}" is not a location. Use s3://bucket/path, file:///absolute/path, memory:///name, or { store, path }.`,
  );
}
