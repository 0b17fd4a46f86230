// The state of the modelled world: the store, the processes around it, and what really happened.
//
// A state is plain data. Every record has all its fields from the beginning and every map has integer
// keys, so JSON.stringify is canonical: two states are the same exactly when their JSON is.
// Bodies of stored objects never change, so they are frozen and shared between states; equal manifests are one object,
// which stands in the JSON as its serial number. A process is changed by its own actions alone, on a copy of it.
//
// Data is one bit for each write: bit `writer * writesMax + count`. A value is a set of writes.

import { hash } from "node:crypto";

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

/** An SST id is a minted number and, in its last digit, who minted it: ids of two roles never meet. */
export const mintedNumber = (sstId) => Math.floor(sstId / 10);

export const plants = (config, bug) => config.planted?.includes(bug) ?? false;

/** The seqs of the writes of a value. */
export function seqsOf({ truth }, value) {
  const seqs = [];
  for (const bit in truth.seqs) if ((value >> bit) & 1) seqs.push(truth.seqs[bit]);
  return seqs;
}

const manifestsByContent = new Map();

/** The one frozen object for a manifest of this content. */
export function freezeManifest(manifest) {
  const content = JSON.stringify(manifest);
  const known = manifestsByContent.get(content);
  if (known) return known;
  const serial = manifestsByContent.size;
  Object.defineProperty(manifest, "toJSON", { value: () => serial });
  manifestsByContent.set(content, Object.freeze(manifest));
  return manifest;
}

const firstManifest = freezeManifest({
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
  compactorFloor: 0,
  createdAt: 0,
});

// What every committer keeps: the manifest it believes newest, since when, and where its commit stands.
const committer = {
  step: "idle",
  knownNumber: 0,
  known: null,
  newestSince: 0,
  commitCount: 0,
  outcomeUnknown: false,
  confirming: false, // the age rule asks for a listing before the outcome is believed
};

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
    tables: [], // the SSTs that a record of the WAL, still to be sent, names instead of its rows, each with its bit
  }),
  C: () => ({ ...committer, jobCount: 0, l0Inputs: [], runInputs: [], output: 0, jobStart: 0 }),
  G: () => ({
    step: "idle",
    passCount: 0,
    manifest: null,
    pinned: [], // manifests that the checkpoints of `manifest` name
    jobs: null,
    bound: null,
    doomed: null,
  }),
  K: () => ({ ...committer, scriptIndex: 0, readCheckpoints: [] }),
  R: () => ({ step: "idle", number: 0, epoch: 0, id: 0, view: 0 }),
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
    inFlight: [], // requests whose sender has stopped waiting; they may still be applied
    now: 0, // in halves of the manifest retention
    faults: { crash: 0, lost: 0, late: 0, conflict: 0, tick: 0, deletion: 0, ...config.faults },
    processes: {},
    // What really happened, known to the checker alone.
    truth: { history: { 1: "init" }, newest: 1, acknowledged: 0, seqs: {} },
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
    inFlight: [...state.inFlight],
    now: state.now,
    faults: { ...state.faults },
    processes: { ...state.processes },
    truth: { ...truth, history: { ...truth.history }, seqs: { ...truth.seqs } },
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
