/** `Admin`: what an administrator does with a database, with or without a writer beside: checkpoints, restore, clones, exports, checks, its end. */
import { ClosedError } from "../common/errors.js";
import { asOfNow } from "../common/options.js";
import type { Location } from "../db/location.js";
import type { AdminOptions } from "./admin-options.js";
import type { AdminContext } from "./context.js";
import type { DestroyOptions, DestroyResult } from "./destroy.js";
import { openContext } from "./open-context.js";
import type { RestoreOptions, RestoreResult } from "./restore.js";

export class Admin {
  readonly #context: AdminContext;
  #isClosed = false;

  /** Reads the newest manifest, and writes nothing. `NotFoundError` when there is no database. */
  static async open(location: Location, options?: AdminOptions): Promise<Admin> {
    return new Admin(await openContext(asOfNow(location), asOfNow(options)));
  }

  private constructor(context: AdminContext) {
    this.#context = context;
  }

  /** A ULID, the same for the life of the database. */
  get databaseId(): string {
    return this.#open().stored.current.databaseId;
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
