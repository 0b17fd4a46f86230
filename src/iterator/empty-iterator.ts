/** An iterator over no rows. */
import { RowRef } from "../common/row.js";
import { type KeyedRows, Step } from "./row-iterator.js";

export function emptyIterator(): KeyedRows {
  return {
    row: new RowRef(),
    step: () => Step.end,
    fill: async () => {},
    seek: () => {},
    place: () => undefined,
    close: () => {},
  };
}
