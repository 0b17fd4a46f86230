// The flush pipeline of a writer: MemTables are frozen into a queue, uploaded in any order, and retired in queue
// order by one commit for the longest uploaded and durable prefix. Loads (loader.mjs) join the same queue.

import { addCommit } from "./commit.mjs";
import { becomeFenced } from "./opener.mjs";
import { oldestOpenSeq } from "./snapshot.mjs";
import { indexOf, mintedNumber, plants, seqsOf, walKey } from "./state.mjs";

export const queueMax = 2;

export function addFlusher(role) {
  const { config, name, self, add } = role;
  if (self.step !== "open") return;
  const mayMint = self.lastMinted < (config.flushesMax ?? 3);
  if (config.flush && self.memTable && !self.buffered && self.queue.length < queueMax && mayMint) {
    add("freezes and dispatches a MemTable", (_next, process) => freeze(name, process));
  }
  self.queue.forEach(({ id, uploaded }, index) => {
    if (uploaded) return;
    add(`uploads sst ${id}`, (next, process) => {
      process.queue[index].uploaded = true;
      next.ssts[id] = process.queue[index].value;
    });
  });
  addBatch(role, self.batch ?? nextBatch(config, self));
  // One that began before the others were uploaded.
  const isShort = self.batch ? false : config.shortBatches && nextBatch(config, self)?.count > 1;
  if (isShort) addBatch(role, { from: 0, count: 1 });
}

/** Ids are given at dispatch, in queue order, above all that the manifest knows: the slowest clock allowed. */
export function mint(name, process) {
  const { lastId, writerFloor } = process.known;
  process.lastMinted = Math.max(process.lastMinted, lastId, writerFloor) + 1;
  return process.lastMinted * 10 + indexOf(name);
}

export function freeze(name, process) {
  const value = process.memTable;
  const walEnd = { epoch: process.epoch, id: process.nextWalId };
  const id = mint(name, process);
  process.queue.push({ id, value, uploaded: false, walEnd, isReplayed: false });
  process.memTable = 0;
}

/** The batch that may be retired: from the front, or (planted) one table out of order. */
function nextBatch(config, self) {
  const { queue } = self;
  if (plants(config, "retired-out-of-order")) {
    const index = queue.findIndex((table) => table.uploaded);
    return index < 0 ? null : { from: index, count: 1 };
  }
  const isDurable = (table) =>
    config.withoutWal || config.withoutWalGate || !(table.value & ~self.durable);
  let count = 0;
  while (count < queue.length && queue[count].uploaded && isDurable(queue[count])) count++;
  return count ? { from: 0, count } : null;
}

function addBatch(role, batch) {
  const { config, self, add } = role;
  if (!batch) return;
  const { from, count } = batch;
  addCommit(role, {
    transition: (manifest, process, state) => ({
      ...retire(config, manifest, process, state, batch),
      ...(config.snapshots && { snapshotSeq: snapshotSeqOf(role, process, state, batch) }),
    }),
    beforeSend: (process) => {
      process.batch = batch;
    },
    onWin: (next, process) => {
      process.batch = null;
      for (const { value } of process.queue.splice(from, count)) {
        if (!config.withoutWal) continue;
        next.truth.acknowledged |= value;
        process.durable |= value;
      }
    },
    onFenced: becomeFenced,
    afterSend: (process) => {
      if (!process.outcomeUnknown && !process.confirming) process.batch = null;
    },
  });
  if (self.outcomeUnknown && plants(config, "unknown-commit-cleaned-up")) {
    add("takes its commit for lost and deletes its SSTs", (next, process) => {
      for (const { id } of process.queue.splice(from, count)) delete next.ssts[id];
      process.batch = null;
      process.outcomeUnknown = false;
    });
  }
}

function retire(config, manifest, process, state, { from, count }) {
  const tables = process.queue.slice(from, from + count);
  const added = tables.filter(({ id }) => !manifest.l0.includes(id)).map(({ id }) => id);
  const { walEnd } = tables[tables.length - 1];
  const isCounted = (table) =>
    !tables.includes(table) && !(table.isReplayed && plants(config, "floor-past-a-replayed-load"));
  const minted = process.queue.filter(isCounted).map(({ id }) => id);
  if (process.load && !plants(config, "floor-past-a-pending-load")) minted.push(process.load.id);
  const l0 = [...manifest.l0, ...added];
  if (plants(config, "l0-in-id-order")) l0.sort((a, b) => a - b);
  const lastL0Seq = lastSeqOf(state, tables);
  return {
    ...manifest,
    walStart: walEnd,
    walChain: manifest.walChain.filter((epoch) => epoch >= walEnd.epoch),
    lastL0Seq: Math.max(manifest.lastL0Seq, lastL0Seq),
    l0,
    retired: config.withoutRetired
      ? manifest.retired
      : [...manifest.retired, ...retiredWal(config, manifest, state, walEnd)],
    lastId: Math.max(manifest.lastId, ...tables.map(({ id }) => mintedNumber(id))),
    // Just below the least id that was minted and neither named nor given up.
    writerFloor: minted.length
      ? Math.min(...minted.map(mintedNumber)) - 1
      : Math.max(manifest.writerFloor, process.lastMinted),
  };
}

/** The oldest seq that is open, or that a read of what is durable may open until the commit has landed. */
function snapshotSeqOf({ config, name }, { durable, queue }, state, { from, count }) {
  const open = oldestOpenSeq(state, name);
  if (plants(config, "durable-read-below-a-commit")) return open;
  const durableSeq = Math.max(0, ...seqsOf(state, durable));
  const lastL0Seq = lastSeqOf(state, queue.slice(from, from + count));
  return durableSeq < lastL0Seq ? Math.min(open || durableSeq, durableSeq) : open;
}

function lastSeqOf(state, tables) {
  const value = tables.reduce((all, table) => all | table.value, 0);
  return Math.max(...seqsOf(state, value));
}

/** The WAL objects that a manifest stops needing when replay starts at `walEnd`. */
export function retiredWal(config, { walChain, walStart }, state, walEnd) {
  if (config.withoutWal) return [];
  const names = [];
  const firstId = (epoch) => (epoch === walStart.epoch ? walStart.id : 0);
  for (const epoch of walChain) {
    if (epoch >= walEnd.epoch || epoch < walStart.epoch) continue;
    for (let id = firstId(epoch); ; id++) {
      const object = state.wal[walKey(epoch, id)];
      if (!object || object.fence) break;
      names.push(`wal/${epoch}.${id}`);
    }
  }
  for (let id = firstId(walEnd.epoch); id < walEnd.id; id++) {
    names.push(`wal/${walEnd.epoch}.${id}`);
  }
  return names;
}
