/** Which blocks to fetch together: pure decisions about neighbouring blocks of one SST. docs/decisions/0015 has the reasons. */

export interface BlockRange {
  /** Numbers of blocks; both are part of it. */
  readonly first: number;
  readonly last: number;
}

/** What a decision has to know about the blocks of an SST. */
export interface BlockMap {
  /** Where a block begins in the object. */
  blockOffset(number: number): number;
  /** Bytes of a block. */
  blockBytes(number: number): number;
  /** True when the place of the block is known; false before the first block and after the last. */
  knowsBlock(number: number): boolean;
  /** True when the block needs no request. */
  hasBlock(number: number): boolean;
  /** True when the block is being fetched. */
  isFetching(number: number): boolean;
}

/**
 * Wanted blocks with fewer bytes between them share a request. Those bytes arrive in less than half a millisecond, and a request
 * costs as much CPU, and a price of its own.
 */
export const gapBytesMax: number = 32 * 1024;
/** What one request of merged blocks may ask for: larger answers are better fetched side by side. */
export const mergedBytesMax: number = 2 * 1024 * 1024;

/**
 * The requests that fetch the `wanted` blocks, ascending and not being fetched: each block with its aligned window of
 * `windowBytes`, as far as blocks there are missing, and what is near each other together. 0: no windows. No block that is
 * being fetched is part of it.
 */
export function planRanges(
  wanted: readonly number[],
  blocks: BlockMap,
  windowBytes: number,
): BlockRange[] {
  const ranges: BlockRange[] = [];
  for (const number of wanted) {
    const before = ranges[ranges.length - 1];
    if (before !== undefined && number <= before.last) continue;
    const range = windowAround(number, (before?.last ?? -1) + 1, blocks, windowBytes);
    if (before !== undefined && isNear(before, range, blocks)) {
      ranges[ranges.length - 1] = { first: before.first, last: range.last };
    } else ranges.push(range);
  }
  return ranges;
}

/** The blocks that begin in the same window as `number`, from `lowest` on. Cached ones are passed over where they are few. */
function windowAround(
  number: number,
  lowest: number,
  blocks: BlockMap,
  windowBytes: number,
): BlockRange {
  if (windowBytes <= blocks.blockBytes(number)) return { first: number, last: number };
  const start = Math.floor(blocks.blockOffset(number) / windowBytes) * windowBytes;
  const end = start + windowBytes;
  const reach = (direction: 1 | -1): number => {
    let reached = number;
    let cachedBytes = 0;
    for (let b = number + direction; b >= lowest && blocks.knowsBlock(b); b += direction) {
      const offset = blocks.blockOffset(b);
      if (offset < start || offset >= end || blocks.isFetching(b)) break;
      cachedBytes = blocks.hasBlock(b) ? cachedBytes + blocks.blockBytes(b) : 0;
      if (cachedBytes > gapBytesMax) break;
      if (cachedBytes === 0) reached = b;
    }
    return reached;
  };
  return { first: reach(-1), last: reach(1) };
}

function isNear(before: BlockRange, after: BlockRange, blocks: BlockMap): boolean {
  const endOf = (block: number): number => blocks.blockOffset(block) + blocks.blockBytes(block);
  if (blocks.blockOffset(after.first) - endOf(before.last) > gapBytesMax) return false;
  if (endOf(after.last) - blocks.blockOffset(before.first) > mergedBytesMax) return false;
  for (let b = before.last + 1; b < after.first; b++) {
    if (!blocks.knowsBlock(b) || blocks.isFetching(b)) return false;
  }
  return true;
}
