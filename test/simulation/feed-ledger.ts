/**
 * `FeedLedger`: what the change feeds of a duel gave, and whether it was right. At once: seqs ascend, a change is a batch or a part of a
 * load as its writer has called it, at the seq that it must have, and its handle sees it. What is given binds all who look later, as what a
 * reader has seen does. When all is over: between the position of a feed and its last change there is everything that was durable, and no
 * feed was cut off whose next changes were in the log.
 */
import { decodeUtf8 } from "../../src/common/bytes.js";
import type { Change as FeedChange, LoadChange } from "../../src/db/change.js";
import { Db } from "../../src/db/db.js";
import type { DbReader } from "../../src/db/db-reader.js";
import type { DuelHandle, DuelOracle, DuelWrite } from "./duel-oracle.js";
import { applyChanges, type Change, type Content, equalContent, isCovered } from "./history.js";

/** One feed, from where it was opened to where it was left. */
export interface Followed {
  readonly who: string;
  readonly handle: Db | DbReader;
  /** Of the writer whose handle it is. */
  readonly epoch: number | undefined;
  readonly from: number;
  readonly seqs: number[];
  /** The rows of loads so far, by marker. */
  readonly rows: Map<string, Change[]>;
  /** What it was told when it was cut off. */
  oldestSeq?: number;
}

/** What is durable for ever, when all is over. */
export interface Survivor {
  readonly seq: number;
  readonly marker: string;
  /** Some log holds it. */
  readonly logged: boolean;
}

export interface FeedCounts {
  changes: number;
  loadChanges: number;
  rangeDeletes: number;
  truncated: number;
  unsupported: number;
  /** Feeds that ended with their handle. */
  ended: number;
}

export class FeedLedger {
  readonly counts: FeedCounts = {
    changes: 0,
    loadChanges: 0,
    rangeDeletes: 0,
    truncated: 0,
    unsupported: 0,
    ended: 0,
  };
  readonly #oracle: DuelOracle;
  readonly #followed: Followed[] = [];
  /** Writers whose changes could not be followed. */
  readonly #refused: { who: string; epoch: number }[] = [];
  /** The epochs of the changes that were given, by seq: these are positions. */
  readonly #epochs = new Map<number, number>();

  constructor(oracle: DuelOracle) {
    this.#oracle = oracle;
  }

  positions(): number[] {
    return [...this.#epochs.keys()];
  }

  begin(who: string, handle: Db | DbReader, from: number): Followed {
    const epoch = handle instanceof Db ? handle.stats().epoch : undefined;
    const followed: Followed = { who, handle, epoch, from, seqs: [], rows: new Map() };
    this.#followed.push(followed);
    return followed;
  }

  /** There is no feed: the database has no log. */
  refused(who: string, handle: Db | DbReader): void {
    this.counts.unsupported++;
    if (handle instanceof Db) this.#refused.push({ who, epoch: handle.stats().epoch });
  }

  /** A writer of `epoch` does not know a position: it must be one of its successors. */
  unknownPosition(who: string, seq: number, epoch: number): void {
    const given = this.#epochs.get(seq);
    if (given !== undefined && given <= epoch) {
      throw new Error(`${who} goes on below seq ${seq}, which a feed has given before it opened.`);
    }
  }

  /** Throws when the change is wrong; rejects with what its rows reject with. */
  async given(followed: Followed, change: FeedChange): Promise<void> {
    const { who, seqs, handle } = followed;
    const { seq, operations } = change;
    const last = seqs.at(-1) ?? followed.from;
    if (seq <= last) throw new Error(`The feed of ${who} gives seq ${seq} after ${last}.`);
    if (handle instanceof Db && seq > handle.stats().durableSeq) {
      throw new Error(`The feed of ${who} gives ${seq}, which is not durable yet.`);
    }
    if (seq > handle.seq)
      throw new Error(`The feed of ${who} gives ${seq}, which it does not see.`);
    seqs.push(seq);
    const first = operations[0];
    if (first === undefined) throw new Error(`The feed of ${who} gives nothing at seq ${seq}.`);
    this.counts.changes++;
    if (first.type === "load") await this.#load(followed, seq, first);
    else this.#batch(followed, change);
  }

  /** A change that a writer has given, and its handle sees. */
  async seen({ who, handle, epoch }: Followed, { seq, operations }: FeedChange): Promise<void> {
    const [first] = operations;
    if (epoch === undefined || first?.type !== "put") return;
    const entry = await handle.getEntry(first.key);
    if (entry?.seq !== seq) {
      const key = decodeUtf8(first.key);
      throw new Error(`The feed of ${who} gives ${key} at seq ${seq}, and it reads ${entry?.seq}.`);
    }
  }

  #batch({ who }: Followed, { seq, operations }: FeedChange): void {
    const changes = operations.map((operation): Change => {
      if (operation.type === "deleteRange" && operation.lt !== undefined) {
        const [key, until] = [decodeUtf8(operation.gte), decodeUtf8(operation.lt)];
        this.counts.rangeDeletes++;
        return { key, value: undefined, until };
      }
      if (operation.type !== "put" && operation.type !== "delete") {
        throw new Error(`The feed of ${who} gives a ${operation.type} at seq ${seq}.`);
      }
      const value = operation.type === "put" ? decodeUtf8(operation.value) : undefined;
      return { key: decodeUtf8(operation.key), value };
    });
    const { write, lastSeq } = this.#writeOf(who, changes[0]!.key);
    if (lastSeq !== seq) {
      throw new Error(`The feed of ${who} gives ${write.marker} at seq ${seq}, not ${lastSeq}.`);
    }
    if (JSON.stringify(asWritten(write.changes)) !== JSON.stringify(changes.map(toEntry))) {
      throw new Error(`The feed of ${who} gives another batch than ${write.marker}.`);
    }
  }

  async #load(followed: Followed, seq: number, load: LoadChange): Promise<void> {
    const { who } = followed;
    const rows: Change[] = [];
    for await (const { key, value } of load.rows()) {
      rows.push({ key: decodeUtf8(key), value: decodeUtf8(value) });
    }
    const name = rows[0]?.value?.slice(0, "0000/0000".length);
    const { write, lastSeq } = this.#writeOf(who, `w/${name}`);
    const firstSeq = lastSeq - write.seqCount + 1;
    const wrong = (what: string): Error =>
      new Error(`The feed of ${who} gives ${what} at seq ${seq}, of ${write.marker}.`);
    if (seq < firstSeq || seq > lastSeq) throw wrong(`a part of ${firstSeq}-${lastSeq}`);
    const [first, last] = [decodeUtf8(load.firstKey), decodeUtf8(load.lastKey)];
    if (rows[0]!.key !== first || rows.at(-1)!.key !== last || rows.length !== load.rowCount) {
      throw wrong("other rows than it says");
    }
    this.counts.loadChanges++;
    const parts = followed.rows.get(write.marker) ?? [];
    followed.rows.set(write.marker, parts);
    parts.push(...rows);
    // From the middle of a load on there is not all of it.
    if (seq < lastSeq || followed.from >= firstSeq) return;
    if (!equalContent(folded(parts), folded(write.changes))) throw wrong("other rows than loaded");
  }

  /** The write with this marker, which is now known to be durable, and the last of its seqs. */
  #writeOf(who: string, marker: string): { write: DuelWrite; lastSeq: number } {
    const handle = this.#handleOf(marker);
    const index = handle?.writes.findIndex((write) => write.marker === marker) ?? -1;
    const write = handle?.writes[index];
    if (handle === undefined || write === undefined) {
      throw new Error(`The feed of ${who} gives ${marker}, which nobody has written.`);
    }
    this.#oracle.changeGiven(`The feed of ${who}`, handle.epoch, index + 1);
    const lastSeq = handle.seqOf(index);
    for (let seq = lastSeq - write.seqCount + 1; seq <= lastSeq; seq++) {
      this.#epochs.set(seq, handle.epoch);
    }
    return { write, lastSeq };
  }

  #handleOf(marker: string): DuelHandle | undefined {
    return this.#oracle.handles.get(Number(marker.split("/")[1]));
  }

  /** All is over. `isGone`: a collector has deleted the WAL object with this seq. What comes later is checked later. */
  check(
    survivors: readonly Survivor[],
    log: { hasLog(epoch: number): boolean; isGone(seq: number): boolean },
  ): void {
    for (const { who, epoch } of this.#refused.splice(0)) {
      if (log.hasLog(epoch)) throw new Error(`The feed of ${who} is refused, which has a log.`);
    }
    for (const { who, epoch, from, seqs, oldestSeq } of this.#followed.splice(0)) {
      if (epoch !== undefined && !log.hasLog(epoch)) {
        throw new Error(`${who} has no log, and its changes can be followed.`);
      }
      const last = seqs.at(-1) ?? from;
      const expected = survivors.filter(({ seq }) => seq > from && seq <= last);
      const missing = expected.find(({ seq }) => !seqs.includes(seq));
      if (missing !== undefined) {
        throw new Error(
          `The feed of ${who} from ${from} has passed over ${missing.marker}, seq ${missing.seq}.`,
        );
      }
      const lost = seqs.find((seq) => !expected.some((survivor) => survivor.seq === seq));
      if (lost !== undefined) {
        throw new Error(`The feed of ${who} has given seq ${lost}, which was lost.`);
      }
      if (oldestSeq !== undefined)
        this.#checkCut(who, last, oldestSeq, survivors, (seq) => log.isGone(seq));
    }
  }

  /**
   * The next change is in no log, or has been deleted from it, or everything in between was lost, which cannot always be told from that
   * (decision 0021, cost).
   */
  #checkCut(
    who: string,
    after: number,
    oldestSeq: number,
    survivors: readonly Survivor[],
    isGone: (seq: number) => boolean,
  ): void {
    const between = survivors.filter(({ seq }) => seq > after && seq <= oldestSeq);
    const [next] = between;
    if (next === undefined || !next.logged || between.some(({ seq }) => isGone(seq))) return;
    throw new Error(
      `The feed of ${who} is cut off at seq ${after} and told of ${oldestSeq}, and the log holds ${next.marker}, seq ${next.seq}.`,
    );
  }
}

type Entry = [key: string, value: string | undefined, until: string | undefined];

const toEntry = ({ key, value, until }: Change): Entry => [key, value, until];

/** Of several changes of one key the last counts, in the place of the first, and none that a later range delete of the batch covers. */
function asWritten(changes: readonly Change[]): Entry[] {
  const left = changes.filter(
    ({ key, until }, i) =>
      until !== undefined || !changes.slice(i + 1).some((later) => isCovered(key, later)),
  );
  return [...new Map(left.map((change) => [`${change.key} ${change.until}`, toEntry(change)]))].map(
    ([, entry]) => entry,
  );
}

function folded(changes: readonly Change[]): Content {
  const content: Content = new Map();
  applyChanges(content, changes);
  return content;
}
