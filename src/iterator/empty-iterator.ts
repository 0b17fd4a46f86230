/** An iterator over no rows. */
import { RowRef } from "../common/row.js";
import { type RowIterator, Step } from "./row-iterator.js";

export function emptyIterator(): RowIterator {
  return {
    row: new RowRef(),
    step: () => Step.end,
    fill: async () => {},
    seek: () => {},
    close: () => {},
  };
}
