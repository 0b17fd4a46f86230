/** `Admin`: what an administrator does with a database, with or without a writer beside: checkpoints, restore, clones, exports, checks, its end. */
import { ClosedError } from "../common/errors.js";
import { asOfNow } from "../common/options.js";
import type { Location } from "../db/location.js";
import type { CheckpointInfo } from "../manifest/checkpoint-info.js";
import type { AdminOptions } from "./admin-options.js";
import type { CheckpointSizes, CheckpointSizesOptions } from "./checkpoint-sizes.js";
import type {
  ChangeCheckpointOptions,
  CreateCheckpointOptions,
  ExpireCheckpointOptions,
  ListCheckpointsOptions,
  RefreshCheckpointOptions,
} from "./checkpoints.js";
import type { CloneOptions } from "./clone.js";
import type { CloneResult } from "./clone-attempt.js";
import type { AdminContext } from "./context.js";
import type { DestroyOptions, DestroyResult } from "./destroy.js";
import type { DetachOptions, DetachResult } from "./detach.js";
import type { ExportInfo, ExportOptions } from "./export-options.js";
import { openContext } from "./open-context.js";
import type { RestoreOptions, RestoreResult } from "./restore.js";
import type { UnionOptions, UnionSource } from "./union.js";
import type { VerifyOptions, VerifyReport } from "./verify.js";

export class Admin {
  readonly #context: AdminContext;
  #isClosed = false;

  /** Reads the newest manifest, and writes nothing. `NotFoundError` when there is no database. */
  static async open(location: Location, options?: AdminOptions): Promise<Admin> {
    return new Admin(await openContext(asOfNow(location), asOfNow(options)));
  }

  /**
   * A database at `target` that begins as several others are, or as parts of them, and shares their objects, all in one store. No key may be in two
   * of them, nor be covered by a range delete of another: `InvalidArgumentError` says where they overlap; `range` takes a part of one. Their seqs say
   * nothing of one another, so that the union is read as of its beginning or later. Otherwise as `clone`.
   */
  static async union(
    target: Location,
    sources: readonly UnionSource[],
    options?: UnionOptions,
  ): Promise<CloneResult> {
    const [location, given] = [asOfNow(target), asOfNow(options)];
    const from = Array.isArray(sources) ? sources.map(asOfNow) : sources;
    const { union } = await import("./union.js");
    return union(location, from, given);
  }

  private constructor(context: AdminContext) {
    this.#context = context;
  }

  /** A ULID, the same for the life of the database. */
  get databaseId(): string {
    return this.#open().stored.current.databaseId;
  }

  /** In the order in which they were added. Those of users, and what a restore replaced; with `all` every one that the manifest has. */
  async checkpoints(options?: ListCheckpointsOptions): Promise<CheckpointInfo[]> {
    const [context, given] = [this.#open(), asOfNow(options)];
    const { listCheckpoints } = await import("./checkpoints.js");
    return listCheckpoints(context, given);
  }

  /**
   * Pins a state, without copying data and without a writer: everything that was durable before the call. `ExistsError` when a checkpoint of that
   * name is listed, `NotFoundError` when `base` or `source` is not.
   */
  async createCheckpoint(options?: CreateCheckpointOptions): Promise<CheckpointInfo> {
    const [context, given] = [this.#open(), asOfNow(options)];
    const { createCheckpoint } = await import("./checkpoints.js");
    return createCheckpoint(context, given);
  }

  /**
   * Its time begins again, with another ttl where one is given. `NotFoundError` when it is not listed: one that has ended does not come back.
   * `InvalidArgumentError` for one that a clone, a reader or an export holds.
   */
  async refreshCheckpoint(
    idOrName: string,
    options?: RefreshCheckpointOptions,
  ): Promise<CheckpointInfo> {
    const [context, given] = [this.#open(), asOfNow(options)];
    const { refresh } = await import("./checkpoints.js");
    return refresh(context, idOrName, given);
  }

  /**
   * Ends a checkpoint, also one that is retained; false when it is not listed. One that is the base of another lingers, unlisted, until that has
   * ended. Its objects are collected later. `InvalidArgumentError` for one that a clone, a reader or an export holds,
   * without `force`.
   */
  async expireCheckpoint(idOrName: string, options?: ExpireCheckpointOptions): Promise<boolean> {
    const [context, given] = [this.#open(), asOfNow(options)];
    const { expire } = await import("./checkpoints.js");
    return expire(context, idOrName, given);
  }

  /** Policies leave it alone from now on; it can still be expired, and its ttl still counts. False when it is not listed. */
  async retainCheckpoint(idOrName: string, options?: ChangeCheckpointOptions): Promise<boolean> {
    const [context, given] = [this.#open(), asOfNow(options)];
    const { retain } = await import("./checkpoints.js");
    return retain(context, idOrName, true, given);
  }

  /** Takes `retainCheckpoint` back. False when it is not listed. */
  async releaseCheckpoint(idOrName: string, options?: ChangeCheckpointOptions): Promise<boolean> {
    const [context, given] = [this.#open(), asOfNow(options)];
    const { retain } = await import("./checkpoints.js");
    return retain(context, idOrName, false, given);
  }

  /** What each checkpoint keeps: all of it, what nothing else keeps, and what its base has not. */
  async checkpointSizes(options?: CheckpointSizesOptions): Promise<CheckpointSizes[]> {
    const [context, given] = [this.#open(), asOfNow(options)];
    const { checkpointSizes } = await import("./checkpoint-sizes.js");
    return checkpointSizes(context, given);
  }

  /**
   * Makes a checkpoint the newest state, and keeps the state that it replaces, with all that was acknowledged, as a checkpoint: restoring that one
   * undoes it. A writer, and a compactor, that are open are fenced. Cut off at any moment it is either done or not, and may be called again.
   * `NotFoundError` for a checkpoint that is not listed, `ExistsError` for a name that is taken.
   */
  async restore(idOrName: string, options?: RestoreOptions): Promise<RestoreResult> {
    const [context, given] = [this.#open(), asOfNow(options)];
    const { restore } = await import("./restore.js");
    return restore(context, idOrName, given);
  }

  /**
   * Ends the database and deletes its objects, and those alone; what is left says that it was destroyed. Writers and compactors that are open are
   * fenced. `InvalidArgumentError` unless `confirm` is its id or its path, and while clones share its objects. Cut off, another call goes on.
   */
  async destroy(options: DestroyOptions): Promise<DestroyResult> {
    const [context, given] = [this.#open(), asOfNow(options)];
    const { destroy } = await import("./destroy.js");
    return destroy(context, given);
  }

  /**
   * A database at another path of the same store that begins as this one is, or as a checkpoint of it, and shares its objects: no SST is copied.
   * From then on each goes its own way. With `range` the clone has only those keys; SSTs across its bounds, and rows that are only in the log, are
   * written anew. `ExistsError` where there is a database or what another clone has left, `NotFoundError` for a checkpoint that is not listed, `InvalidArgumentError` for a target in
   * another store, or at a path that holds something else.
   */
  async clone(target: Location, options?: CloneOptions): Promise<CloneResult> {
    const [context, location, given] = [this.#open(), asOfNow(target), asOfNow(options)];
    const { clone } = await import("./clone.js");
    return clone(context, location, given);
  }

  /**
   * An independent copy of a checkpoint (id or name; undefined: of what is durable now) at another path, in another bucket or another store: it
   * opens with this database gone. At most one exporter works at a target. What fails leaves nothing behind; what died is taken over after ten
   * minutes, and goes on with what was copied. `ExistsError` for a target that holds anything, but for an earlier export with `incremental`.
   */
  async export(
    checkpoint: string | undefined,
    target: Location,
    options?: ExportOptions,
  ): Promise<ExportInfo> {
    const [context, location, given] = [this.#open(), asOfNow(target), asOfNow(options)];
    const { exportTo } = await import("./export.js");
    return exportTo(context, checkpoint, location, given);
  }

  /**
   * Whether everything is there that the newest manifest and its checkpoints name, of the right size; `deep`: and whether every byte is as it was
   * written. Damage is in the report, each with the object's name; nothing is changed, and a writer may go on beside.
   */
  async verify(options?: VerifyOptions): Promise<VerifyReport> {
    const [context, given] = [this.#open(), asOfNow(options)];
    const { verify } = await import("./verify.js");
    return verify(context, given);
  }

  /**
   * Copies what this database shares with those that it was cloned from, and lets go of them: then they may be deleted. A writer may go on beside.
   * Cut off at any moment it goes on with the next call. Nothing to do where nothing is shared.
   */
  async detach(options?: DetachOptions): Promise<DetachResult> {
    const [context, given] = [this.#open(), asOfNow(options)];
    const { detach } = await import("./detach.js");
    return detach(context, given);
  }

  /** Closing twice is harmless. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#context.place.close();
    this.#context.walPlace?.open?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #open(): AdminContext {
    if (this.#isClosed) throw new ClosedError("This handle is closed. Open a new one.");
    return this.#context;
  }
}
