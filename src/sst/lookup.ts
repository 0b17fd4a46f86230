/** What a lookup that may not wait says. `pending`: something has to be fetched, so ask the one that waits. */
export const Lookup = { miss: 0, hit: 1, pending: 2 } as const;
export type Lookup = (typeof Lookup)[keyof typeof Lookup];
