/**
 * `PointsOracle`: what databases that are restored, cloned and exported may hold, and must.
 *
 * Each write has a marker that is never deleted and sorts in the order of writes: by database, epoch and number. So the greatest marker of a state
 * says which handle wrote last and how much of it is there, and the state must be what that handle found when it opened, and then so many of its
 * writes. A handle finds what the last one left, or what a restore or a clone began with.
 */
import type { Manifest } from "../../src/format/manifest.js";
import { applyChanges, type Change, type Content, difference, equalContent } from "./history.js";

/** A state that is kept. Its content is known once somebody has seen it. */
export class Point {
  readonly name: string;
  /** Markers that it must have. */
  readonly required: Set<string> = new Set();
  content: Content | undefined;

  constructor(name: string, required: Iterable<string> = []) {
    this.name = name;
    for (const marker of required) this.required.add(marker);
  }

  /** It is what it always was, and has what it must. */
  see(who: string, content: Content): void {
    if (this.content !== undefined && !equalContent(this.content, content)) {
      throw new Error(`${who} finds ${this.name} changed: ${difference(this.content, content)}`);
    }
    this.content = content;
    requireMarkers(`${who}, in ${this.name},`, content, this.required);
  }

  require(markers: Iterable<string>): void {
    for (const marker of markers) this.required.add(marker);
    if (this.content !== undefined) requireMarkers(this.name, this.content, this.required);
  }
}

export interface PointsWrite {
  readonly marker: string;
  readonly changes: readonly Change[];
  readonly calledAt: number;
}

export interface PointsHandle {
  readonly line: Line;
  readonly epoch: number;
  readonly base: Content;
  readonly writes: PointsWrite[];
  supersededAt: number;
  /** How many of its writes there can be at most. */
  ended: number;
}

/** What a database began with, or went on with after a restore by this epoch. */
interface Root {
  readonly epoch: number;
  readonly point: Point;
  /** What was replaced. */
  readonly replaced: Point | undefined;
}

/** A database at a path. */
export class Line {
  readonly index: number;
  readonly place: string;
  readonly roots: Root[];
  readonly handles: Map<number, PointsHandle> = new Map();
  readonly points: Map<string, Point> = new Map();
  /** Markers that were acknowledged, and must be there. */
  required: Set<string>;
  isDestroyed = false;

  constructor(index: number, place: string, root: Point) {
    this.index = index;
    this.place = place;
    this.roots = [{ epoch: 0, point: root, replaced: undefined }];
    this.required = new Set(root.required);
  }

  /** A checkpoint, of which nothing needs to be known. */
  point(id: string): Point {
    const point = this.points.get(id) ?? new Point(`checkpoint ${id} of ${this.place}`);
    this.points.set(id, point);
    return point;
  }
}

/** What must be in what is made from now on, unless the database is restored meanwhile. */
export interface Moment {
  readonly line: Line;
  readonly roots: number;
  readonly required: ReadonlySet<string>;
}

export class PointsOracle {
  violation: Error | undefined;
  readonly lines: Map<string, Line> = new Map();
  /** What is to be the state after a restore, by the name that it gives to the replaced one. */
  readonly restores: Map<string, Point> = new Map();
  /** What a process begins a database with, by process and path. */
  readonly begins: Map<string, { point: Point; moment: Moment | undefined }> = new Map();
  readonly #handles = new Map<string, PointsHandle>();
  #lineCount = 0;
  #now = 0;

  tick(): number {
    return ++this.#now;
  }

  /** The database at a path, if there is one. */
  line(place: string): Line | undefined {
    const line = this.lines.get(place);
    return line?.isDestroyed ? undefined : line;
  }

  places(): string[] {
    return [...this.lines.keys()].filter((place) => this.line(place) !== undefined);
  }

  moment(line: Line): Moment {
    return { line, roots: line.roots.length, required: new Set(line.required) };
  }

  holds({ line, roots }: Moment): boolean {
    return line.roots.length === roots && !line.isDestroyed;
  }

  /** The newest manifest of a path was stored. */
  stored(place: string, manifest: Manifest, before: Manifest | undefined, process: string): void {
    const line = this.lines.get(place);
    if (manifest.destroyed) {
      if (line !== undefined) line.isDestroyed = true;
      return;
    }
    const begun = this.begins.get(`${process} ${place}`);
    // What was asked for is what was newest, and that has been replaced.
    if (begun?.moment !== undefined && !this.holds(begun.moment)) begun.point.required.clear();
    if (line === undefined || line.isDestroyed) {
      const point = begun?.point ?? new Point("nothing");
      if (begun === undefined) point.content = new Map();
      this.lines.set(place, new Line(++this.#lineCount, place, point));
      return;
    }
    const isExport = manifest.exports.length > (before?.exports.length ?? 0);
    // It may be of an older state than the export before it.
    if (isExport) {
      line.roots.push({ epoch: 0, point: begun!.point, replaced: undefined });
      line.required = new Set(begun!.point.required);
    }
    for (const { id, name } of manifest.checkpoints) {
      const point = this.restores.get(name);
      if (point === undefined || line.points.has(id)) continue;
      const replaced = line.point(id);
      replaced.require(line.required);
      line.roots.push({ epoch: manifest.writerEpoch, point, replaced });
      line.required = new Set(point.required);
    }
  }

  /** A writer has opened, and found this. */
  opened(who: string, line: Line, epoch: number, content: Content): PointsHandle {
    const handle: PointsHandle = {
      ...{ line, epoch, base: content, writes: [] },
      ...{ supersededAt: Number.POSITIVE_INFINITY, ended: Number.POSITIVE_INFINITY },
    };
    if (line.handles.has(epoch))
      throw new Error(`Two writers of ${line.place} have epoch ${epoch}.`);
    const root = this.#continues(who, line, content, epoch);
    for (const other of line.handles.values()) {
      if (other.epoch > epoch) handle.supersededAt = 0;
      else {
        other.supersededAt = Math.min(other.supersededAt, this.tick());
        if (other.epoch > root.epoch) other.ended = Math.min(other.ended, countOf(other, content));
      }
    }
    line.handles.set(epoch, handle);
    this.#handles.set(nameOf(line, epoch), handle);
    return handle;
  }

  /** The newest state, in peace. */
  checkNewest(who: string, line: Line, content: Content): void {
    this.#continues(who, line, content, Number.POSITIVE_INFINITY);
    requireMarkers(who, content, line.required);
  }

  /** Some state of a database: nothing of it is torn, and it has what must be in it. */
  see(who: string, content: Content, moment?: Moment): void {
    this.#wrote(who, content);
    if (moment !== undefined && this.holds(moment)) requireMarkers(who, content, moment.required);
  }

  write(handle: PointsHandle, changes: (marker: string) => readonly Change[]): PointsWrite {
    const { line, epoch, writes } = handle;
    const marker = `${nameOf(line, epoch)}/${String(writes.length).padStart(4, "0")}`;
    const write = { marker, changes: changes(marker), calledAt: this.tick() };
    writes.push(write);
    return write;
  }

  acknowledged(handle: PointsHandle, { marker, calledAt }: PointsWrite): void {
    const { line, epoch, supersededAt } = handle;
    if (calledAt > supersededAt) {
      throw new Error(
        `Epoch ${epoch} of ${line.place} was superseded, and acknowledged ${marker}.`,
      );
    }
    // Stored before the fence, and told of after the restore: it is in what was replaced.
    const restored = line.roots.find((root) => root.epoch > epoch);
    if (restored === undefined) line.required.add(marker);
    else restored.replaced?.require([marker]);
  }

  /** What a writer of this epoch finds, is what the last one left, or what a restore did. */
  #continues(who: string, line: Line, content: Content, epoch: number): Root {
    const wrote = this.#wrote(who, content);
    const root = line.roots.findLast((one) => one.epoch < epoch)!;
    if (wrote?.line !== line || wrote.epoch <= root.epoch) root.point.see(who, content);
    return root;
  }

  /** Who wrote last of what is there; checks that it is what that one left. */
  #wrote(who: string, content: Content): PointsHandle | undefined {
    const last = [...content.keys()]
      .filter((key) => key.startsWith("w/"))
      .sort()
      .at(-1);
    const handle =
      last === undefined ? undefined : this.#handles.get(last.slice(0, "w/00/0000".length));
    if (handle === undefined) {
      if (content.size > 0) throw new Error(`${who}: nobody has written ${last}.`);
      return undefined;
    }
    const count = handle.writes.findIndex(({ marker }) => marker === last) + 1;
    if (count === 0) throw new Error(`${who}: nobody has written ${last}.`);
    if (count > handle.ended) throw new Error(`${who} sees ${last}, and its log had ended before.`);
    const expected: Content = new Map(handle.base);
    for (const { changes } of handle.writes.slice(0, count)) applyChanges(expected, changes);
    if (!equalContent(expected, content)) {
      throw new Error(`${who} sees a torn state after ${last}: ${difference(expected, content)}`);
    }
    return handle;
  }
}

const nameOf = (line: Line, epoch: number): string =>
  `w/${String(line.index).padStart(2, "0")}/${String(epoch).padStart(4, "0")}`;

function countOf({ line, epoch }: PointsHandle, content: Content): number {
  const prefix = `${nameOf(line, epoch)}/`;
  return [...content.keys()].filter((key) => key.startsWith(prefix)).length;
}

function requireMarkers(who: string, content: Content, markers: Iterable<string>): void {
  const missing = [...markers].filter((marker) => !content.has(marker));
  if (missing.length > 0) throw new Error(`${who} lacks ${missing.join(", ")}.`);
}
