/** Collects what `moraine inspect` shows: the newest manifest, and listings. It decides nothing and prints nothing. */
import { systemClock } from "../common/clock.js";
import { NotFoundError } from "../common/errors.js";
import { systemRandom } from "../common/random.js";
import { openLocation } from "../db/location.js";
import { type ReaderSettingsOptions, toReaderSettings } from "../db/settings.js";
import { openWalPlace, type WalPlace } from "../db/wal-place.js";
import { wrapStore } from "../db/wrap-store.js";
import type { Compactions } from "../format/compactions.js";
import { type Manifest, WalLocation } from "../format/manifest.js";
import { encodeManifest } from "../format/manifest-codec.js";
import { rangeDeleteCount } from "../format/tombstone-spans.js";
import { findNewest } from "../manifest/find-newest.js";
import { ManifestStore } from "../manifest/manifest-store.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { inspectCompactions } from "./inspect-compactions.js";
import { inspectWal, type WalLogInspection } from "./inspect-wal.js";

export interface Inspection {
  readonly manifest: Manifest;
  readonly manifestBytes: number;
  /** Logs of the chain, oldest first; undefined when they are on another store, which the URL does not name. */
  readonly wal: readonly WalLogInspection[] | undefined;
  /** The newest state of jobs; undefined where nothing has ever been compacted. */
  readonly compactions: Compactions | undefined;
  readonly totals: Totals;
  /** By the first segment of the name; undefined when not asked for. */
  readonly objects: readonly ObjectKind[] | undefined;
}

/** What the newest manifest names, and the WAL objects from where replay starts. */
interface Totals {
  readonly rowCount: number;
  readonly deleteCount: number;
  readonly rangeDeleteCount: number;
  readonly sstCount: number;
  readonly sstBytes: number;
  readonly walObjectCount: number;
  readonly walBytes: number;
  /** Objects that nothing needs any more, and that are not collected yet. */
  readonly retiredCount: number;
}

interface ObjectKind {
  readonly kind: string;
  readonly count: number;
  readonly bytes: number;
}

export interface InspectOptions {
  settings: ReaderSettingsOptions;
  signal: AbortSignal;
  readWal: boolean;
  listObjects: boolean;
}

export async function inspectDatabase(url: string, options: InspectOptions): Promise<Inspection> {
  const { signal } = options;
  const settings = toReaderSettings(options.settings);
  const clock = systemClock;
  const components = { settings, clock, random: systemRandom };
  const place = await openLocation(url);
  let walPlace: WalPlace | undefined;
  try {
    walPlace = await openWalPlace(undefined, place);
    const { store } = wrapStore(place, components);
    const retentionMs = settings.manifestRetentionMs;
    const manifest = await findNewest(new ManifestStore(store), { clock, retentionMs, signal });
    if (manifest === undefined) throw new NotFoundError("There is no database at this URL.");
    const walOpen = isPinned(manifest, walPlace) ? walPlace?.open : undefined;
    const walStore = walOpen === undefined ? store : wrapStore(walOpen, components).store;
    const walIsHere = walOpen !== undefined || manifest.pinned.walLocation !== WalLocation.other;
    const [wal, compactions, objects] = await Promise.all([
      walIsHere ? inspectWal(walStore, manifest, { read: options.readWal, signal }) : undefined,
      inspectCompactions(store, signal),
      options.listObjects ? listObjects(store, signal) : undefined,
    ]);
    const manifestBytes = encodeManifest(manifest).length;
    const totals = totalsOf(manifest, wal ?? []);
    return { manifest, manifestBytes, wal, compactions, totals, objects };
  } finally {
    walPlace?.open?.close();
    place.close();
  }
}

/** Whether the log of the database is where the URL says. */
function isPinned({ pinned }: Manifest, place: WalPlace | undefined): boolean {
  return (
    pinned.walLocation === WalLocation.other &&
    pinned.walStoreId === place?.open?.store.id &&
    pinned.walPath === place.open.path
  );
}

function totalsOf(manifest: Manifest, wal: readonly WalLogInspection[]): Totals {
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const l0 = manifest.l0.flatMap((entry) => entry.ssts);
  const inRuns = manifest.runs.flatMap((run) => run.ssts);
  return {
    rowCount: sum(l0.map((sst) => sst.rowCount)) + sum(manifest.runs.map((run) => run.rowCount)),
    // Runs whose list is in an object of its own do not say how many deletes they hold.
    deleteCount: sum([...l0, ...inRuns].map((sst) => sst.deleteCount)),
    rangeDeleteCount: sum([...l0, ...inRuns].map(rangeDeleteCount)),
    sstCount: l0.length + sum(manifest.runs.map((run) => run.sstCount)),
    sstBytes: sum(l0.map((sst) => sst.size)) + sum(manifest.runs.map((run) => run.size)),
    walObjectCount: sum(wal.map((log) => log.objectCount)),
    walBytes: sum(wal.map((log) => log.bytes)),
    retiredCount: sum(
      manifest.retired.map((entry) => entry.ids.length || entry.toId - entry.fromId),
    ),
  };
}

async function listObjects(store: ObjectStore, signal: AbortSignal): Promise<ObjectKind[]> {
  const kinds = new Map<string, { count: number; bytes: number }>();
  for await (const { key, size } of store.list({ prefix: "", signal })) {
    const kind = key.includes("/") ? key.slice(0, key.indexOf("/")) : key;
    const known = kinds.get(kind) ?? { count: 0, bytes: 0 };
    kinds.set(kind, { count: known.count + 1, bytes: known.bytes + size });
  }
  return [...kinds]
    .map(([kind, sizes]) => ({ kind, ...sizes }))
    .sort((a, b) => (a.kind < b.kind ? -1 : 1));
}
