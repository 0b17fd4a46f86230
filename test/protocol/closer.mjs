// A clean close: when everything is in L0, a last commit drops the writer's epoch from the WAL chain, so that the next
// open has nothing to close. Once it has been sent, the writer never sends or acknowledges again, whatever the outcome.

import { addCommit } from "./commit.mjs";
import { retiredWal } from "./flusher.mjs";
import { becomeFenced } from "./opener.mjs";
import { plants } from "./state.mjs";

export function addCloser(role) {
  const { config, self, add } = role;
  if (!config.closes) return;
  const hurries = plants(config, "close-sent-before-its-puts-are-done");
  const isFlushed = !self.groups.length && !self.memTable && !self.queue.length;
  const isBusy = self.batch || self.outcomeUnknown || self.confirming || self.buffered;
  if (self.step === "open" && !isBusy && (isFlushed || hurries)) {
    add("begins to close", (_next, process) => {
      process.step = "closing";
    });
  }
  if (self.step !== "closing") return;
  addCommit(role, {
    transition: (manifest, process, state) => {
      const walStart = { epoch: process.epoch, id: process.nextWalId };
      const retired = [...manifest.retired, ...retiredWal(config, manifest, state, walStart)];
      return { ...manifest, walStart, walChain: [], retired, snapshotSeq: 0 };
    },
    onWin: (_next, process) => {
      process.step = "closed";
    },
    onFenced: becomeFenced,
  });
  if (self.outcomeUnknown && plants(config, "close-taken-for-lost")) {
    add("takes its close for lost and goes on", (_next, process) => {
      process.step = "open";
      process.outcomeUnknown = false;
    });
  }
}
