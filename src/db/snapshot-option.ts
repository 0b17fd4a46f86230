/** What the option `{ snapshot }` of reads takes: a `Snapshot`. Apart from the class, which is itself made of reads. */

/** A `Snapshot` of the handle that is asked. */
export interface SnapshotOption {
  readonly seq: number;
  /** For the engine. */
  viewFor(owner: object): unknown;
}
