// A writer from the first request of its open to the moment it is open:
// find the newest manifest, claim an epoch, close the older logs, replay them, look once more.

import { addCommit } from "./commit.mjs";
import { addFences, firstUnfencedId } from "./fence.mjs";
import { mint } from "./flusher.mjs";
import { violate } from "./invariants.mjs";
import { plants, sstsOf, walKey } from "./state.mjs";
import { highestNumber } from "./store.mjs";

export function becomeFenced(_state, process) {
  process.step = "fenced";
  process.groups = [];
  process.queue = [];
  process.load = null;
  process.tables = [];
  process.outcomeUnknown = false;
  process.batch = null;
}

export function addOpener(role) {
  const { config, name, self, add } = role;
  switch (self.step) {
    case "idle":
      if (config.usesHint) {
        add("GETs the hint", (next, process) => {
          process.hint = next.hint;
          process.step = "probe";
        });
      } else {
        add("finds the newest manifest", (next, process) => {
          takeForNewest(next, process, next.truth.newest);
          process.claimedEpoch = plants(config, "epoch-computed-beforehand")
            ? process.known.writerEpoch + 1
            : 0;
        });
      }
      return;
    case "probe":
      add("probes from the hint", (next, process) => probe(role, next, process));
      return;
    case "claim":
      addClaim(role);
      return;
    case "list":
      add(`lists log ${self.openLogs[0]}`, (next, process) => firstUnfencedId(role, next, process));
      return;
    case "fence":
      addFences(role);
      return;
    case "replay":
      add("replays", (next, process) => replay(role, next, process));
      return;
    case "last-look":
      add("GETs the next manifest before it opens", (next, process) => {
        let number = process.knownNumber;
        while (next.manifests[number + 1]) number++;
        if (next.manifests[number].writerEpoch > process.epoch) becomeFenced(next, process);
        else process.step = config.restorers?.includes(name) ? "restoring" : "open";
      });
  }
}

function takeForNewest(next, process, number) {
  process.knownNumber = number;
  process.known = next.manifests[number];
  process.newestSince = next.now;
  process.step = "claim";
}

/** From the hint through the numbers after it; a start that is too old asks for a listing. */
function probe({ config, name }, next, process) {
  const { hint } = process;
  let number = hint.number;
  if (!plants(config, "stale-hint-trusted")) while (next.manifests[number + 1]) number++;
  const endIsHint = number === hint.number;
  const since =
    config.probeAge === "start"
      ? hint.manifest.createdAt
      : config.probeAge === "hint-object" && endIsHint
        ? hint.storedAt
        : (next.storedAt[number] ?? hint.manifest.createdAt);
  if (next.now - since >= 1 && !plants(config, "stale-hint-trusted")) {
    number = highestNumber(next.manifests);
  }
  const manifest = next.manifests[number] ?? hint.manifest;
  const { history, newest } = next.truth;
  if (history[number] !== manifest.token) {
    violate(`${name} takes the stray manifest ${number} (${manifest.token}) for the newest`);
  }
  if (number < newest && !next.manifests[number + 1]) {
    violate(`${name} takes manifest ${number} for the newest, which is ${newest}`);
  }
  takeForNewest(next, process, number);
  process.known = manifest;
  process.hint = null;
}

/** The epoch is computed inside the transition, from the manifest that it is applied to. */
function addClaim(role) {
  const { config } = role;
  addCommit(role, {
    transition: (manifest, process) => {
      const epoch = process.claimedEpoch || manifest.writerEpoch + 1;
      return {
        ...manifest,
        writerEpoch: epoch,
        snapshotSeq: 0,
        walChain: [...manifest.walChain, epoch],
        writerFloor: config.claimLeavesFloor
          ? manifest.writerFloor
          : Math.max(manifest.lastId, manifest.writerFloor),
      };
    },
    onWin: (_next, process) => {
      const { walChain, walStart, writerEpoch } = process.known;
      process.epoch = writerEpoch;
      const hasLogs = !config.withoutWal && !plants(config, "no-fence");
      process.openLogs = hasLogs
        ? walChain.filter((epoch) => epoch < writerEpoch && epoch >= walStart.epoch)
        : [];
      process.step = config.claimsOnly ? "done" : process.openLogs.length ? "list" : "replay";
    },
    onFenced: becomeFenced,
  });
}

/**
 * Rows go into the MemTable. A load goes into the queue, behind what was before it; what the manifest holds already is
 * skipped by its seq, since the SST of such a load may be compacted and gone. Answers whether every SST is there.
 */
function replayObject({ config, name }, next, process, replayed, object, { epoch, id }) {
  const isInL0 = (bit) => next.truth.seqs[Math.log2(bit)] <= process.known.lastL0Seq;
  const isDone = (bit) => isInL0(bit) && !plants(config, "replayed-load-not-skipped");
  let rows = 0;
  for (let bit = 1; bit <= object.value; bit *= 2) {
    const isRow = object.value & bit && object.tables.every((table) => table.bit !== bit);
    if (isRow && !isInL0(bit)) rows |= bit;
  }
  replayed.logged |= rows;
  let isWhole = true;
  for (const { id: tableId, bit } of object.tables) {
    if (isDone(bit) || plants(config, "load-record-not-replayed")) continue;
    if (next.ssts[tableId] === undefined) {
      isWhole = false;
      if (next.manifests[next.truth.newest].writerEpoch === process.epoch) {
        violate(`the newest writer cannot open: sst ${tableId} of a load is gone`);
      }
      continue;
    }
    const before = rows & (bit - 1);
    rows &= ~before;
    replayed.rows |= before;
    // The load's own object is read again, unless the load is the last in it.
    if (replayed.rows) {
      const frozen = { id: mint(name, process), value: replayed.rows, uploaded: false };
      replayed.queue.push({ ...frozen, walEnd: { epoch, id }, isReplayed: false });
      replayed.rows = 0;
    }
    const walEnd = { epoch, id: rows ? id : id + 1 };
    replayed.queue.push({ id: tableId, value: bit, uploaded: true, walEnd, isReplayed: true });
    replayed.logged |= bit;
  }
  replayed.rows |= rows;
  return isWhole;
}

/** One action for all the GETs: the objects are immutable, and a missing one ends the open. */
function replay(role, next, process) {
  const { config } = role;
  const { known, epoch: ownEpoch, logEnds } = process;
  let stored = 0;
  let missing = false;
  for (const id of sstsOf(known)) {
    if (next.ssts[id] === undefined) missing = true;
    else stored |= next.ssts[id];
  }
  const replayed = { rows: 0, queue: [], logged: 0 };
  for (const epoch of known.walChain) {
    if (config.withoutWal || epoch >= ownEpoch || epoch < known.walStart.epoch) continue;
    const end = logEnds[epoch];
    let id = epoch === known.walStart.epoch ? known.walStart.id : 0;
    for (; end === undefined ? next.wal[walKey(epoch, id)] : id < end; id++) {
      const object = next.wal[walKey(epoch, id)];
      if (!object) {
        // Never the end of the log: a newer writer took over, or it is corruption.
        if (!plants(config, "missing-id-is-the-end")) missing = true;
        break;
      }
      if (!object.fence) {
        if (!replayObject(role, next, process, replayed, object, { epoch, id })) missing = true;
      } else if (!plants(config, "replay-past-a-fence")) break;
    }
  }
  if (missing) {
    becomeFenced(next, process);
    return;
  }
  const { logged } = replayed;
  process.memTable = replayed.rows;
  process.queue = replayed.queue;
  process.durable = logged;
  process.view = stored | logged;
  process.groups = [];
  for (const bit in next.truth.seqs) {
    if ((process.view >> bit) & 1) {
      process.nextSeq = Math.max(process.nextSeq, next.truth.seqs[bit] + 1);
    }
  }
  // A restore has taken a seq that no write has.
  process.nextSeq = Math.max(process.nextSeq, known.lastL0Seq + 1);
  process.logEnds = {};
  process.step = config.lastLook ? "last-look" : "open";
}
