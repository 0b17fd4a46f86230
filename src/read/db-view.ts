/** `DbView`: what the database consists of at one moment. Reads take one and are functions of it. */
import type { Manifest } from "../format/manifest.js";
import type { RowSource } from "../iterator/row-source.js";

export interface DbView {
  /** Rows that are in no SST of the manifest, newest first: the active MemTable, then the frozen ones. */
  readonly tables: readonly RowSource[];
  readonly manifest: Manifest;
}
