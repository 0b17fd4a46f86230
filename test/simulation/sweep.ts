/** The crash sweep: one run of the workload with one request cut, and everything that must hold afterwards. */
import type { OpenOptions } from "../../src/db/open-options.js";
import { decodeManifest } from "../../src/format/manifest-codec.js";
import type { Fate } from "./fate.js";
import { difference, equalContent, History, scanContent } from "./history.js";
import { onLoadTick } from "./load-ticks.js";
import { runCase } from "./replay.js";
import type { SimulatedObjects } from "./simulated-objects.js";
import type { SimulatedProcess } from "./simulated-process.js";
import { checkReads, openDb, Recorder, workload } from "./sweep-workload.js";
import { World } from "./world.js";

export interface Cut {
  /** Which request of the process, and what becomes of it. */
  readonly at: number;
  readonly fate: Fate;
}

export interface SweepCase {
  /** Of completion order, settings and what becomes of other requests under way. */
  readonly seed: number;
  readonly cut?: Cut | undefined;
  /** A cut of the process that reopens after the first. */
  readonly recovery?: Cut | undefined;
}

export interface SweepOutcome {
  /** How many requests the workload made, or the first process that reopened. */
  readonly requests: number;
  readonly recoveryRequests: number;
  readonly cutHit: boolean;
  readonly recoveryHit: boolean;
  /** SSTs of range deletes alone that some manifest has named. */
  readonly rowlessSsts: number;
  readonly events: readonly string[];
}

export type MakeObjects = (now: () => number) => SimulatedObjects;

export function caseName({ seed, cut, recovery }: SweepCase): string {
  const parts = [cut, recovery].map((part) => (part ? `${part.at}:${part.fate}` : ""));
  return [seed, ...parts].join("/").replace(/\/+$/, "");
}

/** The inverse of `caseName`. */
export function parseCase(name: string): SweepCase {
  const [seed, ...cuts] = name.split("/");
  const [cut, recovery] = cuts.map((part): Cut => {
    const [at, fate] = part.split(":");
    return { at: Number(at), fate: fate as Fate };
  });
  return { seed: Number(seed), cut, recovery };
}

export function runSweepCase(which: SweepCase, makeObjects?: MakeObjects): Promise<SweepOutcome> {
  const world = new World(which.seed, makeObjects);
  return runCase({ name: caseName(which), file: "crash-sweep.test.ts", world }, () =>
    sweep(world, which),
  );
}

async function sweep(world: World, which: SweepCase): Promise<SweepOutcome> {
  const history = new History();
  onLoadTick((tick) => history.loadTicked(tick));
  const options: OpenOptions = {
    walPutsInFlight: 1 + (which.seed % 4),
    uploadsInFlight: 1 + ((which.seed + 1) % 4),
  };
  // A late request comes at its worst when a successor has opened; and up to the cut all runs of a seed are the same.
  world.lateHeld = true;
  const worker = world.process("worker");
  const workerCut = cutProcess(world, worker, which.cut);
  await runToEnd(world, history, worker, () => workload(worker, history, options));
  let next = worker;
  let recoveryHit = false;
  if (worker.state === "dead" && which.recovery !== undefined) {
    next = world.process("recovery");
    const recoveryCut = cutProcess(world, next, which.recovery);
    await runToEnd(world, history, next, () => goOn(world, next, history, options));
    recoveryHit = recoveryCut.hit;
  }
  const successor = world.process("successor");
  await runToEnd(world, history, successor, () => goOn(world, successor, history, options));
  const reader = world.process("last");
  await runToEnd(world, history, reader, () => findAll(world, reader, history));
  history.checkSeqs();
  return {
    requests: worker.store.requestCount,
    recoveryRequests: next === worker ? successor.store.requestCount : next.store.requestCount,
    cutHit: workerCut.hit,
    recoveryHit,
    rowlessSsts: rowlessSsts(world),
    events: world.log,
  };
}

function rowlessSsts(world: World): number {
  const ids = world.objects
    .list("", "db/manifest/")
    .filter(({ key }) => key.endsWith(".manifest"))
    .map(({ key }) => decodeManifest(world.objects.get("", key)!.bytes, key))
    .flatMap(({ l0, runs }) => [...l0, ...runs].flatMap(({ ssts }) => ssts))
    .filter(({ rowCount }) => rowCount === 0)
    .map(({ id }) => id);
  return new Set(ids).size;
}

/** Plans the fate of one request of a process; every other request completes. */
function cutProcess(
  world: World,
  process: SimulatedProcess,
  cut: Cut | undefined,
): { hit: boolean } {
  const state = { hit: false };
  world.fateOf = (request) => {
    if (cut === undefined || request.process !== process || request.index !== cut.at) {
      return "complete";
    }
    state.hit = true;
    if (!cut.fate.startsWith("kill")) world.lateHeld = false;
    return cut.fate;
  };
  return state;
}

async function runToEnd(
  world: World,
  history: History,
  process: SimulatedProcess,
  body: () => Promise<void>,
): Promise<void> {
  const script = world.spawn(process, body);
  // A request that nobody waits for may outlast the script.
  const ended = (): boolean => script.done && !world.isBusy(process);
  await world.run(() => ended() || process.state === "dead");
  if (process.state === "dead") history.crashed();
  else history.requireSettled();
}

/** A new process: what it finds is a prefix, what comes late changes nothing, and it can write, close and open again. */
async function goOn(
  world: World,
  process: SimulatedProcess,
  history: History,
  options: OpenOptions,
): Promise<void> {
  const db = await openDb(process, options);
  history.recovered(await scanContent(db), db.seq);
  world.releaseLate();
  await checkReads(db, history);
  const recorder = new Recorder(db, history);
  await recorder.put("after", process.name);
  recorder.later(recorder.put("after/soft", process.name, false));
  const loading = recorder.load([
    { key: "one", value: process.name },
    { key: "z/after", value: process.name },
  ]);
  await recorder.write([
    { key: "batch/a", value: process.name },
    { key: "three", value: undefined },
    { key: "large1", value: undefined, until: "large7" },
    { key: "batch/c", value: process.name },
  ]);
  await loading;
  await checkReads(db, history);
  await recorder.close(true);
}

/** Nothing is lost any more, and nothing comes back. */
async function findAll(world: World, process: SimulatedProcess, history: History): Promise<void> {
  world.releaseLate();
  const db = await openDb(process);
  const found = await scanContent(db);
  const expected = history.content();
  if (!equalContent(found, expected)) {
    throw new Error(`After the last reopen: ${difference(expected, found)}`);
  }
  await checkReads(db, history);
  await db.close();
}
