/** A consumer of changes in a duel: it follows feed after feed, on handles of whoever is there, and goes on where it was, or before. */
import { isMoraineError, TruncatedError } from "../../src/common/errors.js";
import { randomBelow } from "../../src/common/random.js";
import type { ChangeFeed } from "../../src/db/change-feed.js";
import type { ChangesOptions } from "../../src/db/change-feeds.js";
import { Db } from "../../src/db/db.js";
import type { DbReader } from "../../src/db/db-reader.js";
import type { DuelOracle } from "./duel-oracle.js";
import type { FeedLedger, Followed } from "./feed-ledger.js";
import type { SimulatedProcess } from "./simulated-process.js";

/** More than a feed needs in peace. */
const drainMs = 60_000;

/** How a feed ended. */
type Ending = "left" | "ended" | "truncated" | "away" | "unsupported";

export class DuelFeeder {
  readonly #oracle: DuelOracle;
  readonly #ledger: FeedLedger;
  /** The seq of the last change that it was given, wherever. */
  #last = 0;

  constructor(oracle: DuelOracle, ledger: FeedLedger) {
    this.#oracle = oracle;
    this.#ledger = ledger;
  }

  /** Never rejects: what is wrong is put down in the oracle. Ends with the handle, if not before. */
  async follow(process: SimulatedProcess, handle: Db | DbReader): Promise<void> {
    const { random, clock } = process;
    const below = (limit: number): number => randomBelow(random, limit);
    try {
      for (let round = 0; round < 5; round++) {
        await clock.sleep(below(100));
        const from = this.#choose(below, handle);
        const count = below(3) === 0 ? Number.POSITIVE_INFINITY : 1 + below(8);
        const ending = await this.#read(process, handle, from, (given) => given < count);
        if (ending === "ended" || ending === "unsupported") return;
      }
    } catch (error) {
      this.#oracle.violation ??= error as Error;
    }
  }

  /** Reads until it is where `seq` is, in peace: only what no log holds may cut it off. */
  async drain(
    process: SimulatedProcess,
    handle: Db | DbReader,
    from: number,
    seq: number,
  ): Promise<void> {
    const abort = new AbortController();
    const timer = process.clock.after(drainMs, () =>
      abort.abort(new Error(`The feed of ${process.name} at ${this.#last} never comes to ${seq}.`)),
    );
    const goesOn = (): boolean => this.#last < seq;
    this.#last = from;
    while (this.#last < seq) {
      const ending = await this.#read(process, handle, this.#last, goesOn, abort.signal);
      if (ending === "unsupported") break;
      if (ending !== "left" && ending !== "truncated") {
        throw new Error(`In peace the feed of ${process.name} is ${ending}.`);
      }
    }
    timer.cancel();
  }

  #choose(below: (limit: number) => number, handle: Db | DbReader): number | undefined {
    const positions = this.#ledger.positions();
    switch (below(6)) {
      case 0:
        return undefined;
      case 1:
        return 0;
      case 2:
        return positions.length === 0 ? 0 : positions[below(positions.length)];
      case 3:
        return below(handle.seq + 1);
      default:
        return this.#last;
    }
  }

  async #read(
    process: SimulatedProcess,
    handle: Db | DbReader,
    from: number | undefined,
    goesOn: (given: number) => boolean,
    signal?: AbortSignal,
  ): Promise<Ending> {
    const { name, clock, random } = process;
    let feed: ChangeFeed | undefined;
    let followed: Followed | undefined;
    try {
      feed = this.#open(name, handle, { from, signal });
      followed = this.#ledger.begin(name, handle, feed.seq);
      this.#last = feed.seq;
      let given = 0;
      for await (const change of feed) {
        await this.#ledger.given(followed, change);
        if (randomBelow(random, 6) === 0) await this.#ledger.seen(followed, change);
        if (feed.seq !== change.seq) throw new Error(`A feed at ${change.seq} says ${feed.seq}.`);
        this.#last = change.seq;
        if (!goesOn(++given)) break;
        // It falls behind, and reads from the store what it has missed.
        if (randomBelow(random, 8) === 0) await clock.sleep(randomBelow(random, 80));
      }
      return "left";
    } catch (error) {
      return await this.#ended(name, handle, followed, error);
    }
  }

  #open(who: string, handle: Db | DbReader, options: ChangesOptions): ChangeFeed {
    const { from = 0 } = options;
    if (!(handle instanceof Db) || from <= handle.seq) return handle.changes(options);
    // It has been superseded, and a feed of its successor has given the position.
    this.#ledger.unknownPosition(who, from, handle.stats().epoch);
    return handle.changes({ ...options, from: handle.seq });
  }

  async #ended(
    who: string,
    handle: Db | DbReader,
    followed: Followed | undefined,
    error: unknown,
  ): Promise<Ending> {
    const { counts } = this.#ledger;
    if (error instanceof TruncatedError && followed !== undefined) {
      const { oldestSeq } = error;
      const at = followed.seqs.at(-1) ?? followed.from;
      if (oldestSeq <= at) {
        throw new Error(`A feed of ${who} at ${at} is told to go on from ${oldestSeq}.`);
      }
      followed.oldestSeq = oldestSeq;
      this.#last = oldestSeq;
      counts.truncated++;
      return "truncated";
    }
    if (!isMoraineError(error)) throw error;
    const { kind } = error;
    if (kind === "unavailable" || kind === "unknown") return "away";
    if (kind === "unsupported") {
      this.#ledger.refused(who, handle);
      return "unsupported";
    }
    if ((kind !== "fenced" && kind !== "closed") || isOpen(handle)) throw error;
    const end = await handle.closed;
    // Who closes it may find out meanwhile that it was fenced.
    if (kind === "fenced" && end?.kind !== "fenced") {
      throw new Error(`A feed of ${who} was told "${kind}", and its handle ended "${end?.kind}".`);
    }
    counts.ended++;
    return "ended";
  }
}

function isOpen(handle: Db | DbReader): boolean {
  try {
    handle.snapshot().close();
    return true;
  } catch {
    return false;
  }
}
