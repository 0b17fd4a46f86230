/** What a change feed runs on. Loaded by the first read of the first feed: most handles have none. */
export { storedChanges } from "../format/wal-changes.js";
export { WalCursor } from "../wal/wal-cursor.js";
export { toChange } from "./change.js";
