// What the worlds of points in time are made of: the programs of processes, and first states, which are made by running
// programs to their end, one alone.

import { freezeContent } from "../state.mjs";
import { addClone } from "./clone.mjs";
import { addDestroy, addSecondLife } from "./destroy.mjs";
import { addDetach } from "./detach.mjs";
import { addExpiry, addHand } from "./expiry.mjs";
import { addExport, addTargetSweep } from "./export.mjs";
import { addFeed } from "./feed.mjs";
import { addFollower } from "./follower.mjs";
import { addDropper, addLogCollector, addLogWriter, addMaker } from "./logs.mjs";
import { addAdministrator, addChange, addCollector, addCopySweep, addParent } from "./roles.mjs";
import { actionsOf, firstManifest, model } from "./world.mjs";

const programs = {
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
  follower: addFollower,
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

export const world = (paths, prepare, processes, extra) => ({
  model,
  programs,
  paths,
  prepare,
  processes,
  ...extra,
});
