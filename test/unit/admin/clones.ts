/** What the tests of clones share: databases in one memory store, and what they hold. */

import { Admin, type CloneOptions, type CloneResult } from "../../../src/admin/index.js";
import { decodeUtf8 } from "../../../src/common/bytes.js";
import { systemClock } from "../../../src/common/clock.js";
import { collect } from "../../../src/db/collect.js";
import type { Manifest } from "../../../src/format/manifest.js";
import { Db, DbReader, type OpenOptions } from "../../../src/index.js";
import { findNewest } from "../../../src/manifest/find-newest.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import type { ObjectStore } from "../../../src/object-store/object-store.js";
import { prefixed } from "../../../src/object-store/prefixed.js";

export const openDb = (store: ObjectStore, path: string, options: OpenOptions = {}): Promise<Db> =>
  Db.open({ store, path }, { background: false, compactionThreads: 0, ...options });

/** Clones what is at `from` to `to`. */
export async function cloneOf(
  store: ObjectStore,
  from: string,
  to: string,
  options?: CloneOptions,
): Promise<CloneResult> {
  const admin = await Admin.open({ store, path: from });
  try {
    return await admin.clone({ store, path: to }, options);
  } finally {
    await admin.close();
  }
}

/** All rows as "a=1 b=2". */
export async function rowsOf(
  from: Pick<Db, "scan">,
  options?: Parameters<Db["scan"]>[0],
): Promise<string> {
  const seen: string[] = [];
  for await (const { key, value } of from.scan(options))
    seen.push(`${decodeUtf8(key)}=${decodeUtf8(value)}`);
  return seen.join(" ");
}

/** As a new reader sees it. */
export async function rowsAt(
  store: ObjectStore,
  path: string,
  checkpoint?: string,
): Promise<string> {
  const reader = await DbReader.open({ store, path }, { checkpoint });
  try {
    return await rowsOf(reader);
  } finally {
    await reader.close();
  }
}

/** Collects without any grace, sweep and all. */
export async function collectAt(store: ObjectStore, path: string): Promise<void> {
  await collect({ store, path }, { graceMs: 0, sweep: true });
}

/** The newest manifest. */
export async function manifestAt(store: ObjectStore, path: string): Promise<Manifest> {
  const found = await findNewest(new ManifestStore(prefixed(store, path)), {
    ...{ clock: systemClock, retentionMs: 86_400_000 },
  });
  return found!;
}

/** The checkpoints by which clones hold something of a database, by the paths of the clones. */
export async function pinsAt(store: ObjectStore, path: string): Promise<string[]> {
  const { checkpoints } = await manifestAt(store, path);
  return checkpoints.filter(({ purpose }) => purpose === 1).map(({ holder }) => holder);
}
