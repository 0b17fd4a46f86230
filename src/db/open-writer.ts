/** Opening for writing: checks the options, finds and claims the database, and starts the `Writer`. */
import { lazy } from "../common/lazy.js";
import { claimDatabase } from "./claim.js";
import { describeLocation, type Location, type OpenLocation, openLocation } from "./location.js";
import { type CheckedOpenOptions, checkOpenOptions, type OpenOptions } from "./open-options.js";
import { openWalPlace, type WalPlace } from "./wal-place.js";
import { withFunctions } from "./with-functions.js";
import { wrapStore } from "./wrap-store.js";
import type { Writer } from "./writer.js";

const starter = lazy(() => import("./start-writer.js"));

export async function openWriter(
  location: Location,
  options: OpenOptions | undefined,
): Promise<Writer> {
  const checked = await withFunctions(checkOpenOptions(options));
  await checkStrategy(checked);
  const place = await openLocation(location);
  let walPlace: WalPlace | undefined;
  try {
    walPlace = await openWalPlace(options?.wal, place);
    checked.signal?.throwIfAborted();
    const create = options?.create ?? "if-missing";
    return await claim(place, walPlace, checked, create, describeLocation(location));
  } catch (error) {
    place.close();
    walPlace?.open?.close();
    throw error;
  }
}

/** What strategies take is known where they are. They are loaded only for options of theirs, before anything is opened. */
async function checkStrategy({ compaction, settings }: CheckedOpenOptions): Promise<void> {
  const { strategy } = compaction;
  if (strategy === undefined) return;
  const hasDefaults = strategy.strategy !== "fifo" && Object.keys(strategy.options).length === 0;
  if (hasDefaults) return;
  const { newStrategy } = await import("./new-strategy.js");
  newStrategy(strategy, settings);
}

async function claim(
  place: OpenLocation,
  walPlace: WalPlace | undefined,
  options: CheckedOpenOptions,
  create: NonNullable<OpenOptions["create"]>,
  description: string,
): Promise<Writer> {
  const { settings, clock, random, signal, mergeOperators } = options;
  const wrapped = wrapStore(place, options);
  const { store } = wrapped;
  const walStore = walPlace?.open ? wrapStore(walPlace.open, options, wrapped.counts).store : store;
  const claiming = claimDatabase({
    ...{ store, walStore, walPlace, clock, random, settings, create, signal },
    mergeOperators,
    place: description,
  });
  // Loaded while the store answers the first request.
  const [claim, { startWriter }] = await Promise.all([claiming, starter()]);
  const closeStore = (): void => {
    place.close();
    walPlace?.open?.close();
  };
  return startWriter({ claim, wrapped, walStore, options, closeStore, place: description });
}
