/**
 * What answers reads. Handles get it with what they open, so that it is loaded while the store answers. A plain object: a bundler makes
 * getters of a namespace, and each get would call one.
 */
import { fetchRow, tryGetRow } from "./get.js";
import { getMany } from "./get-many.js";
import { fetchMerged, tryGetMerged } from "./get-merged.js";
import { scanRows } from "./scan.js";
import { Scan } from "./scan-cursor.js";
import { warmTables } from "./warm.js";

export interface ReadEngine {
  readonly fetchRow: typeof fetchRow;
  readonly tryGetRow: typeof tryGetRow;
  readonly getMany: typeof getMany;
  readonly fetchMerged: typeof fetchMerged;
  readonly tryGetMerged: typeof tryGetMerged;
  readonly scanRows: typeof scanRows;
  readonly Scan: typeof Scan;
  readonly warmTables: typeof warmTables;
}

export const engine: ReadEngine = {
  fetchRow,
  tryGetRow,
  getMany,
  fetchMerged,
  tryGetMerged,
  scanRows,
  Scan,
  warmTables,
};
