// An open writer and its WAL: it accepts writes, seals them into groups, PUTs the groups and acknowledges in id order.

import { violate } from "./invariants.mjs";
import { becomeFenced } from "./opener.mjs";
import { indexOf, plants, walKey, walName, writesMax } from "./state.mjs";
import { create, recordRequest } from "./store.mjs";

/** Gives the next write of this writer its seq and puts it into the MemTable; returns its bit. */
export function acceptWrite(name, next, process) {
  const bit = indexOf(name) * writesMax + process.writeCount++;
  next.truth.seqs[bit] = process.nextSeq++;
  process.view |= 1 << bit;
  return 1 << bit;
}

/** Seals a group; it takes the records of the loads among its writes from the buffer. */
export function seal(process, value) {
  const tables = process.tables.filter(({ bit }) => value & bit);
  process.tables = process.tables.filter(({ bit }) => !(value & bit));
  process.buffered &= ~value;
  process.groups.push({ id: process.nextWalId++, value, tables, stored: false });
}

export function addWriter(role) {
  if (role.self.step === "open") addWrites(role);
  const acknowledges =
    role.self.step === "open" ||
    (role.self.step === "closing" && plants(role.config, "close-sent-before-its-puts-are-done"));
  if (!acknowledges) return;
  role.self.groups.forEach((_group, index) => {
    addPut(role, index);
  });
  addAcknowledgement(role);
}

function addWrites({ config, name, self, add }) {
  if (config.loads && self.buffered && self.groups.length < (config.putsInFlight ?? 2)) {
    add("sends what is buffered", (_next, process) => seal(process, process.buffered));
  }
  const writes = (config.writes?.[name] ?? 0) + self.joinedCount;
  const isFull = self.groups.length >= (config.putsInFlight ?? 2);
  if (self.writeCount >= writes || isFull) return;
  const accept = (next, process) => {
    const bit = acceptWrite(name, next, process);
    process.memTable |= bit;
    return bit;
  };
  if (config.withoutWal) add("accepts a write", accept);
  else {
    add("accepts a durable write", (next, process) => {
      let value = accept(next, process);
      // A group takes everything buffered, in seq order.
      if (!plants(config, "durable-overtakes-non-durable")) {
        value |= process.buffered;
      }
      seal(process, value);
    });
  }
  if (config.nonDurableWrites && !self.buffered) {
    add("accepts a non-durable write", (next, process) => {
      process.buffered |= accept(next, process);
    });
  }
}

function addPut({ config, name, state, self, add }, index) {
  const group = self.groups[index];
  if (group.stored) return;
  const key = walKey(self.epoch, group.id);
  const request = recordRequest(key, name, group);
  const afterNoReply = (process) => {
    if (!plants(config, "group-grows-on-retry")) return;
    process.groups[index].value |= process.buffered;
    process.buffered = 0;
  };
  add(`PUTs wal ${walName(key)}`, (next, process) => {
    const sent = process.groups[index];
    const found = create(next, request) === "exists" ? next.wal[key] : null;
    if (!found) sent.stored = true;
    else if (found.fence || found.token !== name) {
      // My own id is taken by another: I was fenced.
      if (plants(config, "taken-id-skipped")) sent.id = process.nextWalId++;
      else becomeFenced(next, process);
    } else if (plants(config, "own-token-ignored")) {
      violate(`${name} fenced itself by its own repeated PUT`);
    } else sent.stored = true;
  });
  if (state.faults.lost) {
    add(`PUTs wal ${walName(key)}, reply lost`, (next, process) => {
      next.faults.lost--;
      create(next, request);
      afterNoReply(process);
    });
  }
  if (state.faults.late) {
    add(`PUTs wal ${walName(key)}, times out, still in flight`, (next, process) => {
      next.faults.late--;
      next.inFlight.push(request);
      afterNoReply(process);
    });
  }
}

function addAcknowledgement({ config, self, add }) {
  const index = plants(config, "acknowledged-out-of-order")
    ? self.groups.findIndex((group) => group.stored)
    : self.groups[0]?.stored
      ? 0
      : -1;
  if (index < 0) return;
  add(`acknowledges wal ${self.epoch}.${self.groups[index].id}`, (next, process) => {
    const [group] = process.groups.splice(index, 1);
    process.durable |= group.value;
    next.truth.acknowledged |= group.value;
  });
}

/** The process is gone; its PUTs that were on their way may still land. */
export function addCrash({ name, self, state, add }) {
  if (self.step !== "open" || !state.faults.crash) return;
  add("dies; its requests in flight may land later", (next, process) => {
    next.faults.crash--;
    for (const group of process.groups) {
      if (!group.stored) {
        next.inFlight.push(recordRequest(walKey(process.epoch, group.id), name, group));
      }
    }
    Object.assign(process, {
      step: "dead",
      groups: [],
      queue: [],
      memTable: 0,
      buffered: 0,
      batch: null,
      load: null,
      tables: [],
    });
  });
}
