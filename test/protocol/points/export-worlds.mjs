// The worlds of exports: as clone-worlds.mjs.

import { violate } from "../invariants.mjs";
import { create, run, world } from "./start.mjs";

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

/** The source drops the checkpoint, compacts and collects meanwhile; the exporter's pin may expire. */
export const exportingCollected = {
  ...world(
    ["a", "t"],
    (state) => {
      source(state);
      run(state, { program: "administrator", path: "a", script: ["checkpoint"] });
      run(state, { program: "change", path: "a" });
    },
    {
      A: exporter("a1", "a2"),
      B: exporter("a1", "a2"),
      G: { program: "collector", path: "a", passes: 2 },
      K: { program: "administrator", path: "a", script: ["drop", "expire"] },
    },
  ),
  faults: { takeover: 1 },
  targets: ["t"],
  pinsSource: true,
};
