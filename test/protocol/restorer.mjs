// A restore under a live writer: it opens as a writer does (claim, fences, a look at the logs), uploads what the
// checkpoint's WAL objects hold, and then makes the checkpoint the newest state in one commit. The state that it replaces
// becomes a checkpoint, on the manifest that the commit is applied to, with its logs up to their fences and their loads.

import { addCommit } from "./commit.mjs";
import { mint, retiredWal } from "./flusher.mjs";
import { contentOf, violate } from "./invariants.mjs";
import { becomeFenced } from "./opener.mjs";
import { mintedNumber, plants, sstsOf, walKey } from "./state.mjs";

const seqOf = ({ truth }, bit) => truth.seqs[Math.log2(bit)];

/** The keys of all records of the chain, from where replay starts: to the end of the first log without a fence. */
export function chainRecords(state, { walChain, walStart }) {
  const keys = [];
  for (const epoch of walChain) {
    if (epoch < walStart.epoch) continue;
    let key = walKey(epoch, epoch === walStart.epoch ? walStart.id : 0);
    for (; state.wal[key] && !state.wal[key].fence; key++) keys.push(key);
    if (!state.wal[key]) break;
  }
  return keys;
}

/** The SSTs of loads among the records that the manifest does not hold yet. */
function loadsOf(state, { lastL0Seq }, keys) {
  const tables = keys.flatMap((key) => state.wal[key].tables);
  return tables.filter(({ bit }) => seqOf(state, bit) > lastL0Seq).map(({ id }) => id);
}

/** What a checkpoint holds beside its manifest, in seq order: rows, of which those that follow each other are one, and loads. */
function logged(state, { lastL0Seq }, { wal = [] }) {
  const parts = [];
  for (const key of wal) {
    const { value, tables } = state.wal[key];
    for (let bit = 1; bit <= value; bit *= 2) {
      if (!(value & bit) || seqOf(state, bit) <= lastL0Seq) continue;
      const load = tables.find((table) => table.bit === bit);
      const last = parts.at(-1);
      if (load) parts.push({ id: load.id, value: bit });
      else if (last && !last.id) last.value |= bit;
      else parts.push({ id: 0, value: bit });
    }
  }
  return parts;
}

const listed = ({ checkpoints }) => checkpoints.find(({ id }) => id[0] === "K");

export function addRestorer(role) {
  const { config, name, self, add } = role;
  if (self.step !== "restoring") return;
  if (!self.restored) {
    const checkpoint = listed(self.known);
    if (!checkpoint) {
      add("finds no checkpoint to restore", (_next, process) => {
        process.step = "done";
      });
      return;
    }
    add("uploads what the checkpoint's WAL objects hold", (next, process) => {
      const manifest = next.manifests[checkpoint.number];
      // The checkpoint was dropped meanwhile.
      if (!manifest || checkpoint.wal.some((key) => !next.wal[key])) {
        process.step = "done";
        return;
      }
      const parts = logged(next, manifest, checkpoint);
      for (const part of parts) {
        part.isOwn = !part.id;
        part.id ||= mint(name, process);
        if (part.isOwn) next.ssts[part.id] = part.value;
      }
      process.restored = { id: checkpoint.id, parts };
    });
    return;
  }
  addCommit(role, {
    transition: (manifest, process, at) => restore(config, manifest, process, at),
    onWin: end,
    onFenced: becomeFenced,
    onInapplicable: (_next, process) => {
      process.step = "done";
    },
  });
}

function restore(config, manifest, process, state) {
  const { id, parts } = process.restored;
  const checkpoint = manifest.checkpoints.find((each) => each.id === id);
  if (!checkpoint) return null;
  const from = state.manifests[checkpoint.number];
  const l0 = [...from.l0, ...parts.map((part) => part.id)];
  const walStart = { epoch: process.epoch, id: 0 };
  const named = new Set(sstsOf({ l0, runs: from.runs }).map((sst) => `sst/${sst}`));
  const wal = plants(config, "replaced-without-its-wal") ? [] : chainRecords(state, manifest);
  const tables = plants(config, "replaced-without-its-loads") ? [] : loadsOf(state, manifest, wal);
  // The manifest that this is applied to is the newest at that moment: nothing that it names is gone.
  const isLate = plants(config, "replaced-on-the-number-of-the-commit");
  const replaced = { id: "R", number: process.knownNumber + (isLate ? 1 : 0), wal, tables };
  const given = process.nextSeq - 1;
  return {
    ...manifest,
    l0,
    runs: from.runs,
    walStart,
    walChain: [],
    // A seq of its own, which no write has.
    lastL0Seq: plants(config, "restore-gives-seqs-again") ? from.lastL0Seq : given + 1,
    snapshotSeq: 0,
    checkpoints: [...manifest.checkpoints, replaced],
    retired: [
      ...manifest.retired.filter((each) => !named.has(each)),
      ...sstsOf(manifest)
        .map((sst) => `sst/${sst}`)
        .filter((each) => !named.has(each)),
      ...retiredWal(config, manifest, state, walStart),
    ],
    lastId: Math.max(manifest.lastId, ...parts.map((part) => mintedNumber(part.id))),
    writerFloor: Math.max(manifest.writerFloor, process.lastMinted),
  };
}

/** What was acknowledged, or is yet to be, is in the state that was replaced: what the checkpoint lacks is given up on purpose. */
function end(next, process) {
  const manifest = process.known;
  const replaced = manifest.checkpoints.find(({ id }) => id === "R");
  let kept = contentOf(next, next.manifests[replaced.number], "the replaced state");
  for (const key of replaced.wal) {
    const { value, tables } = next.wal[key];
    kept |= value;
    const { lastL0Seq } = next.manifests[replaced.number];
    for (const { id, bit } of tables) {
      if (!replaced.tables.includes(id) && seqOf(next, bit) > lastL0Seq) kept &= ~bit;
    }
  }
  const { truth } = next;
  const lost = truth.acknowledged & ~kept & ~truth.givenUp;
  if (lost) violate(`the replaced state does not hold ${lost.toString(2)}, which was acknowledged`);
  truth.givenUp = (truth.givenUp | kept) & ~contentOf(next, manifest, "what was restored");
  process.step = "done";
}
