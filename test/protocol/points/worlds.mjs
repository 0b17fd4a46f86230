// The worlds of points in time that scenarios start from: as ../worlds.mjs. `processes` says what each does (its program),
// `prepare` makes the first state, by running programs to their end, one alone.

import { violate } from "../invariants.mjs";
import { freezeContent } from "../state.mjs";
import { addClone, addDetach } from "./clone.mjs";
import { addDestroy, addSecondLife } from "./destroy.mjs";
import { addExpiry, addHand, checkBases } from "./expiry.mjs";
import { addExport, addTargetSweep } from "./export.mjs";
import { addFeed } from "./feed.mjs";
import { addDropper, addLogCollector, addLogWriter, addMaker, checkLogs } from "./logs.mjs";
import { addAdministrator, addChange, addCollector, addCopySweep, addParent } from "./roles.mjs";
import { actionsOf, firstManifest, model } from "./world.mjs";

export const programs = {
  clone: addClone,
  detach: addDetach,
  change: addChange,
  administrator: addAdministrator,
  collector: addCollector,
  parent: addParent,
  sweep: addCopySweep,
  expiry: addExpiry,
  hand: addHand,
  feed: addFeed,
  logWriter: addLogWriter,
  maker: addMaker,
  dropper: addDropper,
  logCollector: addLogCollector,
  export: addExport,
  targetSweep: addTargetSweep,
  destroy: addDestroy,
  secondLife: addSecondLife,
};

/** Runs one process to its end, before anything else begins. */
export function run(state, process, config) {
  const others = state.processes;
  state.processes = { P: { ...process, step: "start" } };
  for (;;) {
    const [action] = actionsOf(state, { programs, planted: config?.planted });
    if (!action) break;
    action.apply(state);
  }
  state.processes = others;
}

/** A database of two SSTs, each with a write of its own. */
export function create(state, path, bit) {
  const store = state.stores[path];
  state.minted[path] = 2;
  store.objects = { [`${path}1`]: bit, [`${path}2`]: bit * 2 };
  store.newest = 1;
  const ssts = Object.keys(store.objects);
  store.manifests[1] = freezeContent({ ...firstManifest, db: path, ssts });
  state.truth.must[path] = bit * 3;
}

const administrator = (path, ...script) => ({ program: "administrator", path, script });
const change = (path, bit) => ({ program: "change", path, bit });
const collector = (path, passes = 1) => ({ program: "collector", path, passes });
const compacts = (path) => ({ program: "parent", path });
const clone = (parent, target) => ({ program: "clone", parent, target, checkpoint: `c.${parent}` });
const destroy = (path) => ({ program: "destroy", path });
const detach = (path) => ({ program: "detach", path });

const world = (paths, prepare, processes, extra) => ({
  model,
  programs,
  paths,
  prepare,
  processes,
  ...extra,
});

const parent = (state) => {
  create(state, "a", 1);
  run(state, administrator("a", "checkpoint"));
};

const parentAndClone = (state) => {
  parent(state);
  run(state, clone("a", "b"));
  run(state, administrator("a", "drop"));
};

const clonesClone = (state) => {
  parentAndClone(state);
  run(state, change("b", 16));
  run(state, administrator("b", "checkpoint"));
};

/** The parent goes on while it is cloned. */
export const cloning = world(["a", "b"], parent, {
  A: clone("a", "b"),
  M: change("a"),
  G: collector("a", 2),
  K: administrator("a", "drop"),
});

/** Two attempts for one target, of which either may die; the first pass of a collector comes after. */
export const cloningTwice = {
  ...world(["a", "b"], parent, {
    A: clone("a", "b"),
    B: clone("a", "b"),
    M: change("a"),
    G: collector("a"),
    K: administrator("a", "drop"),
  }),
  faults: { crash: 1 },
  mayDie: ["A", "B"],
};

/** A clone of a clone, while the first clone compacts, collects and gives its parent up. */
export const cloningTheClone = world(["a", "b", "c"], clonesClone, {
  A: clone("b", "c"),
  M: change("b"),
  G: compacts("a"),
  H: collector("b", 2),
  K: administrator("b", "drop"),
});

/** The same while the first clone detaches. */
export const cloningTheDetached = world(["a", "b", "c"], clonesClone, {
  A: clone("b", "c"),
  D: detach("b"),
  H: collector("b"),
  G: compacts("a"),
});

/** A clone that compacts, restores and is collected, beside its parent. */
export const releasing = {
  ...world(["a", "b"], parentAndClone, {
    K: administrator("b", "checkpoint", "restore", "drop"),
    M: change("b"),
    H: collector("b", 2),
    G: compacts("a"),
  }),
  faults: { crash: 1 },
  mayDie: ["H"],
};

export const detaching = world(["a", "b"], parentAndClone, {
  D: detach("b"),
  K: administrator("b", "checkpoint", "restore"),
  M: change("b"),
  H: collector("b", 2),
  G: compacts("a"),
});

export const detachingTwice = {
  ...world(["a", "b"], parentAndClone, {
    D: detach("b"),
    E: detach("b"),
    M: change("b"),
    H: collector("b"),
  }),
  faults: { crash: 1 },
  mayDie: ["D"],
};

/** One that dies, the compaction of all that it has copied, and the sweep. */
export const detachingInVain = {
  ...world(["a", "b"], parentAndClone, {
    D: detach("b"),
    M: change("b"),
    H: collector("b", 2),
    S: { program: "sweep", path: "b" },
  }),
  faults: { crash: 1 },
  mayDie: ["D"],
};

/** The clone's parent has copied what it held of the first: of the two owners the clone gives one up. */
export const releasingOneOfTwo = world(
  ["a", "b", "c"],
  (state, config) => {
    clonesClone(state);
    run(state, detach("b"));
    run(state, clone("b", "c"), config);
    run(state, administrator("b", "drop"));
  },
  {
    M: { ...change("c"), only: "b" },
    H: collector("c", 2),
    N: change("b"),
    G: collector("b", 2),
  },
);

/** Parent and clone are destroyed, each by two processes of which one may die; a database is created in their place. */
export const destroying = {
  ...world(["a", "b"], parentAndClone, {
    X: destroy("a"),
    Y: destroy("b"),
    Z: destroy("b"),
    L: { program: "secondLife", path: "b", bit: 64 },
  }),
  faults: { crash: 1 },
  mayDie: ["X", "Y"],
};

/** A parent is destroyed while a clone of it begins. */
export const destroyingTheCloned = world(["a", "b"], parent, {
  A: clone("a", "b"),
  X: destroy("a"),
  K: administrator("a", "drop"),
});

/** A source of three SSTs, of which exporters copy two each: both the first. */
const source = (state) => {
  create(state, "a", 1);
  state.stores.a.objects.a3 = 4;
  state.truth.contents = { a1: 1, a2: 2, a3: 4 };
};

const exporter = (...ssts) => ({ program: "export", path: "a", target: "t", ssts });

/** A claim may be taken for dead at any moment, twice, and one exporter fails. */
export const exporting = {
  ...world(["a", "t"], source, {
    A: exporter("a1", "a2"),
    B: exporter("a1", "a3"),
    C: exporter("a1", "a2"),
  }),
  faults: { takeover: 2, fail: 1 },
  targets: ["t"],
};

/** Alone, it may fail anywhere: then nothing is left, and another begins as if nothing had been. */
export const exportingAlone = {
  ...world(["a", "t"], source, { A: exporter("a1", "a2"), B: exporter("a1", "a3") }),
  faults: { fail: 2 },
  targets: ["t"],
  checkEnd: ({ stores: { t } }) => {
    const named = t.manifests[t.newest]?.ssts ?? [];
    const copies = Object.keys(t.objects).filter((each) => !named.includes(each));
    const left = [...copies, ...Object.keys(t.claims)];
    if (left.length) violate(`a clean-up left ${left}`);
  },
};

/** The target holds an export; the next one adds an SST with an older id, which a restore of the source brought back. */
export const exportingMore = world(
  ["a", "t"],
  (state, config) => {
    source(state);
    run(state, exporter("a1", "a3"), config);
  },
  { A: { ...exporter("a1", "a2", "a3"), base: 1 }, S: { program: "targetSweep", path: "t" } },
);

/** The first of a family, which another takes over, and an incremental export that begins when either is there. */
export const exportingFamily = {
  ...world(["a", "t"], source, {
    A: exporter("a1"),
    B: exporter("a1", "a3"),
    C: { ...exporter("a1", "a2"), base: 1 },
  }),
  faults: { takeover: 2, fail: 1 },
  targets: ["t"],
};

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
