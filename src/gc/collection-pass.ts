/** `CollectionPass`: one pass of the collector over one manifest, step by step. */
import type { Ulid, UlidFactory } from "../common/ids.js";
import type { Random } from "../common/random.js";
import {
  type Checkpoint,
  type Manifest,
  RetiredKind,
  type RetiredObjects,
  WalLocation,
} from "../format/manifest.js";
import {
  dropExpiredCheckpoints,
  isList,
  raiseFirstNumber,
  takeOffRetired,
  unpackRetiredList,
} from "../manifest/gc-transitions.js";
import { longRetired, moveLongRetired } from "../manifest/move-long-retired.js";
import { isWal } from "../manifest/retired-wal.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import { type Collectible, collectible } from "./collectible.js";
import { type CollectionResult, FreedCount } from "./collection-result.js";
import {
  type BudgetLeft,
  type Deletable,
  deletablesOf,
  deleteAll,
  GoneEntries,
} from "./deletions.js";
import { newestOld } from "./newest-old.js";
import { eachOf, type PinnedStates } from "./pinned-states.js";
import { readRetiredLists } from "./retired-lists.js";
import { StoreAges } from "./store-ages.js";

export interface PassOptions {
  readonly stored: StoredManifest;
  readonly store: ObjectStore;
  readonly walStores: readonly ObjectStore[];
  readonly states: PinnedStates;
  readonly random: Random;
  readonly ids: UlidFactory;
  /** When manifests were stored, by number, as far as it is known. */
  readonly storedAt: Map<number, number>;
  /** Bytes of an SST; 0 where that is not known. */
  readonly sizeOf: (id: Ulid) => number;
  readonly retentionMs: number;
  readonly graceMs: number;
  readonly budget: BudgetLeft;
  readonly signal: AbortSignal | undefined;
  /** False while no manifest can have grown old since the last look. */
  readonly isHistoryDue: boolean;
  /** The oldest manifest will be old in so many ms. */
  readonly onHistoryYoung: (ms: number) => void;
}

const dayMs = 24 * 3_600_000;

export class CollectionPass {
  readonly #options: PassOptions;
  readonly #ages: StoreAges;
  /** What the store has confirmed, or would be asked to delete in a dry run. */
  readonly freed: FreedCount = new FreedCount();
  /** What is gone of the manifest's own list, and of each list object. */
  readonly #gone = new GoneEntries();
  /** Manifests below it are gone. */
  #firstNumber = 0;

  constructor(options: PassOptions) {
    const { store, random, storedAt, signal } = options;
    this.#options = options;
    this.#ages = new StoreAges(store, { random, storedAt, signal });
  }

  /** Throws `GoneObject` when something is missing that the manifest needs, before anything is deleted. */
  async run(
    dryRun: boolean,
  ): Promise<Omit<CollectionResult, "requests" | "databasesReleased" | "notReleased">> {
    const { stored, signal } = this.#options;
    const { checkpoints } = stored.current;
    const drop = dropExpiredCheckpoints(await this.#expired(stored.current));
    // An expired checkpoint protects until a commit has dropped it.
    const manifest = dryRun
      ? drop(stored.current)
      : await stored.commit(drop, signal && { signal });
    const found = await this.#find(manifest);
    const left = new Set(manifest.checkpoints.map(({ id }) => id));
    const dropped = checkpoints.filter(({ id }) => !left.has(id));
    const numbers = numbersOf(dropped).filter((number) => number < manifest.firstNumber);
    const lastOld = await this.#lastOldManifest(manifest);
    const all = this.#deletables(manifest, found, numbers, lastOld);
    const result = {
      dryRun,
      kept: { young: found.youngCount, named: found.namedCount },
      checkpointsDropped: dropped.length,
    };
    if (dryRun) {
      for (const { confirm } of all) confirm();
      this.freed.lists += found.lists.length;
      return { ...result, deleted: this.freed.toJSON(), isDone: true };
    }
    let isDone = false;
    try {
      isDone = await deleteAll(all, this.#options);
      if (isDone) this.#firstNumber = Math.max(this.#firstNumber, lastOld + 1);
    } catch (error) {
      // What is gone is gone: the next pass need not delete it again.
      await this.#takeOff(found).catch(() => undefined);
      throw error;
    }
    const newest = await this.#takeOff(found);
    if (isDone) await this.#moveLong(newest);
    return { ...result, deleted: this.freed.toJSON(), isDone };
  }

  async #expired(manifest: Manifest): Promise<readonly Checkpoint[]> {
    const expired: Checkpoint[] = [];
    const expiring = manifest.checkpoints.filter(({ ttlMs, isExpired }) => ttlMs > 0 && !isExpired);
    await eachOf(expiring, async (checkpoint) => {
      // That manifest is kept for as long as the checkpoint is there; without it nothing proves that the time is over.
      const age = await this.#ages.ageOf(checkpoint.refreshedNumber);
      if (age !== undefined && age >= checkpoint.ttlMs) expired.push(checkpoint);
    });
    return expired;
  }

  async #find(manifest: Manifest): Promise<Collectible> {
    const { states, signal, graceMs, walStores } = this.#options;
    const lists = await readRetiredLists(this.#options.store, manifest, signal);
    const entries = manifest.retired.filter((entry) => !isList(entry));
    const all = [...entries, ...[...lists.values()].flat()];
    const numbers = [...new Set(all.map((entry) => entry.manifestNumber))].sort((a, b) => a - b);
    const lastOld =
      graceMs <= 0
        ? numbers.length - 1
        : await newestOld(numbers.length, (i) => this.#ages.isOlder(numbers[i]!, graceMs));
    const newestOldNumber = numbers[lastOld] ?? 0;
    const isOld = (number: number): boolean => number <= newestOldNumber;
    const isNamingAsked = all.some((entry) => !isWal(entry) && isOld(entry.manifestNumber));
    const pinned = isNamingAsked ? [await states.of(manifest, signal)] : [];
    const found = collectible(manifest, pinned, isOld, lists);
    if (manifest.pinned.walLocation !== WalLocation.other || walStores.length > 1) return found;
    // The logs are out of sight.
    return { ...found, retired: found.retired.filter((entry) => !isWal(entry)) };
  }

  /** The highest number whose manifest is older than the retention; 0 when there is none. Numbers ascend with time. */
  async #lastOldManifest(manifest: Manifest): Promise<number> {
    const { isHistoryDue, onHistoryYoung, retentionMs } = this.#options;
    const first = Math.max(1, manifest.firstNumber);
    if (!isHistoryDue || first >= manifest.number) return 0;
    const keptMs = Math.max(dayMs, retentionMs);
    const index = await newestOld(manifest.number - first, (i) =>
      this.#ages.isOlder(first + i, keptMs),
    );
    if (index >= 0) return first + index;
    const age = (await this.#ages.ageOf(first)) ?? 0;
    onHistoryYoung(Math.min(keptMs, Math.max(1000, keptMs - age)));
    return 0;
  }

  *#deletables(
    manifest: Manifest,
    found: Collectible,
    dropped: readonly number[],
    lastOld: number,
  ): Iterable<Deletable> {
    const onGone = (entry: RetiredObjects, id: Ulid | number): void => {
      this.#gone.add(entry, id);
      this.#countFreed(entry.kind, id);
    };
    for (const { gone } of found.lists) yield* deletablesOf(gone, onGone);
    yield* deletablesOf(found.retired, onGone);
    const needed = new Set(numbersOf(manifest.checkpoints));
    for (const number of new Set(dropped)) {
      if (!needed.has(number)) yield this.#manifestDeletable(number);
    }
    for (let number = Math.max(1, manifest.firstNumber); number <= lastOld; number++) {
      if (needed.has(number)) continue;
      yield this.#manifestDeletable(number, number + 1);
    }
  }

  #manifestDeletable(number: number, firstNumber = 0): Deletable {
    const confirm = (): void => {
      this.freed.manifests++;
      this.#firstNumber = Math.max(this.#firstNumber, firstNumber);
    };
    return { key: ObjectPaths.manifest(number), isWal: false, confirm };
  }

  #countFreed(kind: RetiredKind, id: Ulid | number): void {
    if (typeof id === "number") this.freed.wal++;
    else if (kind === RetiredKind.run) this.freed.runs++;
    else this.freed.add({ ssts: 1, bytes: this.#options.sizeOf(id) });
  }

  /** One commit. List objects go after it, so that no manifest names one that is gone. */
  async #takeOff(found: Collectible): Promise<Manifest> {
    const { stored, store, signal } = this.#options;
    const emptied = found.lists.filter(({ gone }) => gone.every((entry) => this.#gone.has(entry)));
    const transitions = [
      takeOffRetired(this.#gone.entries),
      ...emptied.map(({ list, left }) => unpackRetiredList(list, left)),
      raiseFirstNumber(this.#firstNumber),
    ];
    const newest = await stored.commit(
      (manifest) => transitions.reduce((changed, transition) => transition(changed), manifest),
      signal && { signal },
    );
    if (emptied.length > 0) {
      const paths = emptied.map(({ list }) => ObjectPaths.retiredList(list));
      await store.delete(paths, { signal });
      this.freed.lists += paths.length;
    }
    return newest;
  }

  /** What came out of a list, or was never moved into one, may be long. */
  async #moveLong(manifest: Manifest): Promise<void> {
    const { stored, store, ids, signal, budget } = this.#options;
    if (longRetired(manifest).length === 0 || !budget.allows(3)) return;
    const commit: Parameters<typeof moveLongRetired>[0]["commit"] = (transition) =>
      stored.commit(transition, signal && { signal });
    await moveLongRetired({ manifest, store, ids, commit, signal });
  }
}

/** The numbers of the manifests that checkpoints need: what they pin, and what their age is told by. */
function numbersOf(checkpoints: readonly Checkpoint[]): readonly number[] {
  return checkpoints.flatMap(({ manifestNumber, refreshedNumber }) => [
    manifestNumber,
    refreshedNumber,
  ]);
}
