/** `appendPartitions`: writes the partitions of index and filter of an SST, and makes the top index that finds them. */
import type { Bytes } from "../common/bytes.js";
import type { BlockAppender } from "./block-appender.js";
import { noFilter } from "./filter-builder.js";
import { IndexBlockBuilder } from "./index-block-builder.js";

export interface BuiltPartition {
  readonly separator: Bytes;
  readonly index: Bytes;
  readonly filter: Uint8Array;
  readonly blockCount: number;
  readonly rowCount: number;
}

/** Returns the payload of the top index: its columns are in sst.ts. */
export function appendPartitions(
  blocks: BlockAppender,
  partitions: readonly BuiltPartition[],
  withFilters: boolean,
): Bytes {
  const top = new IndexBlockBuilder();
  for (const { separator, index, filter, blockCount, rowCount } of partitions) {
    const indexOffset = blocks.offset;
    blocks.appendBlock(index);
    const filterOffset = blocks.offset;
    blocks.appendBlock(withFilters ? filter : noFilter());
    const indexLength = filterOffset - indexOffset;
    const filterLength = blocks.offset - filterOffset;
    top.add(separator, [
      indexOffset,
      indexLength,
      filterOffset,
      filterLength,
      blockCount,
      rowCount,
    ]);
  }
  return top.finish();
}
