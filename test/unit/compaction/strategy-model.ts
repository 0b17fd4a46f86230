/**
 * A database as strategies see it: SSTs with key ranges and sizes, and, beneath, the rows they stand for, so that each pick is carried out and what comes of
 * it checked. Time goes by flushes; a job takes as many as its bytes say. After every commit runs must be disjoint, versions of a key must get older from
 * L0 to the last run, and every read must be right.
 */
import { expect } from "vitest";
import { type Bytes, compareBytes } from "../../../src/common/bytes.js";
import type { KeyBounds } from "../../../src/common/key-range.js";
import { isBottomOf } from "../../../src/compaction/bottom.js";
import { slotOf, slotsMeet } from "../../../src/compaction/key-slot.js";
import { pickAll } from "../../../src/compaction/pick-all.js";
import type { CompactionPick, CompactionStrategy } from "../../../src/compaction/strategy.js";
import type { CompactionInputs } from "../../../src/format/compactions.js";
import type { L0Entry, Manifest, SortedRun, SstInfo } from "../../../src/format/manifest.js";
import { claimed, ulid } from "../manifest/manifests.js";

export interface ModelRow {
  readonly key: number;
  readonly seq: number;
  readonly isDelete: boolean;
  /** 0: never. */
  readonly expiresAt: number;
}

export interface Operation {
  readonly key: number;
  readonly isDelete?: boolean;
  readonly expiresAt?: number;
}

export interface ModelOptions {
  readonly strategy: CompactionStrategy;
  /** All rows have so many, deletes a tenth of it. */
  readonly rowBytes: number;
  readonly sstBytesMax?: number;
  /** How many times faster jobs read than flushes come. */
  readonly speed?: number;
  readonly jobsMax?: number;
  readonly l0HardMax?: number;
  /** ms between flushes, and the id that stands for a time. */
  readonly flushMs?: number;
}

interface Job {
  readonly pick: CompactionPick;
  readonly isBottom: boolean;
  readonly expiredAt: number;
  readonly doneAt: number;
}

export const keyOf = (key: number): Bytes =>
  Uint8Array.of(key >>> 24, (key >>> 16) & 255, (key >>> 8) & 255, key & 255);

export class StrategyModel {
  l0: readonly L0Entry[] = [];
  runs: readonly SortedRun[] = [];
  /** ms */
  now = 1_000_000;
  userBytes = 0;
  flushedBytes = 0;
  compactedBytes = 0;
  movedBytes = 0;
  jobs = 0;
  /** Flushes that had to wait because L0 was full. */
  stalls = 0;
  runsMost = 0;
  strategy: CompactionStrategy;
  readonly #options: Required<ModelOptions>;
  readonly #rows = new Map<string, readonly ModelRow[]>();
  /** What reads see. */
  readonly #expected = new Map<number, ModelRow>();
  #running: Job[] = [];
  #seq = 0;
  #ticks = 0;
  #flushes = 0;
  #ids = 0;

  constructor(options: ModelOptions) {
    this.strategy = options.strategy;
    this.#options = {
      ...{ sstBytesMax: 64 * 1024 * 1024, speed: 4, jobsMax: 2, l0HardMax: 16, flushMs: 1000 },
      ...options,
    };
  }

  get manifest(): Manifest {
    const { l0, runs } = this;
    return { ...claimed, l0, runs, lastSeq: this.#seq, lastL0Seq: this.#seq };
  }

  /** One MemTable: the last operation on a key counts. */
  flush(operations: Iterable<Operation>): void {
    const table = new Map<number, ModelRow>();
    for (const { key, isDelete = false, expiresAt = 0 } of operations) {
      const row = { key, seq: ++this.#seq, isDelete, expiresAt };
      this.userBytes += this.#bytesOf(row);
      table.set(key, row);
    }
    const rows = [...table.values()].sort((a, b) => a.key - b.key);
    for (const row of rows) this.#expected.set(row.key, row);
    const ssts = this.#cut(rows);
    this.#flushes++;
    this.flushedBytes += sizeOf(ssts);
    this.l0 = [...this.l0, { ssts, seq: 0 }];
    this.#pass();
    while (this.l0.length >= this.#options.l0HardMax && this.#running.length > 0) {
      this.stalls++;
      this.#pass();
    }
  }

  /** What was asked for, once nothing else runs. */
  compact(bounds?: KeyBounds): void {
    while (this.#running.length > 0) this.#pass();
    const pick = pickAll(this.manifest, [], bounds);
    if (pick === undefined) return;
    const isBottom = isBottomOf(this.manifest, pick.inputs);
    this.#commit({ pick, isBottom, expiredAt: this.now, doneAt: this.#ticks });
  }

  /** Until nothing is left to do. */
  settle(): void {
    for (let i = 0; i < 1000; i++) {
      this.#plan();
      if (this.#running.length === 0) return;
      this.#pass();
    }
    expect.unreachable("compaction comes to an end");
  }

  get namedBytes(): number {
    return sizeOf(this.l0.flatMap(({ ssts }) => ssts)) + sizeOf(this.runs);
  }

  /** Of what a full compaction would leave. */
  get liveBytes(): number {
    let bytes = 0;
    for (const row of this.#expected.values()) if (this.#isSeen(row)) bytes += this.#bytesOf(row);
    return bytes;
  }

  get writeAmplification(): number {
    return (this.userBytes + this.flushedBytes + this.compactedBytes) / this.userBytes;
  }

  /** L0 entries and runs with an SST whose keys span `key`. */
  sourcesOf(key: number): number {
    const at = keyOf(key);
    const holds = (ssts: readonly SstInfo[]): boolean =>
      ssts.some((sst) => compareBytes(sst.firstKey, at) <= 0 && compareBytes(at, sst.lastKey) <= 0);
    return [...this.l0, ...this.runs].filter(({ ssts }) => holds(ssts)).length;
  }

  /** Versions of each key get older from source to source, and reads see what they should. `dropped`: rows that may be missing. */
  check(mayBeGone: (row: ModelRow) => boolean = () => false): void {
    const newest = new Map<number, ModelRow>();
    const oldestSeq = new Map<number, number>();
    for (const { ssts } of [...[...this.l0].reverse(), ...this.runs]) {
      let before: SstInfo | undefined;
      for (const sst of ssts) {
        if (before !== undefined && compareBytes(before.lastKey, sst.firstKey) >= 0) {
          expect.unreachable("SSTs of a run do not overlap");
        }
        before = sst;
        for (const row of this.#rowsOf(sst)) {
          const last = oldestSeq.get(row.key);
          if (last !== undefined && last <= row.seq) {
            expect.unreachable(`version ${row.seq} of key ${row.key} lies beneath ${last}`);
          }
          oldestSeq.set(row.key, row.seq);
          if (last === undefined) newest.set(row.key, row);
        }
      }
    }
    for (const [key, wanted] of this.#expected) {
      const found = newest.get(key);
      const isFound = found !== undefined && this.#isSeen(found);
      if (isFound !== this.#isSeen(wanted) && !(mayBeGone(wanted) && found === undefined)) {
        expect.unreachable(`key ${key} is ${isFound ? "" : "not "}found`);
      }
      if (isFound && found.seq !== wanted.seq) expect.unreachable(`key ${key} is an old version`);
    }
  }

  #isSeen({ isDelete, expiresAt }: ModelRow): boolean {
    return !isDelete && (expiresAt === 0 || expiresAt > this.now);
  }

  #pass(): void {
    this.#ticks++;
    this.now += this.#options.flushMs;
    const done = this.#running.filter(({ doneAt }) => doneAt <= this.#ticks);
    this.#running = this.#running.filter(({ doneAt }) => doneAt > this.#ticks);
    for (const job of done) this.#commit(job);
    this.#plan();
    this.runsMost = Math.max(this.runsMost, this.runs.length);
  }

  #plan(): void {
    const { strategy } = this;
    const { jobsMax, speed } = this.#options;
    const running = this.#running.map(({ pick }) => pick.inputs);
    const picks = strategy.pick(this.manifest, running, this.now);
    expect(strategy.pick(this.manifest, running, this.now)).toEqual(picks);
    for (const pick of picks) {
      this.#checkPick(pick.inputs);
      const bytes = pick.drops ? 0 : sizeOf(this.#sourcesOf(pick.inputs).flat());
      const flush = this.flushedBytes / this.#flushes;
      const isBottom = isBottomOf(this.manifest, pick.inputs);
      const doneAt = this.#ticks + Math.max(1, Math.ceil(bytes / (speed * flush)));
      if (this.#running.length < jobsMax) {
        this.#running.push({ pick, isBottom, expiredAt: this.now, doneAt });
        this.jobs++;
      }
    }
  }

  /** What design and docs promise of a pick. */
  #checkPick({ l0, runs }: CompactionInputs): void {
    expect(l0.length + runs.length).toBeGreaterThan(0);
    expect(this.l0.slice(0, l0.length).map(({ ssts }) => ssts[0]!.id)).toEqual(l0);
    const places = runs.map(({ id }) => this.runs.findIndex((run) => run.id === id));
    expect(places).not.toContain(-1);
    for (let i = 1; i < places.length; i++) expect(places[i]).toBe(places[i - 1]! + 1);
    if (l0.length > 0 && runs.length > 0) expect(places[0]).toBe(0);
    for (const { pick } of this.#running) {
      expect(l0.length === 0 || pick.inputs.l0.length === 0).toBe(true);
      for (const { id } of pick.inputs.runs) expect(runs.map((run) => run.id)).not.toContain(id);
    }
    for (const { id, ssts } of runs) {
      const ids = this.runs.find((run) => run.id === id)!.ssts.map((sst) => sst.id);
      expect(ids).toEqual(expect.arrayContaining([...ssts]));
    }
  }

  /** Newest first. */
  #sourcesOf({ l0, runs }: CompactionInputs): readonly (readonly SstInfo[])[] {
    const entries = this.l0.filter(({ ssts }) => l0.includes(ssts[0]!.id)).map(({ ssts }) => ssts);
    return [
      ...entries.reverse(),
      ...runs.map(({ id, ssts }) =>
        this.runs
          .find((run) => run.id === id)!
          .ssts.filter((sst) => ssts.length === 0 || ssts.includes(sst.id)),
      ),
    ];
  }

  #commit({ pick, isBottom, expiredAt }: Job): void {
    const { inputs, level } = pick;
    const sources = this.#sourcesOf(inputs);
    const outputs = pick.drops ? [] : this.#merge(sources, isBottom, expiredAt);
    const taken = new Set(sources.flat());
    this.l0 = this.l0.slice(inputs.l0.length);
    const ids = inputs.runs.map(({ id }) => id);
    const places = ids.map((id) => this.runs.findIndex((run) => run.id === id));
    const from = places[0] ?? 0;
    const count = (places.at(-1) ?? -1) + 1 - from;
    const rest = this.runs.slice(from, from + count).map((run) =>
      this.#runOf(
        run.ssts.filter((sst) => !taken.has(sst)),
        run.level,
      ),
    );
    // As the coordinator does: with what stays of that level, or with the run beneath where that is its level.
    const beneath = this.runs[from + count];
    const isApart = ({ ssts }: SortedRun): boolean =>
      !ssts.some((sst) => outputs.some((output) => slotsMeet(slotOf(sst), slotOf(output))));
    const isFree = ({ id }: SortedRun): boolean =>
      this.#running.every((job) => job.pick.inputs.runs.every((run) => run.id !== id));
    let target = level === 0 ? undefined : rest.find((run) => run.level === level && isApart(run));
    const joins =
      target === undefined &&
      level > 0 &&
      beneath?.level === level &&
      isApart(beneath) &&
      isFree(beneath);
    if (joins) target = beneath;
    const inOrder = [...(target?.ssts ?? []), ...outputs].sort((x, y) =>
      compareBytes(x.firstKey, y.firstKey),
    );
    const made = this.#runOf(inOrder, level);
    const stay = rest.filter((run) => run !== target && run.ssts.length > 0);
    const next = [...this.runs];
    next.splice(from, count + (joins ? 1 : 0), ...stay, ...(inOrder.length > 0 ? [made] : []));
    this.runs = next;
  }

  #merge(
    sources: readonly (readonly SstInfo[])[],
    isBottom: boolean,
    expiredAt: number,
  ): readonly SstInfo[] {
    const all = sources.flat();
    const isAlone = (sst: SstInfo): boolean =>
      all.every(
        (other) =>
          other === sst ||
          compareBytes(other.lastKey, sst.firstKey) < 0 ||
          compareBytes(sst.lastKey, other.firstKey) < 0,
      );
    const moves = all.filter(
      (sst) =>
        2 * sst.size >= this.#options.sstBytesMax &&
        (!isBottom || sst.deleteCount === 0) &&
        sst.expiringCount === 0 &&
        isAlone(sst),
    );
    this.movedBytes += sizeOf(moves);
    const merged: ModelRow[] = all
      .filter((sst) => !moves.includes(sst))
      .flatMap((sst) => this.#rowsOf(sst));
    merged.sort((a, b) => a.key - b.key || b.seq - a.seq);
    const kept: ModelRow[] = [];
    let last = -1;
    for (const row of merged) {
      if (row.key === last) continue;
      last = row.key;
      const isExpired = row.expiresAt !== 0 && row.expiresAt <= expiredAt;
      if (!row.isDelete && !isExpired) kept.push(row);
      else if (!isBottom) kept.push({ ...row, isDelete: true, expiresAt: 0 });
    }
    const edges = moves.map((sst) => this.#rowsOf(sst)[0]!.key).sort((a, b) => a - b);
    const made: SstInfo[] = [];
    for (let i = 0; i <= edges.length; i++) {
      const [from, to] = [edges[i - 1] ?? -1, edges[i] ?? Number.POSITIVE_INFINITY];
      made.push(...this.#cut(kept.filter(({ key }) => from < key && key < to)));
    }
    this.compactedBytes += sizeOf(made);
    return [...made, ...moves].sort((a, b) => compareBytes(a.firstKey, b.firstKey));
  }

  #bytesOf({ isDelete }: ModelRow): number {
    const { rowBytes } = this.#options;
    return isDelete ? rowBytes / 10 : rowBytes;
  }

  #cut(rows: readonly ModelRow[]): readonly SstInfo[] {
    const ssts: SstInfo[] = [];
    let from = 0;
    let bytes = 0;
    for (let i = 0; i < rows.length; i++) {
      bytes += this.#bytesOf(rows[i]!);
      if (bytes < this.#options.sstBytesMax && i + 1 < rows.length) continue;
      ssts.push(this.#sstOf(rows.slice(from, i + 1), bytes));
      from = i + 1;
      bytes = 0;
    }
    return ssts;
  }

  #sstOf(rows: readonly ModelRow[], size: number): SstInfo {
    const id = this.#nextId();
    this.#rows.set(id, rows);
    const seqs = rows.map(({ seq }) => seq);
    const expiries = rows.map(({ expiresAt, isDelete }) =>
      expiresAt === 0 && !isDelete ? Number.POSITIVE_INFINITY : expiresAt,
    );
    const maxExpiresAt = expiries.reduce((max, each) => Math.max(max, each), 0);
    return {
      ...{ id, size: Math.round(size), metaOffset: 1, topOffset: 2 },
      ...{ firstKey: keyOf(rows[0]!.key), lastKey: keyOf(rows.at(-1)!.key) },
      minSeq: seqs.reduce((min, seq) => Math.min(min, seq)),
      maxSeq: seqs.reduce((max, seq) => Math.max(max, seq)),
      rowCount: rows.length,
      deleteCount: rows.filter(({ isDelete }) => isDelete).length,
      maxExpiresAt: Number.isFinite(maxExpiresAt) ? maxExpiresAt : 0,
      ...{ rangeDeletesOffset: 0, rangeDeletes: [], seq: 0, shadowedCount: 0 },
      expiringCount: rows.filter(({ expiresAt }) => expiresAt !== 0).length,
      owner: "",
    };
  }

  #runOf(ssts: readonly SstInfo[], level: number): SortedRun {
    return {
      ...{ id: this.#nextId(), ssts, listBytes: 0, indexOffset: 0, owner: "", rangeDeletes: [] },
      firstKey: ssts[0]?.firstKey ?? new Uint8Array(0),
      lastKey: ssts.at(-1)?.lastKey ?? new Uint8Array(0),
      ...{ sstCount: ssts.length, rowCount: ssts.reduce((sum, sst) => sum + sst.rowCount, 0) },
      ...{ size: sizeOf(ssts), level },
    };
  }

  /** Whose time is about now. */
  #nextId(): string {
    const time = Math.floor(this.now);
    return timeId(time, this.#ids++);
  }

  #rowsOf(sst: SstInfo): readonly ModelRow[] {
    return this.#rows.get(sst.id)!;
  }
}

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** A ULID of that time. */
export function timeId(time: number, count: number): string {
  let head = "";
  for (let value = time, i = 0; i < 10; i++, value = Math.floor(value / 32)) {
    head = alphabet[value % 32]! + head;
  }
  return head + ulid(count).slice(10);
}

const sizeOf = (all: readonly { readonly size: number }[]): number =>
  all.reduce((sum, { size }) => sum + size, 0);
