/** What the model test sets of the engine that no option does, and the bug that it plants to see that it would be found. */

export interface SstShape {
  /** SSTs up to this size are read whole. 0: all are read by range, which these small ones never are by default. */
  readonly smallSstBytes: number | undefined;
  /** Larger indexes and filters are read part by part. */
  readonly tailBytesMax: number | undefined;
  readonly indexPartitionBytes: number | undefined;
  /** A scan steps over so many hidden rows, before it seeks. */
  readonly hiddenRowsMax: number | undefined;
}

export const seams: {
  shape: SstShape | undefined;
  /** All SSTs of a database have one set of cached blocks, by offset. */
  blocksAreShared: boolean;
} = { shape: undefined, blocksAreShared: false };
