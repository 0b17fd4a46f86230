// A bulk load: its SST is uploaded first, under an id that was minted early. When it is stored, in one tick: the MemTable
// is frozen, the load takes the next seq and joins the queue, and one WAL record that names the SST enters the buffer.
// From there it is a write like any other.

import { freeze, mint, queueMax } from "./flusher.mjs";
import { plants } from "./state.mjs";
import { acceptWrite, seal } from "./writer.mjs";

export function addLoader(role) {
  const { config, name, self, add } = role;
  if (self.step !== "open") return;
  const { load } = self;
  if (!load) {
    if (self.loadCount < (config.loads?.[name] ?? 0)) addBegin(role);
    return;
  }
  if (!load.isStored) {
    add(`load uploads sst ${load.id}`, (next, process) => {
      process.load.isStored = true;
      next.ssts[load.id] = load.bit;
    });
  }
  const isReady = load.isStored || plants(config, "load-record-before-its-sst");
  if (isReady && self.queue.length < queueMax) addJoin(role);
  if (config.loadsGivenUp) {
    add(`gives the load of sst ${load.id} up`, (_next, process) => {
      process.load = null;
    });
  }
}

function acceptLoad(name, next, process) {
  process.joinedCount++;
  return acceptWrite(name, next, process);
}

function addBegin({ config, name, add }) {
  add("load begins, mints its id", (next, process) => {
    process.loadCount++;
    process.load = { id: mint(name, process), bit: 0, isStored: false };
    if (plants(config, "load-seq-first")) process.load.bit = acceptLoad(name, next, process);
  });
}

function addJoin({ config, name, self, add }) {
  const join = (next, process, isDurable) => {
    if (process.memTable) freeze(name, process);
    const { id, isStored } = process.load;
    const bit = process.load.bit || acceptLoad(name, next, process);
    // The entry that names the rows gives them their seq; here the bit stands for both.
    if (next.ssts[id] !== undefined) next.ssts[id] = bit;
    process.tables = [...process.tables, { id, bit }];
    if (isDurable) seal(process, process.buffered | bit);
    else process.buffered |= bit;
    if (plants(config, "load-acknowledged-at-once")) next.truth.acknowledged |= bit;
    // What shares the WAL object of a record that is still buffered comes behind it: replay starts there again.
    const walEnd = { epoch: process.epoch, id: process.nextWalId };
    process.queue.push({ id, value: bit, uploaded: isStored, walEnd, isReplayed: false });
    process.load = null;
  };
  if (config.withoutWal) {
    add("load joins the queue", (next, process) => {
      join(next, process, false);
      process.buffered = 0;
      process.tables = [];
    });
    return;
  }
  const isFull = self.groups.length >= (config.putsInFlight ?? 2);
  if (!isFull) {
    add("load joins the queue and the WAL", (next, process) => join(next, process, true));
  }
  if (config.nonDurableWrites && !self.buffered) {
    add("load joins the queue and the WAL buffer", (next, process) => join(next, process, false));
  }
}
