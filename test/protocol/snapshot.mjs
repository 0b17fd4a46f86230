// A snapshot in a world where every write is a version of one key: of an open writer, which says in its commits what it
// needs (`snapshotSeq`), or of a reader without a pin. It reads at one seq for as long as it is open. When an object of
// its view is gone it goes on from the newest manifest, if that says that it still answers for this seq.

import { violate } from "./invariants.mjs";
import { isWriter, plants, sstsOf, walKey } from "./state.mjs";

/** The newest version that a view shows at a seq, as a bit; 0: none. */
function newestAt({ truth }, value, seq) {
  let newest = 0;
  for (let bit = 0; value >> bit; bit++) {
    const isVisible = (value >> bit) & 1 && truth.seqs[bit] <= seq;
    if (isVisible && (!newest || truth.seqs[bit] > truth.seqs[Math.log2(newest)]))
      newest = 1 << bit;
  }
  return newest;
}

const memoryOf = ({ memTable, queue }) => queue.reduce((all, { value }) => all | value, memTable);

const seqOf = ({ truth }, value) =>
  Math.max(0, ...Object.keys(truth.seqs).map((bit) => ((value >> bit) & 1 ? truth.seqs[bit] : 0)));

/** The rows of the only log from where replay starts, up to the first gap. */
function followed(state, { walStart }) {
  let value = 0;
  for (let key = walKey(walStart.epoch, walStart.id); state.wal[key]; key++) {
    value |= state.wal[key].value;
  }
  return value;
}

const isStored = (state, manifest) => sstsOf(manifest).every((id) => state.ssts[id] !== undefined);

const stored = (state, manifest) => sstsOf(manifest).reduce((all, id) => all | state.ssts[id], 0);

/** The oldest seq that the snapshots of a writer need; 0: none is open. */
export function oldestOpenSeq({ processes }, writer) {
  const seqs = Object.values(processes)
    .filter(({ step, of }) => of === writer && step === "open")
    .map(({ seq }) => seq);
  return seqs.length ? Math.min(...seqs) : 0;
}

export function addSnapshot(role) {
  const { config, name, state, self, add } = role;
  const { of, isDurable } = config.snapshots[name];
  if (self.step === "open") {
    addRead(role, isWriter(of));
    add("closes", close);
  }
  if (self.step !== "idle") return;
  if (!isWriter(of)) {
    const { newest } = state.truth;
    const manifest = state.manifests[newest];
    if (isStored(state, manifest) && manifest.lastL0Seq) {
      add(`opens at manifest ${newest} and the log`, (next, process) => {
        const memory = config.withoutWal ? 0 : followed(next, manifest);
        open(next, process, { of, seq: Math.max(manifest.lastL0Seq, seqOf(next, memory)), memory });
        hold(next, process, newest);
      });
    }
    return;
  }
  const { step, nextSeq, durable, knownNumber } = state.processes[of];
  const seq = isDurable ? seqOf(state, durable) : nextSeq - 1;
  if (step !== "open" || !seq) return;
  add(`opens at seq ${seq} of ${of}`, (next, process) => {
    open(next, process, { of, seq, memory: memoryOf(next.processes[of]) });
    process.expected = newestAt(next, next.processes[of].view, seq);
    process.number = knownNumber;
  });
}

function open({ truth }, process, { of, seq, memory }) {
  const accepted = Object.keys(truth.seqs).reduce((all, bit) => all | (1 << bit), 0);
  Object.assign(process, { step: "open", of, seq, memory, accepted });
}

function hold(next, process, number) {
  process.number = number;
  const content = stored(next, next.manifests[number]) | process.memory;
  process.expected = newestAt(next, content, process.seq);
}

function close(_next, process) {
  const nothing = { of: null, seq: 0, memory: 0, expected: 0, accepted: 0, number: 0 };
  Object.assign(process, { step: "closed", ...nothing });
}

function addRead({ config, name, state, self, add }, isOfWriter) {
  const held = state.manifests[self.number];
  if (isStored(state, held)) {
    const view = stored(state, held) | self.memory;
    const seen = newestAt(state, view, self.seq);
    // Seqs of writes that were lost are given again by the next writer.
    if (newestAt(state, view & ~self.accepted, self.seq)) {
      add("reads", () => violate(`${name} reads what was written after it was opened`));
    }
    if (seen !== self.expected) {
      add("reads", () => {
        violate(`${name} reads version ${seen} at seq ${self.seq}, not ${self.expected}`);
      });
    }
    return;
  }
  const { newest } = state.truth;
  add(`finds an object gone, looks at manifest ${newest}`, (next, process) => {
    const manifest = next.manifests[newest];
    const writer = next.processes[process.of];
    const isFenced = isOfWriter && manifest.writerEpoch > writer.epoch;
    if (isFenced && !plants(config, "gone-on-past-a-newer-writer")) {
      close(next, process);
      return;
    }
    const isExact =
      (manifest.compactedSeq <= process.seq || plants(config, "compacted-seq-ignored")) &&
      (manifest.rewrittenNumber <= process.number || plants(config, "rewritten-number-ignored"));
    if (isExact) {
      process.number = newest;
      if (isOfWriter) process.memory = memoryOf(writer);
      return;
    }
    if (isOfWriter && !isFenced && manifest.rewrittenNumber <= process.number) {
      violate(`${name} of ${process.of} is left without an object at seq ${process.seq}`);
    }
    close(next, process);
  });
}
