// A detach: what a database names of others is copied to its own path, and one commit says so; the release (roles.mjs) drops
// the pins that it leaves.

import { plants } from "../state.mjs";
import { commit, named, newestOf, ownerOf, placeOf } from "./world.mjs";

/** Copies every object of others, then one commit says that they lie here; the old entries leave. */
export function addDetach({ config, self, state, add }) {
  const { path } = self;
  switch (self.step) {
    case "start":
      if (!newestOf(state, path)) return;
      add("says that copies may lie here", (next, process) => {
        if (!plants(config, "copies-not-announced")) {
          commit(next, path, (manifest) => withCopies(manifest, true));
        }
        process.step = "read";
      });
      return;
    case "read":
      add("reads what is to be copied", (next, process) => {
        const manifest = newestOf(next, path);
        const isHere = (name) => ownerOf(name) === path || read1(next, path, name) !== undefined;
        process.todo = namesToCopy(config, next, path, manifest).filter((name) => !isHere(name));
        process.copied = namesToCopy(config, next, path, manifest).filter(isHere);
        process.step = "copy";
      });
      return;
    case "copy":
      if (!self.todo.length) {
        addDetachCommit({ config, self, add });
        return;
      }
      add(`copies ${self.todo[0]}`, (next, process) => {
        const name = process.todo.shift();
        const place = placeOf(path, newestOf(next, path), ownerOf(name));
        const value = place && next.stores[place].objects[name];
        if (value === undefined) process.step = "read";
        else {
          next.stores[path].objects[name] = value;
          process.copied.push(name);
        }
      });
      return;
    case "release":
      add("leaves the pins to the release", (_next, process) => {
        process.step = "done";
      });
  }
}

const read1 = (state, path, name) => state.stores[path].objects[name];

function namesToCopy(config, state, path, manifest) {
  const names = plants(config, "checkpoints-not-copied")
    ? manifest.ssts
    : [...named(state, path, manifest)];
  return names.filter((name) => ownerOf(name) !== path);
}

/** One entry of path "" for each owner: leaving, where copies may lie there that nothing is read from. */
function withCopies(manifest, isLeaving) {
  const owners = [...new Set(manifest.externals.map(({ owner }) => owner))];
  const others = manifest.externals.filter((each) => each.path);
  const here = owners.map((owner) => {
    const known = manifest.externals.find((each) => each.owner === owner && !each.path);
    return { owner, path: "", pin: "", isLeaving: known?.isLeaving ?? true };
  });
  if (isLeaving) return { ...manifest, externals: [...here, ...others] };
  return { ...manifest, externals: here.map(toValid).concat(others.map(toLeaving)) };
}

const toValid = (each) => ({ ...each, isLeaving: false });

const toLeaving = (each) => ({ ...each, isLeaving: true });

function addDetachCommit({ config, self, add }) {
  const { path } = self;
  add("commits that all lies here", (next, process) => {
    const done = commit(next, path, (manifest) => {
      const names = namesToCopy(config, next, path, manifest);
      const isWhole = names.every((name) => process.copied.includes(name));
      if (!isWhole && !plants(config, "detached-as-it-was-read")) return null;
      // Only what is there is made valid.
      const isLost =
        plants(config, "announcement-removed") && manifest.externals.every((each) => each.path);
      const changed = isLost
        ? { ...manifest, externals: manifest.externals.map(toLeaving) }
        : withCopies(manifest, false);
      return plants(config, "pins-forgotten")
        ? { ...changed, externals: changed.externals.filter((each) => !each.path) }
        : changed;
    });
    process.step = done ? "release" : "read";
  });
}
