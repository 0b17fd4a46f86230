/** What the main thread and a compaction thread say to each other of jobs: plain data. */
import type { MessagePort } from "node:worker_threads";
import type { SstInfo } from "../format/manifest.js";
import type { CrossingError } from "./crossing-errors.js";
import type { ProgressChange, TaskHead } from "./crossing-task.js";

/** What a thread is started with. */
export interface ThreadData {
  /** To the `StoreBridge`. */
  readonly storePort: MessagePort;
  readonly storeId: string;
  /** URL of the module of user functions, where there is one. */
  readonly functions: string | undefined;
  /** As in `SliceRunnerOptions`. */
  readonly rangesInFlight: number | undefined;
}

export type ToJobs =
  /** Its SSTs follow, and it begins when all are there. */
  | {
      readonly type: "job";
      readonly id: number;
      readonly head: TaskHead;
      readonly operatorNames: readonly string[];
    }
  | { readonly type: "ssts"; readonly id: number; readonly ssts: readonly SstInfo[] }
  | { readonly type: "abort"; readonly id: number };

export type FromJobs =
  | { readonly type: "ready"; readonly product: typeof threadProduct }
  /** The user functions cannot be had. */
  | { readonly type: "refused"; readonly error: CrossingError }
  | { readonly type: "progress"; readonly id: number; readonly change: ProgressChange }
  | { readonly type: "done"; readonly id: number; readonly change: ProgressChange | undefined }
  | { readonly type: "failed"; readonly id: number; readonly error: CrossingError };

/** So that no other program's file is taken for the thread's. */
export const threadProduct = "moraine compaction thread";
