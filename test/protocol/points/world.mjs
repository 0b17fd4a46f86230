// The world of points in time: several databases in one store, of which some hold objects of others. A small world beside
// that of state.mjs: here a commit is one action, an applied transition, because the other scenarios show that numbered
// creates amount to that; and a process may die between any two of its actions.
//
// A store is what lies at one path: manifests, SSTs, WAL objects. The name of an SST is the letter of the database under
// whose name it was written and a number; a path is the letter of the database that is there. Data is a set of bits.

import { hash } from "node:crypto";
import { violate } from "../invariants.mjs";
import { cloneProcess, freezeContent, plants } from "../state.mjs";

export const ownerOf = (name) => name[0];

export const firstManifest = {
  db: "",
  ssts: [],
  retired: [],
  checkpoints: [],
  externals: [],
  isDestroyed: false,
};

export const emptyStore = () => ({ newest: 0, manifests: {}, objects: {}, claims: {} });

export function initialState(config) {
  const state = {
    stores: {},
    processes: {},
    faults: { crash: 0, ...config.faults },
    minted: {},
    // Known to the checker alone: what each database has to hold.
    truth: { must: {} },
  };
  for (const path of config.paths) state.stores[path] = emptyStore();
  for (const [name, program] of Object.entries(config.processes)) {
    state.processes[name] = { ...program, step: "start" };
  }
  config.prepare(state, config);
  return state;
}

export function cloneState(state) {
  const stores = {};
  for (const path in state.stores) {
    const { newest, ...maps } = state.stores[path];
    stores[path] = { newest };
    for (const kind in maps) stores[path][kind] = { ...maps[kind] };
  }
  return {
    stores,
    processes: { ...state.processes },
    faults: { ...state.faults },
    minted: { ...state.minted },
    truth: { ...state.truth, must: { ...state.truth.must } },
  };
}

export const fingerprint = (state) => hash("md5", JSON.stringify(state), "base64").slice(0, 14);

export const newestOf = ({ stores }, path) => stores[path].manifests[stores[path].newest];

/** The transition is given the newest manifest and the number that its result will have. Answers null where it says no. */
export function commit(next, path, transition) {
  const store = next.stores[path];
  const result = transition(store.manifests[store.newest], store.newest + 1);
  if (!result) return null;
  store.newest++;
  store.manifests[store.newest] = freezeContent(result);
  return result;
}

export function mint(next, path) {
  next.minted[path] = (next.minted[path] ?? 0) + 1;
  return `${path}${next.minted[path]}`;
}

/** Where the objects of an owner lie for a database: by an entry that is not leaving. */
export function placeOf(path, { db, externals }, owner) {
  if (owner === db) return path;
  const entry = externals.find((each) => each.owner === owner && !each.isLeaving);
  return entry && (entry.path || path);
}

/** The content of an SST that a manifest at the path names; undefined: it is not there. */
export function read(state, path, routes, name) {
  const place = placeOf(path, routes, ownerOf(name));
  return place && state.stores[place].objects[name];
}

/** What a database would read of these, with the routes of its newest manifest. */
export function contentOf(config, state, path, manifest, who) {
  const routes = plants(config, "routes-of-an-old-manifest") ? manifest : newestOf(state, path);
  let content = 0;
  for (const name of manifest.ssts) {
    const value = read(state, path, routes, name);
    if (value === undefined) violate(`P5: ${who} names ${name}, which is not there`);
    content |= value;
  }
  return content;
}

/** What a manifest and its checkpoints name. */
export function named(state, path, manifest) {
  const { manifests } = state.stores[path];
  const pinned = manifest.checkpoints.flatMap(({ number }) => manifests[number].ssts);
  return new Set([...manifest.ssts, ...pinned]);
}

export function checkInvariants(state, config) {
  config.check?.(state);
  for (const path in state.stores) {
    const newest = newestOf(state, path);
    if (!newest || newest.isDestroyed) continue;
    const content = contentOf(config, state, path, newest, `${path}'s newest manifest`);
    if ((content & state.truth.must[path]) !== state.truth.must[path]) {
      violate(`P1: ${path} holds ${content}, not ${state.truth.must[path]}`);
    }
    for (const { id, number, content: promised } of newest.checkpoints) {
      const manifest = state.stores[path].manifests[number];
      const found = contentOf(config, state, path, manifest, `checkpoint ${id} of ${path}`);
      if (promised !== undefined && found !== promised)
        violate(`checkpoint ${id} of ${path} changed`);
    }
  }
}

/** When nothing can happen any more: nothing is held for somebody who does not need it, and no copy is forgotten. */
export function checkEnd(state, config) {
  config.checkEnd?.(state);
  const hasDied = Object.values(state.processes).some(({ step }) => step === "dead");
  for (const path in state.stores) {
    const newest = newestOf(state, path);
    if (!newest) continue;
    for (const { id, holder, holderId } of newest.checkpoints) {
      // An attempt that died has left it, and nobody has tried again: administration shows whose it is.
      const { life, externals = [] } = (holder && newestOf(state, holder)) || {};
      if (!holder || (hasDied && life !== holderId)) continue;
      if (!externals.some((entry) => entry.pin === id && entry.path === path)) {
        violate(`leak: ${path} keeps pin ${id} for ${holder}, which does not know of it`);
      }
    }
    if (config.targets?.includes(path)) continue;
    const live = named(state, path, newest);
    for (const name in state.stores[path].objects) {
      const isKnown =
        ownerOf(name) === path || newest.externals.some((e) => e.owner === ownerOf(name));
      if (live.has(name) || newest.retired.includes(name) || isKnown) continue;
      violate(`leak: ${name} lies at ${path}, and no sweep of ${path} takes it for its own`);
    }
  }
}

/** Actions are `[label, apply]`; a process that has not ended may die between any two. */
export function actionsOf(state, config) {
  const actions = [];
  for (const name in state.processes) {
    const self = state.processes[name];
    if (self.step === "done" || self.step === "dead") continue;
    const act = (label, apply) =>
      actions.push({
        label: `${name} ${label}`,
        apply: (next) => {
          next.processes[name] = cloneProcess(self);
          apply(next, next.processes[name]);
        },
      });
    config.programs[self.program]({ state, config, name, self, add: act });
    if (state.faults.crash && self.step !== "start" && config.mayDie?.includes(name)) {
      act("dies", (next, process) => {
        next.faults.crash--;
        next.processes[name] = { program: process.program, step: "dead" };
      });
    }
  }
  return actions;
}

export const model = {
  initialState,
  cloneState,
  fingerprint,
  actionsOf,
  checkInvariants,
  checkEnd,
  isSettled: () => true,
};
