/**
 * `DuelOracle`: what several writers of one database did, and what the database may hold.
 *
 * Each write has a marker, a key of its own that is never deleted. The history is that of the epochs in their order, and
 * of each a prefix of its writes; so what is found names for each epoch how many of its writes survived, and must then be
 * equal to what these writes leave. What one observer has seen binds all later ones.
 *
 * A load becomes a write when it takes its seqs; before that its marker is a key that nobody has written.
 */
import type { Db } from "../../src/db/db.js";
import type { Survivor } from "./feed-ledger.js";
import {
  applyChanges,
  type Change,
  type Content,
  difference,
  equalContent,
  indexAfter,
} from "./history.js";
import type { LoadTick } from "./load-ticks.js";

export interface DuelWrite {
  readonly marker: string;
  readonly changes: readonly Change[];
  /** When it was called, or when a load took its seqs, as a number of the duel's own clock. */
  readonly calledAt: number;
  /** It was acknowledged as durable. */
  durable: boolean;
  /** Its promise was rejected. */
  refused: boolean;
  /** How many seqs it takes. */
  readonly seqCount: number;
  /** What its promise said. */
  seq?: number | undefined;
}

/** A checkpoint that its maker was told of. */
export interface DuelCheckpoint {
  readonly id: string;
  readonly name: string | undefined;
  readonly epoch: number;
  readonly seq: number;
  readonly manifestNumber: number;
  /** How many writes of its epoch had been accepted when it was called. */
  readonly accepted: number;
}

export interface LoadUnderWay {
  readonly changes: readonly Change[];
  /** What its writer does in the tick in which it takes its seqs. */
  readonly after?: (() => void) | undefined;
}

export class DuelHandle {
  readonly name: string;
  readonly epoch: number;
  /** In the order of their seqs. */
  readonly writes: DuelWrite[] = [];
  /** By marker. */
  readonly loads: Map<string, LoadUnderWay> = new Map();
  /** The last seq before its own. */
  readonly #seqBefore: number;
  #markerCount = 0;
  /** When a newer handle had opened. */
  supersededAt: number = Number.POSITIVE_INFINITY;

  constructor(name: string, epoch: number, seqBefore: number) {
    this.name = name;
    this.epoch = epoch;
    this.#seqBefore = seqBefore;
  }

  nextMarker(): string {
    return `w/${String(this.epoch).padStart(4, "0")}/${String(this.#markerCount++).padStart(4, "0")}`;
  }

  /** The last seq of a write that has been given its own. */
  seqOf(index: number): number {
    let seq = this.#seqBefore;
    for (const { seqCount } of this.writes.slice(0, index + 1)) seq += seqCount;
    return seq;
  }

  /** A load has taken its seqs: it comes before all that waits for one. Seqs are given without gaps. */
  loadTicked({ lastKey, seq, runs }: LoadTick, now: number): void {
    const load = this.loads.get(lastKey);
    if (load === undefined) throw new Error(`Load ${lastKey} takes a seq after its end.`);
    this.loads.delete(lastKey);
    const index = indexAfter(this.writes, seq - runs - this.#seqBefore);
    const { changes } = load;
    const times = { calledAt: now, durable: false, refused: false };
    this.writes.splice(index, 0, { marker: lastKey, changes, seqCount: runs, seq, ...times });
    load.after?.();
  }
}

/** For each epoch, how many of its writes are there. */
type Prefixes = Map<number, number>;

const markerName = /^w\/(\d+)\/\d+$/;

export class DuelOracle {
  readonly handles: Map<number, DuelHandle> = new Map();
  /** What went wrong outside of a script. */
  violation: Error | undefined;
  /** A number that rises with everything that happens. */
  #now = 0;
  /** Logs that have ended: their prefixes never change again. */
  readonly #ended: Prefixes = new Map();
  /** What some observer has seen of a log that may still grow. */
  readonly #atLeast: Prefixes = new Map();
  readonly checkpoints: DuelCheckpoint[] = [];
  /** What has been found in a checkpoint, by id. */
  readonly #checkpointed = new Map<string, Content>();

  tick(): number {
    return ++this.#now;
  }

  loadTicked(tick: LoadTick): void {
    const epoch = Number(markerName.exec(tick.lastKey)?.[1]);
    try {
      this.handles.get(epoch)!.loadTicked(tick, this.tick());
    } catch (error) {
      this.violation ??= error as Error;
    }
  }

  /** A writer has opened and found `content`: everything before its epoch is history. */
  opened(name: string, db: Db, content: Content): DuelHandle {
    const { epoch, seq } = db.stats();
    if (this.handles.has(epoch)) throw new Error(`Two writers have epoch ${epoch}.`);
    const handle = new DuelHandle(name, epoch, seq);
    const prefixes = this.observe(name, content, epoch);
    for (const older of this.handles.values()) {
      if (older.epoch > epoch) continue;
      older.supersededAt = Math.min(older.supersededAt, this.tick());
      this.#ended.set(older.epoch, prefixes.get(older.epoch) ?? 0);
    }
    for (const newer of this.handles.values()) {
      if (newer.epoch > epoch) handle.supersededAt = 0;
    }
    this.handles.set(epoch, handle);
    return handle;
  }

  /** Checks what somebody sees, and remembers it. Gives the prefixes. */
  observe(who: string, content: Content, epoch = 0): Prefixes {
    const prefixes = this.prefixesOf(content);
    const newest = Math.max(epoch, ...prefixes.keys());
    for (const [seen, count] of prefixes) {
      const ended = this.#ended.get(seen);
      if (ended !== undefined && count > ended) {
        throw new Error(
          `${who} sees ${count} writes of epoch ${seen}, which ended after ${ended}.`,
        );
      }
      this.#atLeast.set(seen, Math.max(count, this.#atLeast.get(seen) ?? 0));
    }
    for (const [older, ended] of this.#ended) {
      const count = prefixes.get(older) ?? 0;
      if (older < newest && count !== ended) {
        throw new Error(
          `${who} sees epoch ${newest}, but ${count} of ${ended} writes of ${older}.`,
        );
      }
    }
    const expected = this.fold(prefixes);
    if (!equalContent(expected, content)) {
      throw new Error(`${who} sees a torn state: ${difference(expected, content)}`);
    }
    return prefixes;
  }

  /** A change feed has given the last of so many writes of an epoch: that binds all who look later. */
  changeGiven(who: string, epoch: number, count: number): void {
    const ended = this.#ended.get(epoch);
    if (ended !== undefined && count > ended) {
      throw new Error(`${who} gives write ${count} of epoch ${epoch}, which ended after ${ended}.`);
    }
    this.#atLeast.set(epoch, Math.max(count, this.#atLeast.get(epoch) ?? 0));
  }

  /** The whole database after all is over: nothing acknowledged or seen is missing. */
  checkFinal(who: string, content: Content): void {
    const prefixes = this.observe(who, content);
    for (const [epoch, count] of this.#atLeast) this.#requireAtLeast(who, prefixes, epoch, count);
    this.requireMarkers(who, content, this.durableMarkers());
  }

  /** What is durable for ever, by seq, of the markers that were found at the end, with the seqs that they have. */
  survivors(seqs: ReadonlyMap<string, number>, hasLog: (epoch: number) => boolean): Survivor[] {
    const survivors: Survivor[] = [];
    for (const { epoch, writes } of this.handles.values()) {
      for (const { marker, seqCount } of writes) {
        const last = seqs.get(marker);
        if (last === undefined) continue;
        for (let seq = last - seqCount + 1; seq <= last; seq++) {
          survivors.push({ seq, marker, logged: hasLog(epoch) });
        }
      }
    }
    return survivors.sort((a, b) => a.seq - b.seq);
  }

  /** A checkpoint holds what had been accepted before it, is a state that was, and never changes. */
  observeCheckpoint(who: string, id: string, content: Content): void {
    const about = `${who}, in checkpoint ${id},`;
    const seen = this.#checkpointed.get(id);
    if (seen !== undefined && !equalContent(seen, content)) {
      throw new Error(`${about} finds it changed: ${difference(seen, content)}`);
    }
    this.#checkpointed.set(id, content);
    const checkpoint = this.checkpoints.find((candidate) => candidate.id === id);
    const prefixes = this.observe(about, content, checkpoint?.epoch);
    if (checkpoint === undefined) return;
    const { epoch, accepted } = checkpoint;
    this.#requireAtLeast(about, prefixes, epoch, accepted);
    if (Math.max(0, ...prefixes.keys()) > epoch) {
      throw new Error(`${about} finds writes of later epochs than ${epoch}.`);
    }
  }

  /** The newest seq that was told of as durable. */
  durableSeq(): number {
    let last = 0;
    for (const { writes } of this.handles.values()) {
      for (const { durable, seq } of writes) if (durable) last = Math.max(last, seq ?? 0);
    }
    return last;
  }

  /** Every handle gave its seqs in the order of the calls. */
  checkSeqs(): void {
    for (const { name, writes } of this.handles.values()) {
      let last = 0;
      for (const { seq } of writes) {
        if (seq === undefined) continue;
        if (seq <= last) throw new Error(`${name} gave seq ${seq} after ${last}.`);
        last = seq;
      }
    }
  }

  /** The markers of what has been acknowledged so far. */
  durableMarkers(): string[] {
    const markers: string[] = [];
    for (const { writes } of this.handles.values()) {
      for (const { durable, marker } of writes) if (durable) markers.push(marker);
    }
    return markers;
  }

  requireMarkers(who: string, content: Content, markers: readonly string[]): void {
    const missing = markers.filter((marker) => !content.has(marker));
    if (missing.length > 0) {
      throw new Error(`${who} lacks ${missing.join(", ")}, which had been acknowledged.`);
    }
  }

  /** How many writes there are in all; what a reader sees never becomes less. */
  size(prefixes: Prefixes): number {
    return [...prefixes.values()].reduce((sum, count) => sum + count, 0);
  }

  fold(prefixes: Prefixes): Content {
    const content: Content = new Map();
    for (const epoch of [...prefixes.keys()].sort((a, b) => a - b)) {
      const { writes } = this.handles.get(epoch)!;
      for (const write of writes.slice(0, prefixes.get(epoch)))
        applyChanges(content, write.changes);
    }
    return content;
  }

  prefixesOf(content: Content): Prefixes {
    const markers = new Map<number, Set<string>>();
    for (const key of content.keys()) {
      const match = markerName.exec(key);
      if (match === null) continue;
      const epoch = Number(match[1]);
      const found = markers.get(epoch);
      if (found === undefined) markers.set(epoch, new Set([key]));
      else found.add(key);
    }
    const prefixes: Prefixes = new Map();
    for (const [epoch, found] of markers) {
      const writes = this.handles.get(epoch)?.writes ?? [];
      const written = new Set(writes.map(({ marker }) => marker));
      const unknown = [...found].find((marker) => !written.has(marker));
      if (unknown !== undefined) throw new Error(`Nobody has written ${unknown}.`);
      const absent = writes.slice(0, found.size).find(({ marker }) => !found.has(marker));
      if (absent !== undefined) {
        const last = [...found].sort().at(-1);
        throw new Error(`Write ${last} is there, and one before it is not: ${absent.marker}.`);
      }
      prefixes.set(epoch, found.size);
    }
    return prefixes;
  }

  /** Every key that somebody may have written. */
  keys(): string[] {
    const keys = new Set<string>();
    for (const { writes } of this.handles.values()) {
      for (const { changes } of writes) for (const { key } of changes) keys.add(key);
    }
    return [...keys];
  }

  #requireAtLeast(who: string, prefixes: Prefixes, epoch: number, count: number): void {
    const found = prefixes.get(epoch) ?? 0;
    if (found < count) {
      throw new Error(`${who} sees ${found} writes of epoch ${epoch}, and must see ${count}.`);
    }
  }
}
