// The collector, with a grace period of 0: it deletes what the retired list of a manifest names and no checkpoint
// needs. With `config.sweep` it lists instead, and deletes what was uploaded and never named.

import { addRetiredCollector, sweptUpTo } from "./retired.mjs";
import { mintedNumber, plants, sstsOf, walKey, walName } from "./state.mjs";
import { deleteObject } from "./store.mjs";

export function addCollector(role) {
  const { config, state, name, self, add } = role;
  if (config.takesOff?.includes(name)) {
    addRetiredCollector(role);
    return;
  }
  const { newest } = state.truth;
  const sweep = config.collectors?.includes(name) ? undefined : config.sweep;
  switch (self.step) {
    case "idle":
      if (self.passCount >= (config.collectorPasses ?? 1)) return;
      add(`reads ${sweep === "jobs-manifest" ? "the jobs" : `manifest ${newest}`}`, begin);
      return;
    case "second-read":
      add(`reads ${secondRead(config, newest)}`, (next, process) => {
        if (config.sweep === "jobs-manifest") {
          readManifest(next, process);
          process.bound = process.manifest.lastId;
        } else if (config.sweep !== "wal") process.jobs = { ...next.jobs };
        if (config.sweep === "manifest-jobs-manifest") process.step = "third-read";
        else startDeleting(process, swept(config, next, process));
      });
      return;
    case "third-read":
      add(`reads manifest ${newest} again`, (next, process) => {
        readManifest(next, process);
        startDeleting(process, orphans(config, next, process));
      });
      return;
    case "delete":
      addDeletes({ state, self, add });
  }

  function begin(next, process) {
    if (!sweep) {
      readManifest(next, process);
      startDeleting(process, retiredObjects(config, next, process));
      return;
    }
    process.step = "second-read";
    if (config.sweep === "jobs-manifest") process.jobs = { ...next.jobs };
    else {
      readManifest(next, process);
      process.bound = process.manifest.lastId;
    }
  }
}

const swept = (config, next, process) =>
  (config.sweep === "wal" ? leftovers : orphans)(config, next, process);

const secondRead = ({ sweep }, newest) =>
  sweep === "jobs-manifest"
    ? `manifest ${newest}`
    : sweep === "floors" || sweep === "wal"
      ? "the listing"
      : "the jobs";

function readManifest(next, process) {
  process.manifest = next.manifests[next.truth.newest];
  process.pinned = process.manifest.checkpoints.map(({ number }) => next.manifests[number]);
}

function startDeleting(process, names) {
  process.doomed = names;
  process.step = "delete";
}

function addDeletes({ state, self, add }) {
  if (!self.doomed.length) {
    add("ends its pass", (_next, process) => {
      process.passCount++;
      process.step = "idle";
      process.manifest = null;
      process.jobs = null;
      process.bound = null;
      process.doomed = null;
    });
    return;
  }
  add(`deletes ${self.doomed[0]}`, (next, process) => deleteObject(next, process.doomed.shift()));
  if (state.faults.late) {
    add(`sends a late delete of ${self.doomed[0]}`, (next, process) => {
      next.faults.late--;
      next.inFlight.push({ kind: "delete", name: process.doomed.shift() });
    });
  }
}

function retiredObjects(config, state, { manifest, pinned }) {
  const spared = plants(config, "expired-checkpoint-ignored") ? [] : pinned;
  const used = new Set(spared.flatMap((at) => sstsOf(at).map((id) => `sst/${id}`)));
  for (const { wal = [], tables = [] } of manifest.checkpoints) {
    if (!plants(config, "checkpointed-wal-collected")) {
      for (const key of wal) used.add(`wal/${walName(key)}`);
    }
    if (plants(config, "checkpointed-load-collected")) continue;
    for (const id of tables) used.add(`sst/${id}`);
  }
  const names = manifest.retired.filter((name) => !used.has(name));
  if (plants(config, "fences-deleted")) {
    for (const key in state.wal) {
      if (state.wal[key].fence) names.push(`wal/${walName(key)}`);
    }
  }
  return names;
}

/** Records below the start of replay, that no checkpoint names: nothing but a fence is still needed there. */
function leftovers(config, state, { manifest }) {
  const { walStart, walChain, checkpoints } = manifest;
  const used = checkpoints.flatMap(({ wal = [] }) => wal);
  const isPast = (key) =>
    plants(config, "sweep-off-the-chain")
      ? !walChain.some((epoch) => walKey(epoch, 0) <= key && key < walKey(epoch + 1, 0))
      : key < walKey(walStart.epoch, walStart.id);
  return Object.keys(state.wal)
    .map(Number)
    .filter((key) => isPast(key) && !used.includes(key) && !state.wal[key].fence)
    .map((key) => `wal/${walName(key)}`);
}

/** What lies below both floors of a manifest read before the listing, and is named by nothing in it. */
function orphans(config, state, { manifest, pinned, jobs, bound }) {
  const named = new Set([manifest, ...pinned].flatMap(sstsOf));
  for (const { tables = [] } of manifest.checkpoints) for (const id of tables) named.add(id);
  for (const name of manifest.retired) {
    const [kind, id] = name.split("/");
    if (kind !== "wal") named.add(Number(id));
  }
  const limit = plants(config, "sweep-by-age")
    ? Number.POSITIVE_INFINITY
    : config.sweep === "floors"
      ? sweptUpTo(config, manifest)
      : Math.min(bound - 1, ...Object.values(jobs).map((start) => start - 1));
  return Object.keys(state.ssts)
    .map(Number)
    .filter((id) => !named.has(id) && mintedNumber(id) <= limit)
    .map((id) => `sst/${id}`);
}
