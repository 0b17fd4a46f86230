// A reader of another process: it follows the manifests and, from where replay starts, the WAL object after object.

import { plants, sstsOf, walKey, walName } from "./state.mjs";

export function addReader({ config, state, self, add }) {
  if (self.step === "idle") {
    add(`opens at ${state.truth.newest}`, (next, process) => {
      adopt(next, process, next.truth.newest);
    });
    return;
  }
  const following = self.number + 1;
  if (state.manifests[following]) {
    add(`polls manifest ${following}`, (next, process) => adopt(next, process, following));
  }
  const key = walKey(self.epoch, self.id);
  const object = state.wal[key];
  const { lastL0Seq = 0 } = state.manifests[self.number] ?? {};
  // What the manifest holds is skipped; for anything else the SSTs that a record names must be there.
  const isReadable = object?.tables?.every(
    ({ id, bit }) => state.ssts[id] !== undefined || state.truth.seqs[Math.log2(bit)] <= lastL0Seq,
  );
  if (isReadable) {
    add(`reads wal ${walName(key)}`, (_next, process) => {
      process.view |= object.value;
      process.id++;
    });
  }
  if (object?.fence) {
    const epoch = state.manifests[self.number]?.walChain.find((other) => other > self.epoch);
    if (epoch) {
      add(`passes fence ${walName(key)}`, (_next, process) => {
        process.epoch = epoch;
        process.id = 0;
      });
    }
  }
  if (!object && plants(config, "reader-skips-a-gap") && state.wal[key + 1]) {
    add(`skips gap ${walName(key)}`, (_next, process) => {
      process.id++;
    });
  }
}

/** Takes a manifest whose SSTs are all there; otherwise it stays where it is and polls again. */
function adopt(next, process, number) {
  const { walStart } = next.manifests[number];
  const ids = sstsOf(next.manifests[number]);
  if (ids.some((id) => next.ssts[id] === undefined)) return;
  for (const id of ids) process.view |= next.ssts[id];
  process.number = number;
  const isAhead =
    walStart.epoch > process.epoch ||
    (walStart.epoch === process.epoch && walStart.id > process.id);
  if (isAhead) {
    process.epoch = walStart.epoch;
    process.id = walStart.id;
  }
  process.step = "following";
}
