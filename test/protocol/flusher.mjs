// The flush pipeline of a writer: MemTables are frozen into a queue, uploaded in any order, and retired in queue
// order by one commit for the longest uploaded and durable prefix. Loads join the same queue.

import { addCommit } from "./commit.mjs";
import { becomeFenced } from "./opener.mjs";
import { indexOf, mintedNumber, plants, walKey } from "./state.mjs";
import { acceptWrite } from "./writer.mjs";

const queueMax = 2;

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
  if (config.load && name === "W0") addLoad(role);
  addBatch(role);
}

/** Ids are given at dispatch, in queue order, above all that the manifest knows: the slowest clock allowed. */
function mint(name, process) {
  const { lastId, writerFloor } = process.known;
  process.lastMinted = Math.max(process.lastMinted, lastId, writerFloor) + 1;
  return process.lastMinted * 10 + indexOf(name);
}

function freeze(name, process) {
  const value = process.memTable;
  process.queue.push({
    id: mint(name, process),
    value,
    uploaded: false,
    walEnd: process.nextWalId,
    isLoad: false,
  });
  process.memTable = 0;
}

/** A bulk load: its rows take no WAL object, and its id is minted when it begins. */
function addLoad({ config, name, self, add }) {
  const { load } = self;
  const writes = config.writes?.[name] ?? 0;
  if (!load && self.writeCount < writes + 1) {
    add("load begins, uploads its sst", (next, process) => {
      process.load = { id: mint(name, process), joined: false };
      next.ssts[process.load.id] = 0;
    });
  }
  if (!load || load.joined || self.buffered || self.queue.length >= queueMax) return;
  const seqLast = config.load === "seq-last";
  if (seqLast && (self.memTable || self.queue.length || self.groups.length)) return;
  add("load joins the queue", (next, process) => {
    if (process.memTable) freeze(name, process);
    const { id } = process.load;
    const value = acceptWrite(name, next, process);
    if (next.ssts[id] !== undefined) next.ssts[id] = value;
    process.load.joined = true;
    process.queue.push({ id, value, uploaded: true, walEnd: process.nextWalId, isLoad: true });
    if (seqLast) process.loadHoldsWrites = true;
  });
}

/** The batch that may be retired: from the front, or (planted) one table out of order. */
function nextBatch(config, self) {
  const { queue } = self;
  if (plants(config, "retired-out-of-order")) {
    const index = queue.findIndex((table) => table.uploaded);
    return index < 0 ? null : { from: index, count: 1 };
  }
  const isDurable = (table) =>
    config.withoutWal || config.withoutWalGate || table.isLoad || !(table.value & ~self.durable);
  let count = 0;
  while (count < queue.length && queue[count].uploaded && isDurable(queue[count])) count++;
  return count ? { from: 0, count } : null;
}

function addBatch(role) {
  const { config, self, add } = role;
  const batch = self.batch ?? nextBatch(config, self);
  if (!batch) return;
  const { from, count } = batch;
  addCommit(role, {
    transition: (manifest, process, state) => retire(config, manifest, process, state, batch),
    beforeSend: (process) => {
      process.batch = batch;
    },
    onWin: (next, process) => {
      process.batch = null;
      process.loadHoldsWrites = false;
      for (const { value, isLoad } of process.queue.splice(from, count)) {
        if (!config.withoutWal && !isLoad) continue;
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
  const minted = process.queue.filter((table) => !tables.includes(table)).map(({ id }) => id);
  if (process.load && !process.load.joined) minted.push(process.load.id);
  return {
    ...manifest,
    walStart: { epoch: process.epoch, id: walEnd },
    walChain: [process.epoch],
    l0: [...manifest.l0, ...added],
    retired: config.withoutRetired
      ? manifest.retired
      : [...manifest.retired, ...retiredWal(config, manifest, process, state, walEnd)],
    lastId: Math.max(manifest.lastId, ...tables.map(({ id }) => mintedNumber(id))),
    // Just below the least id that was minted and neither named nor given up.
    writerFloor: minted.length ? Math.min(...minted.map(mintedNumber)) - 1 : process.lastMinted,
  };
}

/** The WAL objects that a manifest stops needing when replay starts at `walEnd` of this writer's log. */
export function retiredWal(config, { walChain, walStart }, { epoch: ownEpoch }, state, walEnd) {
  if (config.withoutWal) return [];
  const names = [];
  const firstId = (epoch) => (epoch === walStart.epoch ? walStart.id : 0);
  for (const epoch of walChain) {
    if (epoch >= ownEpoch || epoch < walStart.epoch) continue;
    for (let id = firstId(epoch); ; id++) {
      const object = state.wal[walKey(epoch, id)];
      if (!object || object.fence) break;
      names.push(`wal/${epoch}.${id}`);
    }
  }
  for (let id = firstId(ownEpoch); id < walEnd; id++) names.push(`wal/${ownEpoch}.${id}`);
  return names;
}
