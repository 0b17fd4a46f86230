// The worlds of logs that checkpoints name, and of checkpoints that were added to others: as clone-worlds.mjs.

import { freezeContent } from "../state.mjs";
import { checkBases } from "./expiry.mjs";
import { checkLogs } from "./logs.mjs";
import { create, world } from "./start.mjs";

const logWriter = (puts, flushes) => ({ program: "logWriter", puts, flushes });

/** W0 is open with epoch 1, and its first record is stored; a checkpoint may name it. */
const withLog = (isNamed) => (state) => {
  create(state, "a", 0);
  const store = state.stores.a;
  store.wal = { 1.1: { seq: 1 } };
  state.truth.durable = [1];
  store.manifests[1] = freezeContent({
    ...store.manifests[1],
    epoch: 1,
    chain: [1],
    start: { epoch: 1, id: 1 },
    lastL0Seq: 0,
    checkpoints: isNamed ? [{ id: "c", number: 1, wal: ["1.1"] }] : [],
  });
  Object.assign(state.processes.W0, { step: "open", epoch: 1, id: 2, seq: 2 });
};

/** A feed over logs of which a checkpoint names the first record alone. */
export const feeding = {
  ...world(["a"], withLog(true), {
    W0: logWriter(1, 0),
    W1: logWriter(1, 1),
    G: { program: "logCollector", passes: 1 },
    F: { program: "feed" },
  }),
  check: checkLogs,
};

/** The same with a third writer and a drop of the checkpoint. */
export const feedingOfThree = {
  ...world(["a"], withLog(true), {
    W0: logWriter(1, 1),
    W1: logWriter(1, 1),
    W2: logWriter(1, 1),
    G: { program: "logCollector", passes: 2 },
    F: { program: "feed" },
    K: { program: "dropper" },
  }),
  check: checkLogs,
  isWalked: true,
};

const following = (writers) => ({
  ...world(["a"], withLog(false), {
    ...writers,
    G: { program: "logCollector", passes: 1 },
    R: { program: "follower" },
  }),
  check: checkLogs,
});

/** A reader that follows three writers. */
export const followingThree = {
  ...following({ W0: logWriter(1, 1), W1: logWriter(1, 1), W2: logWriter(1, 1) }),
  isWalked: true,
};

/** The same, and one of them does no more than open. */
export const followingAnOpener = following({
  W0: logWriter(0, 0),
  W1: logWriter(0, 0),
  W2: logWriter(1, 1),
});

/** A durable checkpoint without a writer, beside two writers and the collector. */
export const namingLogs = {
  ...world(["a"], withLog(false), {
    W0: logWriter(2, 2),
    W1: logWriter(1, 1),
    M: { program: "maker" },
    G: { program: "logCollector", passes: 2 },
  }),
  check: checkLogs,
};

const hand = (does, of, expires = false) => ({ program: "hand", does, of, expires });

/** Three in a chain, the first two of which have expired: children are added, one is refreshed, and one ended by hand. */
export const expiring = {
  ...world(
    ["a"],
    (state) => {
      create(state, "a", 0);
      const checkpoints = [
        { id: "x", number: 1, base: "", refreshed: 1, expires: true },
        { id: "y", number: 1, base: "x", refreshed: 1, expires: true },
        { id: "z", number: 1, base: "y", refreshed: 1, expires: false },
      ];
      const [manifest] = Object.values(state.stores.a.manifests);
      state.stores.a.manifests[1] = freezeContent({ ...manifest, checkpoints });
      state.truth.refreshed = [];
    },
    {
      G: { program: "expiry" },
      A: hand("adds to", "x"),
      B: hand("adds to", "y", true),
      C: hand("refreshes", "x"),
      E: hand("ends", "z"),
      D: hand("ends", "A"),
    },
  ),
  check: checkBases,
};
