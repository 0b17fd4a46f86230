/** The public names of `moraine/admin`. Nothing here loads a cloud SDK. */
export { Admin } from "./admin.js";
export type { AdminOptions } from "./admin-options.js";
export type { DestroyOptions, DestroyProgress, DestroyResult } from "./destroy.js";
export type { RestoreOptions, RestoreProgress, RestoreResult } from "./restore.js";
