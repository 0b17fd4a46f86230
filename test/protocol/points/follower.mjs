// A reader that follows the logs while a collector takes records away: what it shows is always all that was durable up to
// some seq.

import { violate } from "../invariants.mjs";
import { plants } from "../state.mjs";
import { isBefore, keyOf } from "./logs.mjs";

const path = "a";

export function addFollower({ config, self, state, add }) {
  const store = state.stores[path];
  if (self.step === "start") {
    add(`opens at manifest ${store.newest}`, (next, process) => {
      Object.assign(process, { step: "follow", covered: 0, position: { epoch: 0, id: 0 } });
      process.isHeld = false;
      adopt(next, process);
    });
    return;
  }
  // The numbers above the one that it knows are asked for in order: where there is none, it has the newest.
  if (self.isHeld || self.number < store.newest) {
    add("looks for the newest manifest", (next, process) => {
      process.number = next.stores[path].newest;
      adopt(next, process);
      process.isHeld = false;
      const object = store.wal[keyOf(self.position)];
      if (self.isHeld && !isBefore(self.position, process.position)) show(next, process, object);
    });
  }
  if (self.isHeld) return;
  const object = store.wal[keyOf(self.position)];
  if (object?.fence) {
    const { chain } = store.manifests[self.number];
    const epoch = chain.find((each) => each > self.position.epoch);
    if (epoch) {
      add(`passes fence ${keyOf(self.position)}`, (_next, process) => {
        process.position = { epoch, id: 1 };
      });
    }
    return;
  }
  if (!object) return;
  const mayLeap = self.position.epoch !== self.epoch && object.seq > self.covered + 1;
  if (mayLeap && !plants(config, "reader-leaps-from-a-fence")) {
    add(`reads wal ${keyOf(self.position)} and holds it`, (_next, process) => {
      process.isHeld = true;
    });
  } else {
    add(`reads wal ${keyOf(self.position)}`, (next, process) => show(next, process, object));
  }
}

function adopt(next, process) {
  const store = next.stores[path];
  process.number = store.newest;
  const { start, lastL0Seq } = store.manifests[process.number];
  process.covered = Math.max(process.covered, lastL0Seq);
  if (isBefore(process.position, start)) process.position = start;
  process.epoch = process.position.epoch;
}

function show(next, process, { seq }) {
  const { epoch, id } = process.position;
  const skipped = next.truth.durable.filter((each) => each > process.covered && each < seq);
  if (skipped.length)
    violate(`the reader shows seq ${seq} after ${process.covered}: not ${skipped}`);
  process.covered = Math.max(process.covered, seq);
  Object.assign(process, { epoch, position: { epoch, id: id + 1 } });
}
