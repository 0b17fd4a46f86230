/** `Segment`: rows of a `RowTable` in order. Never changed once it is made. */
export interface Segment {
  /** Key up, then newest first. */
  readonly rows: Uint32Array<ArrayBuffer>;
  /** Six key bytes of each row from `wordOffset`, as a number that orders like them: most comparisons need no more. */
  readonly words: Float64Array<ArrayBuffer>;
  /** How many bytes all keys begin with in common, at most. */
  readonly wordOffset: number;
}
