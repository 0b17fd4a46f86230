/** An administrator in a points duel: one operation after the other on databases of the duel. Killed in one of them, somebody calls it again. */
import { Admin } from "../../src/admin/admin.js";
import { isMoraineError } from "../../src/common/errors.js";
import { randomBelow } from "../../src/common/random.js";
import type { ObjectStore } from "../../src/object-store/object-store.js";
import { prefixed } from "../../src/object-store/prefixed.js";
import { type Line, type Moment, Point, type PointsOracle } from "./points-oracle.js";
import type { SimulatedProcess } from "./simulated-process.js";

export type OperationKind =
  | "checkpoint"
  | "expire"
  | "retain"
  | "clone"
  | "union"
  | "detach"
  | "export"
  | "restore"
  | "verify"
  | "destroy";

export interface Operation {
  readonly kind: OperationKind;
  readonly from: string;
  /** Of a clone, a union, or an export. */
  readonly target?: string | undefined;
}

/** How often each is chosen. */
const weights: readonly (readonly [OperationKind, number])[] = [
  ...([
    ["checkpoint", 7],
    ["expire", 2],
    ["retain", 1],
    ["clone", 5],
    ["union", 2],
  ] as const),
  ...([
    ["detach", 2],
    ["export", 3],
    ["restore", 3],
    ["verify", 1],
    ["destroy", 1],
  ] as const),
];

export const clonePlaces: readonly string[] = ["c1", "c2", "c3"];
export const exportPlaces: readonly string[] = ["elsewhere/x1", "elsewhere/x2"];

/** When two administrators meet, or what is asked for has gone meanwhile. */
const expectedKinds: ReadonlySet<string> = new Set([
  ...["fenced", "unknown", "unavailable", "not-found", "exists", "invalid"],
]);

export type OperationCounts = Record<OperationKind, number>;

export function noOperations(): OperationCounts {
  return Object.fromEntries(weights.map(([kind]) => [kind, 0])) as OperationCounts;
}

/** Another store: what is there cannot be copied by the service. */
export function elsewhere(store: ObjectStore): ObjectStore {
  return { ...prefixed(store, "elsewhere"), id: "elsewhere" };
}

/** The location of a database at one of the paths of a duel. */
export function locationOf(
  { store }: SimulatedProcess,
  place: string,
): { store: ObjectStore; path: string } {
  return place.startsWith("elsewhere/")
    ? { store: elsewhere(store), path: place.slice("elsewhere/".length) }
    : { store, path: place };
}

export class PointsAdmin {
  readonly process: SimulatedProcess;
  readonly #oracle: PointsOracle;
  readonly #counts: OperationCounts;
  readonly #note: (text: string) => void;
  /** Clones and exports that anybody has begun. */
  readonly #begun: Operation[];
  /** What is under way. */
  current: Operation | undefined;

  constructor(
    process: SimulatedProcess,
    oracle: PointsOracle,
    counts: OperationCounts,
    begun: Operation[],
    note: (text: string) => void,
  ) {
    this.#begun = begun;
    this.process = process;
    this.#oracle = oracle;
    this.#counts = counts;
    this.#note = note;
  }

  /** Begins with what another one left. */
  async live(first?: Operation): Promise<void> {
    const { clock } = this.process;
    let next = first;
    for (let i = 0; i < 7; i++) {
      await clock.sleep(this.#below(200));
      next ??= this.#choose();
      if (next !== undefined) await this.attempt(next);
      next = undefined;
    }
  }

  async attempt(operation: Operation): Promise<boolean> {
    const { kind, from, target } = operation;
    const about = `${this.process.name}: ${kind} of ${from}${target ? ` to ${target}` : ""}`;
    this.current = operation;
    if (target !== undefined) this.#begun.push(operation);
    this.#note(`${about} begins`);
    try {
      await this.run(operation);
      this.#counts[kind]++;
      this.#note(`${about} is done`);
      return true;
    } catch (error) {
      if (!isMoraineError(error) || !expectedKinds.has(error.kind)) throw error;
      this.#note(`${about}: ${error.kind}: ${error.message}`);
      return false;
    } finally {
      this.current = undefined;
    }
  }

  async run(operation: Operation): Promise<void> {
    const line = this.#oracle.line(operation.from);
    if (line === undefined) return;
    const { clock, random } = this.process;
    const moment = this.#oracle.moment(line);
    const location = locationOf(this.process, operation.from);
    await using admin = await Admin.open(location, { clock, random });
    switch (operation.kind) {
      case "checkpoint":
        return await this.#checkpoint(admin, line);
      case "expire": {
        const id = await this.#listed(admin, 0);
        if (id !== undefined) await admin.expireCheckpoint(id);
        return;
      }
      case "retain": {
        const id = await this.#listed(admin, 0);
        if (id === undefined) return;
        if (this.#below(2) === 0) await admin.retainCheckpoint(id);
        else await admin.releaseCheckpoint(id);
        return;
      }
      case "restore": {
        const id = await this.#listed(admin, 0);
        if (id === undefined) return;
        const name = `replaced ${this.process.name} ${this.#oracle.tick()}`;
        this.#oracle.restores.set(name, line.point(id));
        const { checkpoint } = await admin.restore(id, { name });
        if (!line.points.has(checkpoint.id)) throw new Error(`Nobody has seen ${name}.`);
        return;
      }
      case "clone":
      case "union":
        return await this.#clone(admin, moment, operation);
      case "detach":
        await admin.detach();
        return;
      case "export":
        return await this.#export(admin, moment, operation.target!);
      case "verify": {
        const { problems } = await admin.verify({ deep: this.#below(2) === 0 });
        requireNoProblems(operation.from, problems);
        return;
      }
      case "destroy":
        await admin.destroy({ confirm: admin.databaseId });
    }
  }

  async #checkpoint(admin: Admin, line: Line): Promise<void> {
    const source = this.#below(6) === 0 ? await this.#listed(admin, 0) : undefined;
    const base = this.#below(3) === 0 ? await this.#listed(admin, 0) : undefined;
    const moment = this.#oracle.moment(line);
    const scope = ([undefined, undefined, "durable", "l0"] as const)[this.#below(4)];
    const info = await admin.createCheckpoint({
      ...{ base, source, scope: source === undefined ? scope : undefined },
      name: this.#below(3) === 0 ? `named ${this.#below(3)}` : undefined,
      ttlMs: this.#below(3) === 0 ? 600_000 : undefined,
      retained: this.#below(4) === 0,
      retention: this.#below(4) === 0 ? { keepNewest: 1 + this.#below(4) } : undefined,
    });
    const point = line.point(info.id);
    if (source !== undefined) point.require(line.point(source).required);
    else if (scope !== "l0" && this.#oracle.holds(moment)) point.require(moment.required);
  }

  /** What is now, or a checkpoint; a union of two ranges of one database is all of it. */
  async #clone(admin: Admin, moment: Moment, { kind, from, target }: Operation): Promise<void> {
    const { name, clock, random } = this.process;
    const id = await this.#listed(admin, kind === "union" ? 0 : 3);
    if (kind === "union" && id === undefined) return;
    // A request of an earlier attempt may still be on its way: it must be known whose the clone is.
    const key = `${name} ${target}`;
    if (this.#oracle.begins.has(key)) return;
    this.#oracle.begins.set(key, beginning(id, moment, `what ${target} began with`));
    const to = locationOf(this.process, target!);
    if (kind === "clone") await admin.clone(to, { checkpoint: id });
    else {
      const location = locationOf(this.process, from);
      const at = ([`shared/2`, `w/01/0002`, `both/1`] as const)[this.#below(3)]!;
      await Admin.union(
        to,
        [
          { location, checkpoint: id, range: { lt: at } },
          { location, checkpoint: id, range: { gte: at } },
        ],
        { clock, random },
      );
    }
  }

  async #export(admin: Admin, moment: Moment, target: string): Promise<void> {
    const id = await this.#listed(admin, 3);
    const key = `${this.process.name} ${target}`;
    if (this.#oracle.begins.has(key)) return;
    this.#oracle.begins.set(key, beginning(id, moment, `what was exported to ${target}`));
    const incremental = this.#oracle.lines.has(target);
    const to = locationOf(this.process, target);
    await admin.export(id, to, { incremental, copiesInFlight: 1 + this.#below(3) });
  }

  /** One of those that are listed; in one of `none` cases, or when there is none, undefined. */
  async #listed(admin: Admin, none: number): Promise<string | undefined> {
    const listed = await admin.checkpoints();
    if (listed.length === 0 || (none > 0 && this.#below(none) === 0)) return undefined;
    return listed[this.#below(listed.length)]!.id;
  }

  #choose(): Operation | undefined {
    let left = this.#below(weights.reduce((sum, [, weight]) => sum + weight, 0));
    const [kind] = weights.find(([, weight]) => {
      left -= weight;
      return left < 0;
    })!;
    const places = this.#oracle.places().filter((place) => !exportPlaces.includes(place));
    const clones = places.filter((place) => clonePlaces.includes(place));
    const pick = (from: readonly string[]): string | undefined => from[this.#below(from.length)];
    const isOfClones = kind === "detach" || kind === "destroy";
    const from = pick(isOfClones ? clones : places);
    if (from === undefined) return undefined;
    if (kind === "export") return { kind, from, target: pick(exportPlaces) };
    if (kind !== "clone" && kind !== "union") return { kind, from };
    const free = clonePlaces.filter((place) => !this.#oracle.lines.has(place));
    const target = pick(free);
    return target === undefined ? undefined : { kind, from, target };
  }

  #below(limit: number): number {
    return limit === 0 ? 0 : randomBelow(this.process.random, limit);
  }
}

/** A process that died between its manifest and the hint has left none: that costs requests, and is no damage. */
export function requireNoProblems(
  place: string,
  problems: readonly { readonly object: string; readonly kind: string }[],
): void {
  const found = problems.filter(
    ({ object, kind }) => !(object === "manifest/latest" && kind === "missing"),
  );
  if (found.length > 0) {
    throw new Error(`${place} is not well: ${JSON.stringify(found.slice(0, 4))}`);
  }
}

function beginning(id: string | undefined, moment: Moment, name: string) {
  if (id !== undefined) return { point: moment.line.point(id), moment: undefined };
  return { point: new Point(name, moment.required), moment };
}
