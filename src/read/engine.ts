/** What answers reads. Handles get it with what they open, so that it is loaded while the store answers. */
export { fetchRow, tryGetRow } from "./get.js";
export { getMany } from "./get-many.js";
export { fetchMerged, tryGetMerged } from "./get-merged.js";
export { scanRows } from "./scan.js";
export { Scan } from "./scan-cursor.js";
export { warmTables } from "./warm.js";
