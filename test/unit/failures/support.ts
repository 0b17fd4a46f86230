/** What the tests of failures share: promises that are watched, and the states that a writer can be in when it ends. */
import { afterEach, beforeEach, expect } from "vitest";
import {
  type Db,
  isMoraineError,
  type MoraineError,
  type OpenOptions,
} from "../../../src/index.js";
import type { FaultyRequest } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { newPlace, openAt, type Place, text, turns } from "../db/support.js";

export const hour = 3_600_000;
/** Nothing is sent unless somebody asks for it. */
/** Nothing compacts either: what is counted are the entries of L0. */
export const quiet: OpenOptions = { flushIntervalMs: hour, background: false };
/** A MemTable of one row takes some 30 KiB: each write fills one. */
export const tiny: OpenOptions = { ...quiet, memTableBytes: 4096 };

/** "pending", "fulfilled", or the kind of the error that it was rejected with. */
export class Watched<T = unknown> {
  outcome = "pending";
  value: T | undefined;
  error: unknown;
  readonly name: string;

  constructor(name: string, promise: Promise<T>) {
    this.name = name;
    promise.then(
      (value) => {
        this.outcome = "fulfilled";
        this.value = value;
      },
      (error: unknown) => {
        this.error = error;
        this.outcome = isMoraineError(error) ? error.kind : `not ours: ${String(error)}`;
      },
    );
  }
}

/** Outcomes by name. */
export function outcomes(watched: readonly Watched[]): Record<string, string> {
  return Object.fromEntries(watched.map(({ name, outcome }) => [name, outcome]));
}

/** A successor: another process at the same store. */
export async function reopened(place: Place, options: OpenOptions = {}): Promise<Db> {
  return openAt(newPlace(place.inner, place.clock), options);
}

export async function keysIn(place: Place, db: Db): Promise<string[]> {
  const keys = await place.clock.advanceUntil(db.keys().nextMany(10_000));
  return keys.map((key) => text(key)!);
}

/** What a successor finds. */
export async function keysAfter(place: Place, options: OpenOptions = {}): Promise<string[]> {
  const db = await reopened(place, options);
  const keys = await keysIn(place, db);
  await place.clock.advanceUntil(db.close());
  return keys;
}

/** Every command of a handle, by name. */
export function commands(db: Db): Watched[] {
  const calls: [string, () => Promise<unknown>][] = [
    ["put", () => db.put("later", "")],
    ["put, not durable", () => db.put("later", "", { durable: false })],
    ["delete", () => db.delete("later")],
    ["write", () => db.write([{ type: "put", key: "later", value: "" }])],
    ["flush", () => db.flush()],
    ["flush to L0", () => db.flush({ to: "l0" })],
    ["checkpoint", () => db.checkpoint()],
    ["get", () => db.get("later")],
    ["scan", async () => db.scan().next()],
  ];
  return calls.map(([name, call]) => new Watched(name, call()));
}

export async function expectCommandsEndWith(db: Db, kind: MoraineError["kind"]): Promise<void> {
  const later = commands(db);
  await turns();
  const expected = Object.fromEntries(later.map(({ name }) => [name, kind]));
  expect(outcomes(later)).toEqual(expected);
}

/** For hours nothing is sent, and no timer keeps the process alive. */
export async function expectSilence(place: Place): Promise<void> {
  await turns();
  place.counting.reset();
  expect(place.clock.pendingTimers).toBe(0);
  await place.clock.advance(5 * hour);
  expect([place.counting.total, place.clock.pendingTimers]).toEqual([0, 0]);
}

/** A writer in the middle of something. */
export interface Scene {
  readonly place: Place;
  readonly db: Db;
  readonly held: HeldRequests;
  /** Keys that were acknowledged. */
  readonly acknowledged: string[];
  /** Keys that got a seq, acknowledged or not. */
  readonly accepted: string[];
  /** Those who wait: "put a", "flush", "checkpoint". */
  readonly waiting: Watched[];
}

export interface State {
  readonly name: string;
  readonly options: OpenOptions;
  /** Which requests are held back from the moment at which `enter` is called. */
  readonly holds: (request: FaultyRequest) => boolean;
  readonly enter: (scene: Scene) => Promise<void>;
}

export async function put(scene: Scene, key: string): Promise<void> {
  await scene.db.put(key, "value");
  scene.acknowledged.push(key);
  scene.accepted.push(key);
}

export async function putUnacknowledged(scene: Scene, key: string): Promise<void> {
  scene.waiting.push(new Watched(`put ${key}`, scene.db.put(key, "value")));
  scene.accepted.push(key);
  await turns(3);
}

export async function putNotDurable(scene: Scene, key: string): Promise<void> {
  await scene.db.put(key, "value", { durable: false });
  scene.accepted.push(key);
}

export async function watch(scene: Scene, name: string, promise: Promise<unknown>): Promise<void> {
  scene.waiting.push(new Watched(name, promise));
  await turns();
}

export const wal = ({ operation, key }: FaultyRequest): boolean =>
  operation === "create" && key.includes("/wal/");
export const sst = ({ operation, key }: FaultyRequest): boolean =>
  operation === "put" && key.includes("/sst/");
export const manifest = ({ operation, key }: FaultyRequest): boolean =>
  operation === "create" && key.includes("/manifest/");
const nothing = (): boolean => false;

/** Every state of the pipeline. In each of them "before" has been acknowledged. */
export const states: readonly State[] = [
  { name: "idle", options: quiet, holds: nothing, enter: async () => undefined },
  {
    name: "with a buffer that is not empty",
    options: quiet,
    holds: nothing,
    enter: (scene) => putNotDurable(scene, "a"),
  },
  {
    name: "with one WAL PUT in flight",
    options: quiet,
    holds: wal,
    enter: async (scene) => {
      await putUnacknowledged(scene, "a");
      expect(scene.held.count).toBe(1);
    },
  },
  {
    name: "with four WAL PUTs in flight and a group behind them",
    options: quiet,
    holds: wal,
    enter: async (scene) => {
      for (const key of ["a", "b", "c", "d", "e"]) await putUnacknowledged(scene, key);
      expect(scene.held.count).toBe(4);
    },
  },
  {
    name: "with a WAL PUT that waits for the budget",
    options: { ...quiet, walPutsPerSecond: 0.01, walPutsBurst: 1 },
    holds: nothing,
    enter: (scene) => putUnacknowledged(scene, "a"),
  },
  {
    name: "with a table queued behind one that is uploading",
    options: { ...tiny, uploadsInFlight: 1 },
    holds: sst,
    enter: async (scene) => {
      await put(scene, "a");
      await put(scene, "b");
      await watch(scene, "flush", scene.db.flush({ to: "l0" }));
      expect(scene.held.count).toBe(1);
    },
  },
  {
    name: "with an uploaded table that waits for the WAL",
    options: tiny,
    holds: (request) => wal(request),
    enter: async (scene) => {
      await putUnacknowledged(scene, "a");
      await watch(scene, "flush", scene.db.flush({ to: "l0" }));
      expect(scene.place.counting.counts.put).toBeGreaterThan(0);
      expect(scene.held.keys.some((key) => key.includes("/wal/"))).toBe(true);
    },
  },
  {
    name: "with a commit in flight",
    options: tiny,
    holds: manifest,
    enter: async (scene) => {
      await put(scene, "a");
      await watch(scene, "flush", scene.db.flush({ to: "l0" }));
      expect(scene.held.count).toBe(1);
    },
  },
  {
    name: "with a checkpoint that waits for an upload",
    options: quiet,
    holds: sst,
    enter: async (scene) => {
      await put(scene, "a");
      await watch(scene, "checkpoint", scene.db.checkpoint({ name: "kept" }));
      expect(scene.held.count).toBe(1);
    },
  },
  {
    name: "with a checkpoint whose commit is in flight",
    options: quiet,
    holds: manifest,
    enter: async (scene) => {
      await put(scene, "a");
      await watch(scene, "checkpoint", scene.db.checkpoint({ name: "kept" }));
      expect(scene.held.count).toBe(1);
    },
  },
];

/** The states that there are without a WAL. */
export const withoutWal: readonly State[] = [
  states[0]!,
  states[1]!,
  {
    name: "with a durable write whose table is uploading",
    options: quiet,
    holds: sst,
    enter: async (scene) => {
      await putUnacknowledged(scene, "a");
      await turns();
      // This one rides on the next flush.
      await putUnacknowledged(scene, "b");
      expect(scene.held.count).toBe(1);
    },
  },
  {
    name: "with a durable write whose commit is in flight",
    options: quiet,
    holds: manifest,
    enter: async (scene) => {
      await putUnacknowledged(scene, "a");
      await turns();
      expect(scene.held.count).toBe(1);
    },
  },
];

/** Writers that wait for memory have no seq, so what becomes of them is told apart. */
export const fullMemory: State = {
  name: "with writers that wait for memory",
  options: { ...quiet, memTableBytes: 4096, unflushedBytesMax: 8192 },
  holds: sst,
  enter: async (scene) => {
    const { db } = scene;
    for (const key of ["x", "y", "z"]) {
      await watch(scene, `waiting ${key}`, db.put(key, "", { durable: key !== "y" }));
    }
    await watch(scene, "flush", db.flush({ to: "l0" }));
    expect(db.stats().waitingWrites).toBe(4);
  },
};

export async function enter(state: State, options: OpenOptions = {}): Promise<Scene> {
  const place = newPlace();
  const db = await openAt(place, { ...state.options, ...options });
  const before = state === fullMemory ? state.holds : () => false;
  // The first write fills the memory of `fullMemory`, so there the table must not get away.
  const early = new HeldRequests(place.faulty, before);
  await db.put("before", "value");
  await turns();
  const held = state === fullMemory ? early : new HeldRequests(place.faulty, state.holds);
  place.counting.reset();
  const scene: Scene = {
    ...{ place, db, held, waiting: [] },
    acknowledged: ["before"],
    accepted: ["before"],
  };
  await state.enter(scene);
  return scene;
}

/** Each test of the file fails when a promise is rejected and nobody has handled it. */
export function expectNoUnhandledRejections(): void {
  const reasons: unknown[] = [];
  const listener = (reason: unknown): void => void reasons.push(reason);
  beforeEach(() => {
    reasons.length = 0;
    process.on("unhandledRejection", listener);
  });
  afterEach(async () => {
    await turns();
    process.off("unhandledRejection", listener);
    expect(reasons).toEqual([]);
  });
}
