// The state of the modelled world: the store, the processes around it, and what really happened.
//
// A state is plain data. Every record has all its fields from the beginning and every map has integer
// keys, so JSON.stringify is canonical: two states are the same exactly when their JSON is.
// Bodies of stored objects never change, so they are frozen and shared between states; equal manifests are one object,
// which stands in the JSON as its serial number. A process is changed by its own actions alone, on a copy of it.
//
// Data is one bit for each write: bit `writer * writesMax + count`. A value is a set of writes.

import { hash } from "node:crypto";
import { cursor } from "./series.mjs";

/** How many writes one writer may accept at most. */
export const writesMax = 4;

/** The bits of all writes of the writer with this index. */
export const writesOf = (writerIndex) => (2 ** writesMax - 1) << (writerIndex * writesMax);

/** The index of a process: the digit in its name ("W1" is 1). */
export const indexOf = (name) => Number(name[1]);

export const isWriter = (name) => name[0] === "W";

const walIdsMax = 16;

/** Key of a WAL object in the map of WAL objects, in the order of epoch and id. */
export const walKey = (epoch, id) => epoch * walIdsMax + id;

export const walName = (key) => `${Math.floor(key / walIdsMax)}.${key % walIdsMax}`;

/** The SSTs that a manifest names. A run is one SST, or a list of several that hold different keys. */
export const sstsOf = ({ l0, runs }) => [...l0, ...runs.flat()];

/** An SST id is a minted number and, in its last digit, who minted it: ids of two roles never meet. */
export const mintedNumber = (sstId) => Math.floor(sstId / 10);

export const plants = (config, bug) => config.planted?.includes(bug) ?? false;

/** The seqs of the writes of a value. */
export function seqsOf({ truth }, value) {
  const seqs = [];
  for (const bit in truth.seqs) if ((value >> bit) & 1) seqs.push(truth.seqs[bit]);
  return seqs;
}

const frozenByContent = new Map();

/** The one frozen object for a manifest or a state of jobs of this content. */
export function freezeContent(object) {
  const content = JSON.stringify(object);
  const known = frozenByContent.get(content);
  if (known) return known;
  const serial = frozenByContent.size;
  Object.defineProperty(object, "toJSON", { value: () => serial });
  frozenByContent.set(content, Object.freeze(object));
  return object;
}

export const firstManifest = freezeContent({
  token: "init",
  writerEpoch: 1,
  walStart: { epoch: 1, id: 0 },
  walChain: [1],
  l0: [],
  runs: [],
  retired: [],
  checkpoints: [],
  lastId: 0, // the highest minted number that was ever named
  lastL0Seq: 0, // replay skips what is at or below it
  writerFloor: 0,
  compactorEpoch: 0,
  compactorFloor: 0,
  snapshotSeq: 0, // the oldest seq that is open, when L0 was last appended to
  compactedSeq: 0, // reads at it and above it are exact
  rewrittenNumber: 0, // the last commit that changed what all seqs read
  createdAt: 0,
});

const committer = { step: "idle", ...cursor };

const newProcess = {
  W: () => ({
    ...committer,
    epoch: 0,
    hint: null,
    hintPut: false,
    claimedEpoch: 0, // only for an opener that computes its epoch too early
    openLogs: [], // epochs whose logs are still to be closed
    fenceId: null,
    fenceWave: null,
    logEnds: {}, // epoch: id of the fence that ends its log
    view: 0, // every write that a read of this writer would show
    durable: 0,
    nextSeq: 1,
    writeCount: 0,
    nextWalId: 0,
    groups: [], // sealed WAL groups in id order, until they are acknowledged
    buffered: 0, // non-durable writes that no group has taken yet
    memTable: 0,
    queue: [], // frozen MemTables, oldest first
    batch: null, // how much of the queue the commit under way retires
    lastMinted: 0,
    load: null, // the load whose SST is being stored
    loadCount: 0,
    joinedCount: 0, // loads that have taken their seq
    restored: null, // the checkpoint that it restores
    tables: [], // the SSTs that a record of the WAL, still to be sent, names instead of its rows, each with its bit
  }),
  C: () => ({
    ...committer,
    jobCount: 0,
    l0Inputs: [],
    runInputs: [],
    output: 0,
    jobStart: 0,
    retainSeq: 0,
    filters: false,
  }),
  D: () => ({
    ...committer,
    jobs: { ...cursor }, // what it knows of the states of jobs
    compactorEpoch: 0,
    job: null, // the one that its commit is about
    runList: null, // of the run that it publishes, where that has an object of its own
    planCount: 0,
    lastMinted: 0,
  }),
  E: () => ({
    step: "idle",
    jobs: { ...cursor },
    jobId: 0,
    claim: null,
    claimCount: 0,
    output: 0,
    part: 0, // of its job, that it builds
    lastMinted: 0,
  }),
  G: () => ({
    ...committer,
    passCount: 0,
    expired: null, // checkpoints, each as it was when its age was judged
    gone: null, // what it has deleted and not yet taken off
    list: null, // of retired objects, that it uploads
    lists: null, // those that it takes some of its names from
    manifest: null,
    pinned: [], // manifests that the checkpoints of `manifest` name
    jobs: null,
    bound: null,
    doomed: null,
  }),
  K: () => ({
    ...committer,
    scriptIndex: 0,
    readCheckpoints: [],
    jobs: { ...cursor },
    compactorEpoch: 0,
  }),
  S: () => ({ step: "idle", of: null, number: 0, seq: 0, memory: 0, expected: 0, accepted: 0 }),
  R: () => ({ step: "idle", number: 0, epoch: 0, id: 0, view: 0 }),
};

const noFaults = {
  crash: 0,
  lost: 0,
  late: 0,
  conflict: 0,
  tick: 0,
  deletion: 0,
  reclaim: 0,
  raise: 0,
  giveUp: 0,
};

/** The state before the first action: manifest 1 exists, and W0 (where there is one) is open with epoch 1. */
export function initialState(config) {
  const state = {
    manifests: { 1: firstManifest },
    storedAt: { 1: 0 },
    hint: { number: 1, manifest: firstManifest, storedAt: 0 },
    wal: {},
    ssts: {},
    jobs: {},
    jobStates: {},
    runLists: {}, // what the runs' own objects hold, by id
    inFlight: [], // requests whose sender has stopped waiting; they may still be applied
    now: 0, // in halves of the manifest retention
    faults: { ...noFaults, ...config.faults },
    processes: {},
    // What really happened, known to the checker alone.
    truth: {
      history: { 1: "init" },
      newest: 1,
      jobStates: { history: {}, newest: 0 },
      acknowledged: 0,
      lists: {}, // what the objects hold that hold retired entries
      wereNamed: null, // SSTs that manifests have named, where it is asked that none is forgotten
      expiresAt: {}, // bit: when its row expires, by the store's time
      pins: {}, // manifests that pinned readers were told are kept for them
      dropped: 0, // by compactions, where writes are versions of one key
      filtered: 0, // of those, by a filter
      givenUp: 0, // acknowledged, and undone by a restore
      seqs: {},
    },
  };
  for (const name of config.processes) state.processes[name] = newProcess[name[0]]();
  if (state.processes.W0) {
    Object.assign(state.processes.W0, {
      step: "open",
      epoch: 1,
      knownNumber: 1,
      known: firstManifest,
    });
  }
  config.prepare?.(state);
  return state;
}

/** A copy whose store and truth may be changed; a process is copied when it acts. */
export function cloneState(state) {
  const { truth } = state;
  return {
    manifests: { ...state.manifests },
    storedAt: { ...state.storedAt },
    hint: state.hint,
    wal: { ...state.wal },
    ssts: { ...state.ssts },
    jobs: { ...state.jobs },
    jobStates: { ...state.jobStates },
    runLists: { ...state.runLists },
    inFlight: [...state.inFlight],
    now: state.now,
    faults: { ...state.faults },
    processes: { ...state.processes },
    truth: {
      ...truth,
      history: { ...truth.history },
      lists: { ...truth.lists },
      pins: { ...truth.pins },
      jobStates: { ...truth.jobStates, history: { ...truth.jobStates.history } },
      seqs: { ...truth.seqs },
    },
  };
}

export function cloneProcess(value) {
  if (value === null || typeof value !== "object" || Object.isFrozen(value)) return value;
  if (Array.isArray(value)) return value.map(cloneProcess);
  const copy = {};
  for (const key in value) copy[key] = cloneProcess(value[key]);
  return copy;
}

const cachedJson = Symbol("json of a process that has acted");

function jsonOf(process) {
  process[cachedJson] ??= JSON.stringify(process);
  return process[cachedJson];
}

export function fingerprint({ processes, ...world }) {
  let json = JSON.stringify(world);
  for (const name in processes) json += jsonOf(processes[name]);
  return hash("md5", json, "base64").slice(0, 14);
}
