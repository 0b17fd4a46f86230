/** What `FileObjectStore` asks of the operating system: the calls it makes, and what their failures mean. */
import * as fs from "node:fs/promises";
import { dirname } from "node:path";
import {
  type MoraineError,
  StoreError,
  type StoreErrorReason,
  UnsupportedStoreError,
} from "../common/errors.js";

/** A part of `node:fs/promises`, so that a test can put a failing disk in its place. */
export type FileSystem = Pick<
  typeof fs,
  "open" | "link" | "rename" | "unlink" | "mkdir" | "readdir" | "stat"
>;

export const nodeFileSystem: FileSystem = fs;

/** The code of an operating system's error ("ENOENT"), or undefined when `error` is none. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return error instanceof Error && typeof code === "string" ? code : undefined;
}

/**
 * Makes a folder and those above it that are missing; gives the topmost one that it made, or undefined when all were there.
 * One by one, because the recursive call of Node never settles on file systems that answer ENOENT for every new folder
 * (such as /proc).
 */
export async function makeFolders(
  fileSystem: Pick<FileSystem, "mkdir">,
  folder: string,
): Promise<string | undefined> {
  let top: string | undefined;
  try {
    await fileSystem.mkdir(folder);
    return folder;
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" && dirname(folder) !== folder) {
      top = await makeFolders(fileSystem, dirname(folder));
    } else if (code === "EEXIST") {
      // Should it be a file, what is made in it next says so.
      return undefined;
    } else throw error;
  }
  try {
    await fileSystem.mkdir(folder);
    return top ?? folder;
  } catch (error) {
    // Another process may have just made it.
    if (codeOf(error) !== "EEXIST") throw error;
    return top;
  }
}

/** Nothing can be at that path: it does not exist, or a file is where a folder would have to be. */
export function isAbsent(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

const meanings: Record<string, { reason: StoreErrorReason; say: (directory: string) => string }> = {
  ENOSPC: full("The disk is full. Make room; the request can be repeated then."),
  EDQUOT: full(
    "The disk quota is used up. Raise it or make room; the request can be repeated then.",
  ),
  EACCES: denied(
    "Give this process read, write and search permission on the folder and all below.",
  ),
  EPERM: denied("Give this process ownership of the folder and all below."),
  EROFS: denied(
    "The file system is mounted read-only. Mount it read-write, or name another folder.",
  ),
  ENOTDIR: misplaced("A file is where a folder would have to be."),
  EEXIST: misplaced("A file is where a folder would have to be."),
  EISDIR: misplaced("A folder is where the file would have to be."),
  ENOTEMPTY: misplaced("A folder is where the file would have to be."),
  ENAMETOOLONG: misplaced("A segment of the key is longer than the file system allows."),
  ELOOP: misplaced("Symbolic links lead round in a circle."),
};

function full(remedy: string): (typeof meanings)[string] {
  return { reason: "unavailable", say: () => remedy };
}

function denied(remedy: string): (typeof meanings)[string] {
  return { reason: "denied", say: () => remedy };
}

function misplaced(cause: string): (typeof meanings)[string] {
  return {
    reason: "invalid",
    say: (directory) => `${cause} Nothing else may write below ${directory}.`,
  };
}

/** What the store throws for a failure of the operating system. Errors that are no such failure stay as they are. */
export function storeErrorOf(
  error: unknown,
  doing: string,
  directory: string,
  key?: string,
): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  const meaning = meanings[code];
  const advice = meaning?.say(directory) ?? (error as Error).message;
  return new StoreError(
    meaning?.reason ?? "unavailable",
    `Could not ${doing} in the folder ${directory} (${code}). ${advice}`,
    { object: key, cause: error },
  );
}

const linkRefusals: ReadonlySet<string> = new Set([
  "EPERM",
  "ENOTSUP",
  "EOPNOTSUPP",
  "ENOSYS",
  "EXDEV",
  "EMLINK",
]);

/** What a failed link means when the file system cannot make hard links there; undefined when it is something else. */
export function linkRefusalOf(error: unknown, directory: string): MoraineError | undefined {
  const code = codeOf(error);
  if (code === undefined || !linkRefusals.has(code)) return undefined;
  const advice =
    code === "EXDEV"
      ? "Folders inside it lie on another file system: put all of the store on one."
      : "FAT, exFAT and some network and FUSE file systems have none: use a folder on ext4, XFS, Btrfs, ZFS, APFS or NTFS, or an S3-compatible server.";
  return new UnsupportedStoreError(
    `The file system of ${directory} refused a hard link (${code}), and without it no object can be created by exactly one of two writers. ${advice}`,
    { cause: error },
  );
}
