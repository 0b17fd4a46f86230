/** `CacheQueue`: entries of a cache in the order in which they came, and what they occupy together. */

/** An entry is used up to so many times before the queue comes to it: more say nothing more, and would keep it for longer. */
const usesMax = 3;

export class CacheEntry {
  readonly bytes: number;
  /** Since it came, or since its queue last spared it. */
  uses = 0;
  queue: CacheQueue<CacheEntry> | undefined;
  next: CacheEntry | undefined;
  previous: CacheEntry | undefined;

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  /** All that a hit costs: nothing moves. */
  use(): void {
    if (this.uses < usesMax) this.uses++;
  }
}

export class CacheQueue<E extends CacheEntry> {
  bytes = 0;
  count = 0;
  #first: CacheEntry | undefined;
  #last: CacheEntry | undefined;

  /** The entry that came first. */
  get first(): E | undefined {
    return this.#first as E | undefined;
  }

  append(entry: E): void {
    entry.queue = this as unknown as CacheQueue<CacheEntry>;
    entry.previous = this.#last;
    entry.next = undefined;
    if (this.#last === undefined) this.#first = entry;
    else this.#last.next = entry;
    this.#last = entry;
    this.bytes += entry.bytes;
    this.count++;
  }

  remove(entry: E): void {
    if (entry.previous === undefined) this.#first = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === undefined) this.#last = entry.previous;
    else entry.next.previous = entry.previous;
    entry.queue = entry.next = entry.previous = undefined;
    this.bytes -= entry.bytes;
    this.count--;
  }

  /** The first entry without a use, taken out; those that were used go to the end, for one use less. */
  takeUnused(): E | undefined {
    for (;;) {
      const entry = this.first;
      if (entry === undefined) return undefined;
      this.remove(entry);
      if (entry.uses === 0) return entry;
      entry.uses--;
      this.append(entry);
    }
  }
}
