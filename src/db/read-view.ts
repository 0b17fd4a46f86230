/** `ReadView`: what a read is a function of. */
import type { MissingObjectError } from "../common/errors.js";
import type { GivenOperators } from "../merge/given-operators.js";
import type { DbView } from "../read/db-view.js";
import type { ReadEngine } from "../read/engine.js";
import type { TableStore } from "../sst/table-store.js";

export interface ReadView {
  readonly engine: ReadEngine;
  readonly view: DbView;
  readonly tables: TableStore;
  /** The newest seq that reads see. */
  readonly seq: number;
  /** The newest seq that is durable. */
  readonly durableSeq: number;
  readonly readAheadBytes: number;
  readonly now: () => number;
  /** The merge operators that the handle was opened with. */
  readonly operators: GivenOperators;
  /** Throws when the handle is closed. */
  readonly requireOpen: () => void;
  /** It is the view of a transaction, of which the state is one with what was written to it. */
  readonly isTransaction?: boolean;
  /** What a read goes on with where an object is gone; undefined: it does not. */
  readonly newer: ViewSource | undefined;
  /** True: its reads stay at its seq, whatever is written. */
  readonly isFixed?: boolean;
  /** How many of the tables, the first ones, are those of a transaction. */
  readonly ownTableCount: number;
  /** A read goes on with this view, and whatever is read later had better do so too. */
  readonly moveTo?: ((view: DbView) => void) | undefined;
  /** Keeps what reads at a seq see until the result is called, or forgotten; undefined: somebody does already, or nobody can. */
  readonly keep?: ((seq: number) => () => void) | undefined;
}

/** Where newer views come from. */
export interface ViewSource {
  /**
   * What the handle reads now, when its manifest has a number above `heldNumber` and does not name the object. Otherwise it is as damaged as
   * `error` says.
   */
  after(
    heldNumber: number,
    error: MissingObjectError,
    signal?: AbortSignal | undefined,
  ): Promise<ReadView>;
}
