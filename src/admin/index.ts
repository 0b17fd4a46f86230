/** The public names of `moraine/admin`. Nothing here loads a cloud SDK. */
export { Admin } from "./admin.js";
export type { AdminOptions } from "./admin-options.js";
export type { CheckpointSizes, CheckpointSizesOptions } from "./checkpoint-sizes.js";
export type {
  ChangeCheckpointOptions,
  CreateCheckpointOptions,
  ExpireCheckpointOptions,
  ListCheckpointsOptions,
  RefreshCheckpointOptions,
} from "./checkpoints.js";
export type { CloneOptions } from "./clone.js";
export type { CloneResult } from "./clone-attempt.js";
export type { CopyMode, CopyProgress } from "./copy-objects.js";
export type { DestroyOptions, DestroyResult } from "./destroy.js";
export type { DestroyProgress } from "./destroy-objects.js";
export type { DetachOptions, DetachResult } from "./detach.js";
export type { ExportInfo, ExportOptions } from "./export-options.js";
export type { RestoreOptions, RestoreProgress, RestoreResult } from "./restore.js";
export type { UnionOptions, UnionSource } from "./union.js";
export type { VerifyFound, VerifyOptions, VerifyReport } from "./verify.js";
export type { VerifyProblem, VerifyProblemKind, VerifyProgress } from "./verify-findings.js";
