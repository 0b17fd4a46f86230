/** What `admin.export` takes and gives. */
import { describeType } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import {
  checkOptions,
  requireBoolean,
  requireFunction,
  requireInteger,
  requireOneOf,
  requireSignal,
} from "../common/options.js";
import type { CopyMode, CopyProgress } from "./copy-objects.js";

export interface ExportOptions {
  /** Adds to what an earlier export of the same database has left at the target: only what is new is copied, and its state stays there as a checkpoint. Default false. */
  incremental?: boolean | undefined;
  /**
   * Who copies SSTs: "server" (it fails where both are not one service), "stream" (this process reads and writes them, and checks every block), or
   * "auto", the default: the server where it can. Lists of runs and WAL objects always come through this process.
   */
  copyMode?: CopyMode | undefined;
  /** Objects that are copied at once, 1 to 256. Default 16. Of streamed ones some 16 MiB of each are in memory. */
  copiesInFlight?: number | undefined;
  /** Who exports: another exporter that is refused meanwhile is told. At most 256 characters. Default: none. The command gives the host and the process. */
  name?: string | undefined;
  /** Called after each object, and after each part of one that is streamed. */
  onProgress?: ((progress: CopyProgress) => void) | undefined;
  /** What was copied is removed again, and it rejects with `signal.reason`. */
  signal?: AbortSignal | undefined;
}

export interface ExportInfo {
  /** SSTs of the exported state. */
  readonly sstFiles: number;
  /** Always 0: values are not separated yet. */
  readonly blobFiles: number;
  /** Of these objects, as they lie in the target. */
  readonly totalBytes: number;
  /** The number of the manifest in the target. */
  readonly version: number;
  /** Everything up to this seq is in it. */
  readonly seq: number;
  /** Objects that were copied now, lists of runs and WAL objects among them; the others were there. */
  readonly copiedFiles: number;
  readonly copiedBytes: number;
}

export const defaultCopiesInFlight = 16;
const copiesInFlightMax = 256;

export function checkExportOptions(checkpoint: unknown, options: ExportOptions): void {
  if (checkpoint !== undefined && (typeof checkpoint !== "string" || checkpoint === "")) {
    const found = checkpoint === "" ? "empty" : describeType(checkpoint);
    throw new InvalidArgumentError(
      `"checkpoint" must be the id or the name of a checkpoint, or undefined; it is ${found}.`,
    );
  }
  const names = ["incremental", "copyMode", "copiesInFlight", "name", "onProgress", "signal"];
  checkOptions(options, names, "export");
  requireBoolean(options.incremental, "incremental");
  requireOneOf(options.copyMode, "copyMode", ["auto", "server", "stream"]);
  requireInteger(options.copiesInFlight, "copiesInFlight", 1, copiesInFlightMax);
  if (
    options.name !== undefined &&
    (typeof options.name !== "string" || options.name.length > 256)
  ) {
    throw new InvalidArgumentError('"name" must be a string of at most 256 characters.');
  }
  requireFunction(options.onProgress, "onProgress");
  requireSignal(options.signal);
}
