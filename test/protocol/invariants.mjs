// What must hold in every reachable state: it is checked after each action.

import { checkNothingForgotten } from "./retired.mjs";
import {
  indexOf,
  isWriter,
  seqsOf,
  sstsOf,
  walKey,
  walName,
  writesMax,
  writesOf,
} from "./state.mjs";

export class Violation extends Error {}

export function violate(message) {
  throw new Violation(message);
}

const bits = (value) => value.toString(2);

/** The writes that the SSTs of a manifest hold. */
export function contentOf(state, manifest, who) {
  let value = 0;
  for (const id of sstsOf(manifest)) {
    if (state.ssts[id] === undefined) violate(`P5: ${who} names deleted sst ${id}`);
    value |= state.ssts[id];
  }
  return value;
}

/** The writes of the logs: each in order, to its first fence or first absent id. */
function loggedWrites(state, { walChain, walStart, lastL0Seq }) {
  let value = 0;
  for (const epoch of walChain) {
    if (epoch < walStart.epoch) continue;
    for (let id = epoch === walStart.epoch ? walStart.id : 0; ; id++) {
      const object = state.wal[walKey(epoch, id)];
      if (!object || object.fence) break;
      value |= object.value;
      for (const { id: tableId, bit } of object.tables) {
        if (state.ssts[tableId] !== undefined || state.truth.seqs[Math.log2(bit)] <= lastL0Seq) {
          continue;
        }
        violate(`P5: the log names sst ${tableId} of a load, which is not stored`);
      }
    }
  }
  return value;
}

/**
 * Runs (newest first), then L0 from the oldest to the youngest: whatever comes later has higher seqs. No two SSTs of a
 * run hold the same.
 */
function checkSeqOrder(state, { l0, runs }) {
  let last = 0;
  for (const ids of [...runs.toReversed(), ...l0]) {
    let value = 0;
    for (const id of [ids].flat()) {
      if (value & state.ssts[id]) violate(`two SSTs of the run ${ids} hold the same rows`);
      value |= state.ssts[id];
    }
    const seqs = seqsOf(state, value);
    if (Math.min(...seqs) <= last) violate(`sst ${ids} is not behind older seqs: L0 is ${l0}`);
    last = Math.max(last, ...seqs);
  }
}

export function checkInvariants(state) {
  const { manifests, processes, truth } = state;
  const newest = manifests[truth.newest];
  if (!newest) violate("the newest manifest was deleted");
  let recovered = contentOf(state, newest, `newest manifest ${truth.newest}`);
  checkSeqOrder(state, newest);
  for (const { id, number, wal = [], tables = [] } of newest.checkpoints) {
    if (!manifests[number]) violate(`P5: checkpoint ${id} names deleted manifest ${number}`);
    contentOf(state, manifests[number], `checkpoint ${id}`);
    for (const key of wal) {
      if (!state.wal[key]) violate(`P5: checkpoint ${id} names deleted wal ${walName(key)}`);
    }
    for (const tableId of tables) {
      if (state.ssts[tableId] === undefined) {
        violate(`P5: checkpoint ${id} needs deleted sst ${tableId} of a load`);
      }
    }
  }
  for (const name in truth.pins) {
    const number = truth.pins[name];
    if (!manifests[number]) violate(`P5: ${name} reads deleted manifest ${number}`);
    contentOf(state, manifests[number], `the manifest of the pinned ${name}`);
  }
  for (const id in newest.runLists) {
    if (state.runLists[id] !== newest.runLists[id]) violate(`P5: run list ${id} was overwritten`);
  }
  checkNothingForgotten(state, newest);
  recovered |= loggedWrites(state, newest);
  checkDropped(state, recovered);
  recovered |= truth.dropped;
  for (const bit in truth.expiresAt) if (truth.expiresAt[bit] <= state.now) recovered |= 1 << bit;
  const lost = truth.acknowledged & ~recovered & ~truth.givenUp;
  if (lost) violate(`P1/P2: acknowledged writes ${bits(lost)} would not be recovered`);

  const seqsSeen = new Set(seqsOf(state, truth.givenUp & ~recovered));
  for (const name in processes) {
    if (!isWriter(name)) continue;
    checkOrder(state, name, recovered, seqsSeen);
    if (processes[name].step === "open") checkOpenView(state, name);
  }
  const phantom = (processes.R?.view ?? 0) & ~recovered;
  if (phantom) violate(`a reader saw ${bits(phantom)}, which would not be recovered`);
}

/** Of the versions of a key, the newest that was acknowledged is not dropped for an older one. */
function checkDropped(state, recovered) {
  const { acknowledged, dropped, filtered } = state.truth;
  if (!dropped) return;
  const promised = Math.max(0, ...seqsOf(state, acknowledged));
  const left = Math.max(0, ...seqsOf(state, recovered | filtered));
  if (left < promised)
    violate(`P1: seq ${promised} was acknowledged, and ${left} is the newest left`);
}

/** P3: what survives of one writer is a prefix of what it wrote, and no two writes share a seq. */
function checkOrder(state, name, recovered, seqsSeen) {
  const firstBit = indexOf(name) * writesMax;
  const survivors = (recovered & writesOf(indexOf(name))) >> firstBit;
  if (survivors & (survivors + 1)) {
    violate(`P3: ${name} survives as ${bits(survivors)}: a later write without an earlier one`);
  }
  for (let count = 0; count < writesMax; count++) {
    if (!((survivors >> count) & 1)) continue;
    const seq = state.truth.seqs[firstBit + count];
    if (seqsSeen.has(seq)) violate(`two recovered writes share seq ${seq}`);
    seqsSeen.add(seq);
  }
}

/** P1 and P2 from the inside: an open writer shows everything that older epochs were ever acknowledged. */
function checkOpenView(state, name) {
  const { epoch } = state.processes[name];
  const view = state.processes[name].view | state.truth.dropped;
  for (const other in state.processes) {
    const { epoch: otherEpoch } = state.processes[other];
    if (!isWriter(other) || !otherEpoch || otherEpoch >= epoch) continue;
    const mask = writesOf(indexOf(other));
    const replayed = (view & mask) >> (indexOf(other) * writesMax);
    if (replayed & (replayed + 1)) {
      violate(`P3: ${name} replayed ${bits(replayed)} of ${other}: a void object past a fence`);
    }
    const missing = state.truth.acknowledged & mask & ~view & ~state.truth.givenUp;
    if (missing) {
      violate(`P1/P2: ${name} (epoch ${epoch}) is open without ${other}'s ${bits(missing)}`);
    }
  }
}
