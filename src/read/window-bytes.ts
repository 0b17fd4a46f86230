/** `windowBytesFor`: how large the windows of a scan are, so that its memory has a bound however many SSTs are read side by side. */

export interface WindowBytes {
  /** Of the first window of each source; undefined: the default of `SstIterator`. */
  readonly readAheadBytes: number | undefined;
  /** What windows grow up to. */
  readonly readAheadBytesMax: number;
}

/** What the windows of one scan hold together, at most: eight sources may have windows of full size. */
const allWindowsBytesMax = 32 * 1024 * 1024;
/** Of one source. Larger ones save hardly any requests. */
const windowBytesMax = 2 * 1024 * 1024;
/** A share is never smaller: each source would need a request every few rows. */
const windowBytesMin = 64 * 1024;

/**
 * Each source holds two windows, the one that is read and the one after it. Whoever asks for larger first windows has those with
 * one source; more sources share them.
 */
export function windowBytesFor(
  sourceCount: number,
  readAheadBytes: number | undefined,
): WindowBytes {
  const asked = readAheadBytes ?? 0;
  const shared = Math.max(allWindowsBytesMax, 2 * asked) / (2 * Math.max(1, sourceCount));
  const share = Math.max(windowBytesMin, Math.floor(shared));
  return {
    readAheadBytes: readAheadBytes && Math.min(readAheadBytes, share),
    readAheadBytesMax: Math.min(Math.max(windowBytesMax, asked), share),
  };
}
