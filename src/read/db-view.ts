/** `DbView`: what the database consists of at one moment. Reads take one and are functions of it. */
import type { L0Entry, Manifest } from "../format/manifest.js";
import type { RowSource } from "../iterator/row-source.js";

export interface DbView {
  /** Rows that are in no SST that the view names, newest first: the active MemTable, then the frozen ones. */
  readonly tables: readonly RowSource[];
  /**
   * Bulk loads that the manifest does not name yet, oldest first. They are newer than all that it names, and each is wholly
   * newer or wholly older than any of the tables.
   */
  readonly loads: readonly L0Entry[];
  readonly manifest: Manifest;
}
