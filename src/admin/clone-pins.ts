/**
 * `ClonePins`: the checkpoints by which a clone keeps what it names, one for each database that owns something of it and for each state of that.
 * They are made before the clone is, never expire, and say whose they are. What an attempt that died has left is found by its holder.
 */
import { CorruptionError, NotFoundError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import {
  type Checkpoint,
  CheckpointPurpose,
  type ExternalDatabase,
  type Manifest,
} from "../format/manifest.js";
import { durableContent, type StoredLogs } from "../manifest/checkpoint-content.js";
import { endCheckpoints, liveCheckpoints } from "../manifest/checkpoint-expiry.js";
import { attachCheckpoint } from "../manifest/checkpoint-transitions.js";
import { ownersOf } from "../manifest/clone-owners.js";
import type { StoredManifest } from "../manifest/stored-manifest.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { AdminContext } from "./context.js";
import { openNeighbour } from "./neighbour.js";
import { readStoredLogs } from "./stored-logs.js";

export interface ClonePinsOptions {
  /** The path of the clone in its namespace. */
  readonly holder: string;
  /** The database id that the clone is going to have. */
  readonly holderId: Ulid;
  readonly nextId: () => Ulid;
  readonly signal: AbortSignal | undefined;
}

/** A state of a source that is pinned for the clone. */
export interface PinnedSource {
  readonly context: AdminContext;
  readonly checkpoint: Checkpoint;
  /** The manifest that it names. */
  readonly state: Manifest;
  /** By which the clone holds what it may name of this state. */
  readonly externals: readonly ExternalDatabase[];
}

interface Pin {
  readonly stored: StoredManifest;
  readonly id: Ulid;
}

/** A parent may detach while it is cloned, and then the place of an owner changes; not often. */
const placeChangesMax = 10;

export class ClonePins {
  readonly #options: ClonePinsOptions;
  readonly #databases = new Map<string, StoredManifest>();
  readonly #pins: Pin[] = [];

  constructor(options: ClonePinsOptions) {
    this.#options = options;
  }

  /** Pins the checkpoint of that id or name; undefined: what is durable now. */
  async pin(context: AdminContext, wanted: string | undefined): Promise<PinnedSource> {
    const { stored, place, manifests } = context;
    const { signal } = this.#options;
    this.#databases.set(place.namespace.path, stored);
    const logs = wanted === undefined ? await readStoredLogs(context, signal) : undefined;
    const id = await this.#attach(context, stored, wanted, logs);
    const newest = stored.current;
    const checkpoint = newest.checkpoints.find((one) => one.id === id)!;
    const { manifestNumber } = checkpoint;
    const state =
      manifestNumber === newest.number
        ? newest
        : (await manifests.get(manifestNumber, signal))?.manifest;
    if (state === undefined) {
      const path = ObjectPaths.manifest(manifestNumber);
      throw new CorruptionError(path, `it is missing, and checkpoint "${wanted}" names it`);
    }
    const own = { databaseId: newest.databaseId, path: place.namespace.path, checkpointId: id };
    const externals: ExternalDatabase[] = [{ ...own, isLeaving: false }];
    const { owners, hasLists } = ownersOf(state);
    const wantedOwners = new Set(
      hasLists ? state.externals.map(({ databaseId }) => databaseId) : [],
    );
    for (const owner of [...owners, ...wantedOwners].filter(unique)) {
      externals.push(...(await this.#pinOwner(context, owner, id, owners.has(owner))));
    }
    return { context, checkpoint, state, externals };
  }

  /** Of every database that has a pin of this clone, its newest manifest: one GET each. Gives the paths where one is gone. */
  async missing(): Promise<readonly Ulid[]> {
    const { signal } = this.#options;
    for (const stored of new Set(this.#pins.map((pin) => pin.stored))) {
      await stored.refresh({ signal });
    }
    const isThere = ({ stored, id }: Pin): boolean =>
      !stored.current.destroyed && stored.current.checkpoints.some((one) => one.id === id);
    return this.#pins.filter((pin) => !isThere(pin)).map(({ id }) => id);
  }

  /** Database ids that earlier attempts at the same path were going to have, as far as sources and owners know of them. */
  earlierAttempts(contexts: readonly AdminContext[]): ReadonlySet<Ulid> {
    const all = [...contexts.map(({ stored }) => stored), ...this.#databases.values()];
    return new Set(
      all.flatMap(({ current }) => this.#earlier(current).map(({ holderId }) => holderId)),
    );
  }

  /** The clone is there: earlier attempts at its path can never be finished, and hold nothing any more. */
  async dropEarlier(): Promise<void> {
    const { signal } = this.#options;
    for (const stored of this.#databases.values()) {
      const transition = (manifest: Manifest): Manifest =>
        endCheckpoints(this.#earlier(manifest).map(({ id }) => id))(manifest);
      await stored.commit(transition, { signal });
    }
  }

  /** There will be no clone: nothing was sent that could make one. What is not dropped when the signal says so is left to the next attempt. */
  async drop(signal: AbortSignal): Promise<void> {
    for (const { stored, id } of this.#pins) {
      await stored.commit(endCheckpoints([id]), { signal }).catch(() => undefined);
    }
  }

  #earlier(manifest: Manifest): readonly Checkpoint[] {
    const { holder, holderId } = this.#options;
    return liveCheckpoints(manifest).filter(
      (one) =>
        one.purpose === CheckpointPurpose.clone &&
        one.holder === holder &&
        one.holderId !== holderId,
    );
  }

  /** Where objects of an owner lie is what the parent's newest manifest says; who holds them there for the parent may leave meanwhile. */
  async #pinOwner(
    context: AdminContext,
    owner: Ulid,
    own: Ulid,
    isNamed: boolean,
  ): Promise<ExternalDatabase[]> {
    const { stored } = context;
    for (let change = 0; change < placeChangesMax; change++) {
      const entries = stored.current.externals.filter(
        ({ databaseId, isLeaving }) => databaseId === owner && !isLeaving,
      );
      const pinned = await this.#pinEntries(context, entries, own);
      if (pinned !== undefined && (pinned.length > 0 || !isNamed)) return pinned;
      await stored.refresh({ signal: this.#options.signal });
    }
    throw new CorruptionError(
      ObjectPaths.manifest(stored.current.number),
      `it does not say where objects of database ${owner} are kept, which it names`,
    );
  }

  /** Undefined: one of them is not kept there any more. */
  async #pinEntries(
    context: AdminContext,
    entries: readonly ExternalDatabase[],
    own: Ulid,
  ): Promise<ExternalDatabase[] | undefined> {
    const pinned: ExternalDatabase[] = [];
    const before = this.#pins.length;
    for (const { databaseId, path, checkpointId } of entries) {
      // Copies in the parent's own path are kept by a pin of their own: they may be needed for longer than what the parent has written.
      const isOwn = path === "";
      const at = isOwn ? context.place.namespace.path : path;
      const stored = isOwn ? context.stored : await this.#database(context, path);
      if (stored === undefined) return this.#takeBack(before);
      try {
        const id = await this.#attach(context, stored, isOwn ? own : checkpointId, undefined);
        pinned.push({ databaseId, path: at, checkpointId: id, isLeaving: false });
      } catch (error) {
        if (!(error instanceof NotFoundError) || isOwn) throw error;
        return this.#takeBack(before);
      }
    }
    return pinned;
  }

  /** Nothing says of these pins that the clone has them. */
  async #takeBack(from: number): Promise<undefined> {
    for (const { stored, id } of this.#pins.slice(from)) {
      await stored.commit(endCheckpoints([id]), { signal: this.#options.signal });
    }
    this.#pins.length = from;
  }

  async #database(context: AdminContext, path: string): Promise<StoredManifest | undefined> {
    const known = this.#databases.get(path);
    if (known !== undefined) return known;
    const found = await openNeighbour(context, path, this.#options.signal);
    if (found !== undefined) this.#databases.set(path, found);
    return found;
  }

  async #attach(
    { options }: AdminContext,
    stored: StoredManifest,
    source: string | undefined,
    logs: StoredLogs | undefined,
  ): Promise<Ulid> {
    const { holder, holderId, nextId, signal } = this.#options;
    const id = nextId();
    this.#pins.push({ stored, id });
    const transition = attachCheckpoint({
      ...{ id, createdAt: Math.floor(options.clock.now()), source },
      content: logs && ((manifest) => durableContent(manifest, logs)),
      ...{ purpose: CheckpointPurpose.clone, holder, holderId },
    });
    await stored.commit(transition, { signal });
    return id;
  }
}

const unique = <T>(item: T, i: number, all: readonly T[]): boolean => all.indexOf(item) === i;
