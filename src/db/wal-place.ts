/** Where the write-ahead log of a handle is: beside the data, on a store of its own, or nowhere. */
import { describeType } from "../common/bytes.js";
import { InvalidArgumentError, UnsupportedError } from "../common/errors.js";
import { checkOptions } from "../common/options.js";
import { type Manifest, type PinnedSettings, WalLocation } from "../format/manifest.js";
import { type Location, type OpenLocation, openLocation } from "./location.js";

/**
 * true: in the database's store. false: nowhere; a write is durable when its L0 SST is in the manifest. A location (a URL
 * or `{ store, path }`): there, for example in a bucket of S3 Express One Zone.
 */
export type WalOption = boolean | Location;

export interface WalPlace {
  readonly location: WalLocation;
  /** Set for a location of its own. */
  readonly open: OpenLocation | undefined;
}

/** The place that the options, or `?wal=`, ask for; undefined where they ask for none in particular. */
export async function openWalPlace(
  given: WalOption | undefined,
  location: OpenLocation,
): Promise<WalPlace | undefined> {
  if (given !== undefined && location.wal !== undefined) {
    throw new InvalidArgumentError('The WAL\'s place is given twice: in the URL and as "wal".');
  }
  const option = given ?? location.wal;
  if (option === undefined) return undefined;
  if (option === "true" || option === "false") {
    return openWalPlace(option === "true", { ...location, wal: undefined });
  }
  if (option === true) return { location: WalLocation.store, open: undefined };
  if (option === false) return { location: WalLocation.none, open: undefined };
  if (typeof option !== "string" && (typeof option !== "object" || option === null)) {
    throw new InvalidArgumentError(
      `"wal" must be true, false, a URL or { store, path }, not ${describeType(option)}.`,
    );
  }
  if (typeof option === "object" && !(option instanceof URL)) {
    checkOptions(option, ["store", "path"], '"wal"');
  }
  return { location: WalLocation.other, open: await openLocation(option) };
}

function pinWal(
  place: WalPlace | undefined,
): Pick<PinnedSettings, "walLocation" | "walStoreId" | "walPath"> {
  return {
    walLocation: place?.location ?? WalLocation.store,
    walStoreId: place?.open?.store.id ?? "",
    walPath: place?.open?.path ?? "",
  };
}

/**
 * What a handle with this place pins in a database that has `manifest`. A handle that does not say takes what is there.
 * Turning the WAL off is possible where the logs are at hand, turning it on where there is none left; throws
 * `InvalidArgumentError` for everything else, because records in the old place would be hidden.
 */
export function repinWal(manifest: Manifest, place: WalPlace | undefined): PinnedSettings {
  const { pinned } = manifest;
  if (place === undefined) {
    if (pinned.walLocation !== WalLocation.other) return pinned;
    throw new InvalidArgumentError(
      `The write-ahead log of this database is in store "${pinned.walStoreId}" at "${pinned.walPath}". Open it with wal: { store, path } of that place.`,
    );
  }
  const wanted = { ...pinned, ...pinWal(place) };
  const same =
    wanted.walLocation === pinned.walLocation &&
    wanted.walStoreId === pinned.walStoreId &&
    wanted.walPath === pinned.walPath;
  if (same) return pinned;
  // Nothing is pinned in a database that is just being made.
  if (manifest.number === 0) return wanted;
  const turnedOff =
    wanted.walLocation === WalLocation.none && pinned.walLocation === WalLocation.store;
  // After the WAL was turned off its logs stay in the database's store until they are flushed.
  const turnedOn =
    pinned.walLocation === WalLocation.none &&
    (wanted.walLocation === WalLocation.store || manifest.walChain.length === 0);
  if (turnedOff || turnedOn) return wanted;
  throw new InvalidArgumentError(
    `The write-ahead log of this database is ${describePlace(pinned)}, and this handle asks for ${describePlace(wanted)}. What is in the old place would be hidden: open it with the place that it has.`,
  );
}

/** Throws `UnsupportedError` where writes go to L0 alone. */
export function requireLog(manifest: Manifest): void {
  if (manifest.pinned.walLocation !== WalLocation.none) return;
  throw new UnsupportedError(
    "The database has no write-ahead log, and changes are read from that. Open it for writing with wal: true.",
  );
}

function describePlace(pinned: PinnedSettings): string {
  switch (pinned.walLocation) {
    case WalLocation.store:
      return "in its own store";
    case WalLocation.none:
      return "turned off";
    default:
      return `in store "${pinned.walStoreId}" at "${pinned.walPath}"`;
  }
}
