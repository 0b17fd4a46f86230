// Who works on one database of the world of points in time: flushes, compaction, administration, the collector with the
// release of what it holds elsewhere, and the sweep of copies.

import { plants } from "../state.mjs";
import { commit, contentOf, mint, named, newestOf, ownerOf, placeOf } from "./world.mjs";

/** Uploads an SST of its own, then names it: a flush of a new write, or all SSTs (of one owner) merged into one. */
export function addChange({ config, self, state, add }) {
  const { path, bit, only } = self;
  if (self.step === "start") {
    const manifest = newestOf(state, path);
    if (!manifest || manifest.isDestroyed) return;
    const inputs = manifest.ssts.filter((name) => !bit && (!only || ownerOf(name) === only));
    add(bit ? "uploads a flush" : `merges ${inputs}`, (next, process) => {
      process.output = mint(next, path);
      process.inputs = inputs;
      const ssts = { ...manifest, ssts: inputs };
      const content = bit ?? contentOf(config, next, path, ssts, "a compaction");
      next.stores[path].objects[process.output] = content;
      process.step = "commit";
    });
    return;
  }
  add(`commits ${self.output}`, (next, process) => {
    const { inputs, output } = process;
    const result = commit(next, path, (manifest) => {
      if (manifest.isDestroyed || !inputs.every((name) => manifest.ssts.includes(name)))
        return null;
      return {
        ...manifest,
        ssts: [...manifest.ssts.filter((name) => !inputs.includes(name)), output],
        retired: [...manifest.retired, ...inputs],
      };
    });
    if (result && bit) next.truth.must[path] |= bit;
    process.step = "done";
  });
}

/** One commit after the other, as its script says. */
export function addAdministrator({ config, self, state, add }) {
  const { path, script } = self;
  if (!newestOf(state, path)) return;
  const [operation, ...rest] = script;
  add(operation, (next, process) => {
    process.script = rest;
    const result = commit(next, path, (manifest, number) =>
      operations[operation]({ config, state: next, path, manifest, number }),
    );
    if (result && operation === "restore") {
      next.truth.must[path] = contentOf(config, next, path, result, "what is restored");
    }
    if (!rest.length) process.step = "done";
  });
}

const operations = {
  checkpoint: ({ config, state, path, manifest, number }) => {
    const content = contentOf(config, state, path, manifest, "a checkpoint");
    const added = { id: `c.${path}`, number, content };
    return { ...manifest, checkpoints: [...manifest.checkpoints, added] };
  },
  /** The pin of an exporter whose time is over. */
  expire: ({ manifest }) => ({
    ...manifest,
    checkpoints: manifest.checkpoints.filter(({ id }) => id !== "A"),
  }),
  drop: ({ path, manifest }) => ({
    ...manifest,
    checkpoints: manifest.checkpoints.filter(({ id }) => id !== `c.${path}`),
  }),
  /** The replaced state becomes a checkpoint on the manifest that this is applied to. */
  restore: ({ config, state, path, manifest, number }) => {
    const from = manifest.checkpoints.find(({ id }) => id === `c.${path}`);
    if (!from) return null;
    const { ssts, externals } = state.stores[path].manifests[from.number];
    const routes = plants(config, "restore-takes-old-places")
      ? { ...manifest, externals }
      : manifest;
    if (!ssts.every((name) => placeOf(path, routes, ownerOf(name)))) return null;
    const content = contentOf(config, state, path, manifest, "what is replaced");
    const replaced = { id: `r.${path}`, number: number - 1, content };
    const keeps = plants(config, "restore-does-not-keep") ? [] : [replaced];
    return {
      ...routes,
      ssts,
      checkpoints: [...manifest.checkpoints, ...keeps],
      retired: [
        ...manifest.retired.filter((name) => !ssts.includes(name)),
        ...manifest.ssts.filter((name) => !ssts.includes(name)),
      ],
    };
  },
};

/** A parent that compacts and collects, all at once: what it does in between is for other scenarios. */
export function addParent({ config, self, state, add }) {
  const { path } = self;
  add("compacts and collects all at once", (next, process) => {
    const output = mint(next, path);
    const merged = contentOf(config, state, path, newestOf(state, path), "a compaction");
    next.stores[path].objects[output] = merged;
    const manifest = commit(next, path, (newest) => ({ ...newest, ssts: [output], retired: [] }));
    const spared = named(next, path, manifest);
    for (const name in next.stores[path].objects) {
      if (!spared.has(name)) delete next.stores[path].objects[name];
    }
    process.step = "done";
  });
}

/** Deletes what is retired and unnamed, takes it off, and then gives up what no manifest here needs in others. */
export function addCollector({ config, name, self, state, add }) {
  const { path } = self;
  switch (self.step) {
    case "start":
      if (!newestOf(state, path)) return;
      add("reads the newest manifest", (next, process) => {
        const manifest = newestOf(next, path);
        const spared = named(next, path, manifest);
        process.doomed = manifest.retired.filter((each) => !spared.has(each));
        process.gone = [];
        process.step = process.doomed.length ? "delete" : "judge";
      });
      return;
    case "delete":
      if (self.doomed.length) {
        add(`deletes ${self.doomed[0]}`, (next, process) => {
          const doomed = process.doomed.shift();
          process.gone.push(doomed);
          delete next.stores[path].objects[doomed];
          if (!plants(config, "deleted-in-the-parent")) return;
          const place = placeOf(path, newestOf(next, path), ownerOf(doomed));
          if (place) delete next.stores[place].objects[doomed];
        });
        return;
      }
      add("takes off what is gone", (next, process) => {
        commit(next, path, (manifest) => ({
          ...manifest,
          retired: manifest.retired.filter((each) => !process.gone.includes(each)),
        }));
        process.step = "judge";
      });
      return;
    default:
      addRelease({ config, name, self, add });
  }
}

/** The entries that nothing here needs: those that were leaving, and those whose owner nobody names. */
function unneeded(config, state, path) {
  const manifest = newestOf(state, path);
  const names = plants(config, "released-by-the-newest-alone")
    ? manifest.ssts
    : [...named(state, path, manifest)];
  const isNamed = (owner) => names.some((each) => ownerOf(each) === owner);
  // Own copies need no pin; where they are announced (leaving, without a path) a detach is under way.
  const isHeld = ({ path: at }) => at || plants(config, "announcement-removed");
  return manifest.externals.filter(
    (each) => isHeld(each) && (each.isLeaving || (each.path && !isNamed(each.owner))),
  );
}

/** Marked first, then dropped where it is held, then removed: each may be found done by somebody before. */
function addRelease({ config, self, add }) {
  const { path } = self;
  const change = (next, leaving, to) =>
    commit(next, path, (manifest) => ({
      ...manifest,
      externals: manifest.externals.flatMap((each) =>
        leaving.some(({ pin, path: at }) => pin === each.pin && at === each.path)
          ? to(each)
          : [each],
      ),
    }));
  switch (self.step) {
    case "judge":
      add("looks for entries that nothing needs", (next, process) => {
        process.leaving = unneeded(config, next, path);
        if (!process.leaving.length) return again(process);
        process.step = plants(config, "removed-before-its-pin") ? "remove" : "mark";
        process.pins = process.leaving;
      });
      return;
    case "mark":
      add("marks them as leaving", (next, process) => {
        change(next, process.leaving, (each) => [{ ...each, isLeaving: true }]);
        process.step = "unpin";
      });
      return;
    case "unpin":
      add(`drops pin ${self.pins[0].pin} at ${self.pins[0].path}`, (next, process) => {
        const { pin, path: at } = process.pins.shift();
        if (at) {
          commit(next, at, (manifest) => ({
            ...manifest,
            checkpoints: manifest.checkpoints.filter(({ id }) => id !== pin),
          }));
        }
        if (process.pins.length) return;
        if (plants(config, "removed-before-its-pin")) again(process);
        else process.step = "remove";
      });
      return;
    case "remove":
      add("removes them", (next, process) => {
        change(next, process.leaving, () => []);
        if (plants(config, "removed-before-its-pin")) process.step = "unpin";
        else again(process);
      });
  }
}

function again(process) {
  process.passes--;
  Object.assign(process, { doomed: [], gone: [], leaving: [], pins: [] });
  process.step = process.passes > 0 ? "start" : "done";
}

/** Copies of others' objects that nothing here names: below the floors like all that others have written. */
export function addCopySweep({ self, state, add }) {
  const { path } = self;
  if (self.step === "start") {
    if (!newestOf(state, path)) return;
    add("reads the newest manifest", (next, process) => {
      const manifest = newestOf(next, path);
      process.spared = [...named(next, path, manifest), ...manifest.retired];
      process.owners = manifest.externals.map(({ owner }) => owner);
      process.step = "list";
    });
    return;
  }
  if (self.step === "list") {
    add("lists", (next, process) => {
      const names = Object.keys(next.stores[path].objects);
      process.doomed = names.filter(
        (each) => process.owners.includes(ownerOf(each)) && !process.spared.includes(each),
      );
      process.step = process.doomed.length ? "delete" : "done";
    });
    return;
  }
  add(`deletes copy ${self.doomed[0]}`, (next, process) => {
    delete next.stores[path].objects[process.doomed.shift()];
    if (!process.doomed.length) process.step = "done";
  });
}
