// The worlds of databases that share objects, and of their end: as ../worlds.mjs. `processes` says what each does (its
// program), `prepare` makes the first state.

import { violate } from "../invariants.mjs";
import { create, run, world } from "./start.mjs";

const administrator = (path, ...script) => ({ program: "administrator", path, script });
const change = (path, bit) => ({ program: "change", path, bit });
const collector = (path, passes = 1) => ({ program: "collector", path, passes });
const compacts = (path) => ({ program: "parent", path });
const clone = (parent, target) => ({ program: "clone", parent, target, checkpoint: `c.${parent}` });
const destroy = (path) => ({ program: "destroy", path });
const detach = (path) => ({ program: "detach", path });

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

/** The same with one pass of the collector. */
export const detachingOnce = {
  ...detaching,
  processes: { ...detaching.processes, H: collector("b") },
};

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
  checkEnd: ({ processes: { L }, stores: { a, b } }) => {
    // What a second life left, which was destroyed in turn, is for the next call.
    if (!b.manifests[b.newest].isDestroyed || L.program !== "secondLife") return;
    const pins = a.manifests[a.newest].checkpoints.map(({ id }) => id);
    const left = [...Object.keys(b.objects), ...pins];
    if (left.length) violate(`what was destroyed has left ${left}`);
  },
};

/** A parent is destroyed while a clone of it begins. */
export const destroyingTheCloned = world(["a", "b"], parent, {
  A: clone("a", "b"),
  X: destroy("a"),
  K: administrator("a", "drop"),
});
