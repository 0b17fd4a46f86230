/** Opening an old state by its number or by a moment: possible while the retired list has all that has left the database since. */
import { NotFoundError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import type { Manifest, SortedRun, SstInfo } from "../format/manifest.js";
import { decodeRunList } from "../format/run-list.js";
import { eachOf, GoneObject } from "../gc/pinned-states.js";
import { readRetiredLists } from "../gc/retired-lists.js";
import { isAllThere, listsToCompare, manifestAt } from "../manifest/find-at.js";
import { sampleOfEnd } from "../manifest/history.js";
import type { ManifestStore } from "../manifest/manifest-store.js";
import { ObjectPaths } from "../object-store/paths.js";

/** One of the two. */
export type PastMoment =
  | { readonly manifestNumber: number; readonly at?: undefined }
  | { readonly manifestNumber?: undefined; readonly at: number };

/**
 * The manifest of that number, or of that moment. `NotFoundError` where it does not open: it is collected, or from before the end of a database
 * that was destroyed at the same path. The message has an old one that opens.
 */
export async function pastState(
  manifests: ManifestStore,
  newest: Manifest,
  moment: PastMoment,
  signal?: AbortSignal,
): Promise<Manifest> {
  const past = new PastStates(manifests, newest, signal);
  const { manifestNumber, at } = moment;
  if (manifestNumber !== undefined && manifestNumber > newest.number) {
    throw new NotFoundError(
      `There is no manifest ${manifestNumber} yet: the newest is ${newest.number}.`,
    );
  }
  const found =
    manifestNumber === undefined
      ? await manifestAt(manifests, newest, at, signal)
      : await past.get(manifestNumber);
  if (found !== undefined && (await past.opens(found))) return found;
  const asked =
    manifestNumber === undefined ? new Date(at).toISOString() : `manifest ${manifestNumber}`;
  const number = found?.number ?? manifestNumber ?? 0;
  const end = await past.endSince(number);
  const old = await past.firstAbove(Math.max(number, end?.number ?? 0));
  const opening = `The oldest that was found to open is manifest ${old.number}, of ${timeOf(old)} (${old.createdAt}).`;
  throw new NotFoundError(
    end === undefined
      ? `The state of ${asked} is not kept any more. ${opening} What leaves the database is kept for "gcGraceMs" of whoever collects, and for as long as a checkpoint names it.`
      : `There is no state of ${asked}: the database was destroyed by manifest ${end.number}, of ${timeOf(end)}, and the one that is here now was made after that. ${opening}`,
  );
}

const timeOf = ({ createdAt }: Manifest): string => new Date(createdAt).toISOString();

class PastStates {
  readonly #manifests: ManifestStore;
  readonly #newest: Manifest;
  readonly #signal: AbortSignal | undefined;
  #retired: Promise<Manifest["retired"] | undefined> | undefined;
  #end: Promise<Manifest | undefined> | undefined;
  readonly #lists = new Map<Ulid, readonly SstInfo[]>();

  constructor(manifests: ManifestStore, newest: Manifest, signal: AbortSignal | undefined) {
    this.#manifests = manifests;
    this.#newest = newest;
    this.#signal = signal;
  }

  async get(number: number): Promise<Manifest | undefined> {
    if (number === this.#newest.number) return this.#newest;
    return (await this.#manifests.get(number, this.#signal))?.manifest;
  }

  /** The last manifest of a database that was destroyed at the path, if it is this one or a later one. No request for newer ones. */
  async endSince(number: number): Promise<Manifest | undefined> {
    const sample = sampleOfEnd(this.#newest);
    if (sample === undefined || number > sample.manifestNumber) return undefined;
    this.#end ??= this.get(sample.manifestNumber);
    const end = await this.#end;
    return end?.destroyed ? end : undefined;
  }

  /** No request for what is of this database, where neither the retired list nor runs have lists in objects of their own. */
  async opens(older: Manifest): Promise<boolean> {
    const newest = this.#newest;
    if (older === newest) return true;
    // One that names nothing lacks nothing, and is no state of this database all the same where it is of the one before.
    if (older.destroyed || (await this.endSince(older.number)) !== undefined) return false;
    this.#retired ??= this.#readRetired();
    const retired = await this.#retired;
    if (retired === undefined) return false;
    try {
      await eachOf(listsToCompare(older, newest), (run) => this.#readList(run));
    } catch (error) {
      if (error instanceof GoneObject) return false;
      throw error;
    }
    return isAllThere(older, newest, retired, this.#lists);
  }

  /**
   * One above `closed` that opens, where the one before it does not: the oldest, unless checkpoints keep others open that lie between ones that
   * are gone. The newest opens, whatever is gone.
   */
  async firstAbove(closed: number): Promise<Manifest> {
    let opening = this.#newest;
    let below = Math.max(closed, this.#newest.firstNumber - 1, 0);
    while (opening.number - below > 1) {
      const middle = below + Math.floor((opening.number - below) / 2);
      const manifest = await this.get(middle);
      if (manifest !== undefined && (await this.opens(manifest))) opening = manifest;
      else below = middle;
    }
    return opening;
  }

  /** Undefined: another one has collected a list since, so that the newest manifest is not the newest any more. */
  async #readRetired(): Promise<Manifest["retired"] | undefined> {
    const { retired } = this.#newest;
    try {
      const lists = await readRetiredLists(this.#manifests.store, this.#newest, this.#signal);
      return [...retired, ...[...lists.values()].flat()];
    } catch (error) {
      if (error instanceof GoneObject) return undefined;
      throw error;
    }
  }

  async #readList(run: SortedRun): Promise<void> {
    if (this.#lists.has(run.id)) return;
    const path = ObjectPaths.run(run.id, run.owner);
    const object = await this.#manifests.store.get(path, { signal: this.#signal });
    if (object === undefined) throw new GoneObject(path);
    this.#lists.set(run.id, decodeRunList(object.bytes, path, this.#newest.databaseId, run));
  }
}
