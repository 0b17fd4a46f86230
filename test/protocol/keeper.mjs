// The keeper of checkpoints: it adds, drops, copies and restores them as its script says, by commits alone.

import { addCommit, isSuperseded } from "./commit.mjs";
import { contentOf } from "./invariants.mjs";
import { chainRecords } from "./restorer.mjs";
import { jobStates, manifests, takeNewest } from "./series.mjs";
import { plants, sstsOf } from "./state.mjs";

const sstNames = (manifest) => sstsOf(manifest).map((id) => `sst/${id}`);

export function addKeeper(role) {
  const { config, name, state, self, add } = role;
  const script = config.keeperScripts[name];
  if (self.scriptIndex >= script.length) return;
  const operation = script[self.scriptIndex];
  if (operation === "emptyJobs") {
    addEmptyJobs(role);
    return;
  }
  if (self.step === "idle") {
    add(`reads manifest ${state.truth.newest}`, (next, process) => {
      // Whoever drops its checkpoint relies on nothing from here on.
      if (operation === "drop") delete next.truth.pins[name];
      takeNewest(manifests, next, process);
      if (isSuperseded(name, process, process.known)) {
        giveUp(next, process);
        return;
      }
      process.readCheckpoints = process.known.checkpoints;
      process.step = "commit";
    });
    return;
  }
  const transition = (manifest, process, at) =>
    operations[operation]({ config, name, manifest, process, state: at });
  const end = (next, process) => {
    process.scriptIndex++;
    process.step = "idle";
    if (operation === "claim") process.compactorEpoch = process.known.compactorEpoch;
    if (operation === "refresh") pin(next, process, name);
    if (operation !== "restore") return;
    // Writes after the checkpoint are given up on purpose.
    const manifest = next.manifests[next.truth.newest];
    next.truth.acknowledged &= contentOf(next, manifest, "restored manifest");
  };
  if (!transition(self.known, self, state)) {
    add("is refused", end);
    return;
  }
  addCommit(role, { transition, onWin: end, onFenced: giveUp, onInapplicable: end });
}

/** Another took the compactor's role over meanwhile: the rest is not done. */
function giveUp(_next, process) {
  process.scriptIndex = Number.POSITIVE_INFINITY;
  process.step = "idle";
}

/** What is restored is not what jobs were planned for: as a coordinator, it gives all of them up. */
function addEmptyJobs(role) {
  const { self, add } = role;
  if (!self.jobs.known) {
    add("lists the job states", (next, process) => {
      const { compactorEpoch } = takeNewest(jobStates, next, process);
      if (compactorEpoch > process.compactorEpoch) giveUp(next, process);
    });
    return;
  }
  addCommit(role, {
    series: jobStates,
    transition: (known, { compactorEpoch }) => ({ ...known, jobs: [], compactorEpoch }),
    onWin: (_next, process) => {
      process.scriptIndex++;
    },
    onFenced: giveUp,
  });
}

/** A refresh that is acknowledged is relied on. */
function pin(next, { known }, name) {
  const mine = known.checkpoints.find(({ id }) => id === name);
  if (mine) next.truth.pins[name] = mine.number;
}

const operations = {
  claim: ({ manifest }) => ({ ...manifest, compactorEpoch: manifest.compactorEpoch + 1 }),
  /** A checkpoint is attached to the number of the commit that creates it. */
  add: ({ name, manifest, process }) => ({
    ...manifest,
    checkpoints: [...manifest.checkpoints, { id: name, number: process.knownNumber + 1 }],
  }),
  /** Of scope "durable": it names the WAL objects that are stored, and the SSTs that load records in them name. */
  addDurable: ({ name, manifest, process, state }) => {
    const wal = chainRecords(state, manifest);
    const tables = wal
      .flatMap((key) => state.wal[key].tables)
      .filter(({ bit }) => state.truth.seqs[Math.log2(bit)] > manifest.lastL0Seq)
      .map(({ id }) => id);
    const checkpoint = { id: name, number: process.knownNumber + 1, wal, tables };
    return { ...manifest, checkpoints: [...manifest.checkpoints, checkpoint] };
  },
  addToOldNumber: ({ name, manifest, process }) => ({
    ...manifest,
    checkpoints: [
      ...manifest.checkpoints,
      { id: name, number: Math.max(1, process.knownNumber - 1) },
    ],
  }),
  /** Only one that is still listed; a reader whose checkpoint is gone is told so. */
  refresh: ({ name, manifest, process }) => {
    if (!manifest.checkpoints.some(({ id }) => id === name)) return null;
    const refreshed = process.knownNumber + 1;
    const checkpoints = manifest.checkpoints.map((each) =>
      each.id === name ? { ...each, refreshed, expires: false } : each,
    );
    return { ...manifest, checkpoints };
  },
  drop: ({ manifest }) =>
    manifest.checkpoints.length
      ? { ...manifest, checkpoints: manifest.checkpoints.slice(1) }
      : null,
  dropReplaced: ({ manifest }) => ({
    ...manifest,
    checkpoints: manifest.checkpoints.filter(({ id }) => id !== "R"),
  }),
  /** Only from a checkpoint that the manifest it is applied to still lists. */
  copy: ({ config, name, manifest, process }) => {
    const checkpoints = plants(config, "checkpoints-joined-by-id")
      ? process.readCheckpoints
      : manifest.checkpoints;
    if (!checkpoints.length) return null;
    const copied = { id: name, number: checkpoints[0].number };
    return { ...manifest, checkpoints: [...checkpoints, copied] };
  },
  /** Takes what it names again off the retired list in the same commit. */
  restore: ({ config, manifest, process, state }) => {
    const [checkpoint] = manifest.checkpoints;
    if (!checkpoint) return null;
    const restored = state.manifests[checkpoint.number];
    const back = new Set(sstNames(restored));
    const keeps = plants(config, "restore-leaves-the-retired-list");
    // What is replaced is kept, on the number that this is applied to.
    const replaced = { id: "R", number: process.knownNumber };
    return {
      ...manifest,
      l0: restored.l0,
      runs: restored.runs,
      checkpoints: [...manifest.checkpoints, replaced],
      retired: [
        ...manifest.retired.filter((name) => keeps || !back.has(name)),
        ...sstNames(manifest).filter((name) => !back.has(name)),
      ],
    };
  },
};
